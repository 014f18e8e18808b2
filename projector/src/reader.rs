//! From the log to batches: what is ready is taken at once, never waited for.
//!
//! A task follows the log, decodes and folds while the batch before is being written. It hands over what
//! it has as soon as the writer is free, so an idle stream's event is a batch of one, while behind
//! a busy writer batches grow up to their bounds.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;
use weir_events::{
    Aggregate, EventLog, Filter, FollowError, Position, Recorded, Start, Stored, WorkspaceId,
    envelope::header,
};

use crate::{
    Projections,
    projection::{Erased, Folded},
};

/// Events to be written together.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Recorded>,
    /// What each projection made of them; none for a part of a batch.
    folded: Vec<Box<dyn Folded>>,
    /// Events that a projection panicked at.
    poison: HashSet<(Position, &'static str)>,
    pub(crate) dead: Vec<Dead>,
    /// The position of the last of them all.
    pub(crate) last: Position,
    bytes: usize,
}

/// An event that could not be folded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dead {
    pub(crate) position: Position,
    /// The projection that could not, or `*`.
    pub(crate) projection: &'static str,
    pub(crate) subject: String,
    pub(crate) reason: String,
    pub(crate) at: Option<DateTime<Utc>>,
}

/// What stands for every projection in a dead letter.
const ALL: &str = "*";

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.events.len() + self.dead.len()
    }

    fn push(&mut self, stored: Stored, projections: &Projections) {
        self.last = stored.position;
        self.bytes += stored.payload.len();
        match decode(stored) {
            Ok(event) => {
                if self.folded.is_empty() {
                    self.folded = projections.begin();
                }
                for (n, projection) in projections.iter().enumerate() {
                    if let Err(reason) = caught(&mut *self.folded[n], &event) {
                        self.poison.insert((event.position, projection.name()));
                        self.dead.push(refused(&event, projection.name(), reason));
                        // It may have taken in half of the event.
                        self.folded[n] = self.folded_by(projection);
                    }
                }
                // Kept in case that the tables refuse the batch, and it has to be cut.
                self.events.push(event);
            }
            Err(dead) => self.dead.push(dead),
        }
    }

    /// What a projection makes of the events, those left out that it panics at.
    pub(crate) fn folded_by(&self, projection: &dyn Erased) -> Box<dyn Folded> {
        let mut folded = projection.begin();
        for event in &self.events {
            if !self.poison.contains(&(event.position, projection.name())) {
                folded.fold(event);
            }
        }
        folded
    }

    /// What there is to write, for each of the projections in order.
    pub(crate) fn folded(&mut self, projections: &Projections) -> Vec<Box<dyn Folded>> {
        let mut folded = std::mem::take(&mut self.folded);
        if folded.is_empty() {
            folded = projections.iter().map(|projection| self.folded_by(projection)).collect();
        }
        folded
    }

    /// Two halves, each with the dead among its events. Of a batch with at least two events.
    pub(crate) fn halves(mut self) -> (Self, Self) {
        let events = self.events.split_off(self.events.len() / 2);
        let last = self.events.last().map_or(Position::START, |e| e.position);
        let (dead, later) = self.dead.into_iter().partition(|d| d.position <= last);
        let poison = self.poison.clone();
        let first = Self { events: self.events, poison, dead, last, ..Self::default() };
        let second = Self { events, poison: self.poison, dead: later, last: self.last, ..Self::default() };
        (first, second)
    }
}

/// Folds an event; a panic is the reason why it could not be.
fn caught(folded: &mut dyn Folded, event: &Recorded) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| folded.fold(event))).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason was given");
        format!("the projection panicked: {said}").replace('\0', "\u{fffd}")
    })
}

/// An event that one projection cannot take.
pub(crate) fn refused(event: &Recorded, projection: &'static str, reason: String) -> Dead {
    let (position, subject) = (event.position, event.subject.to_string());
    Dead { position, projection, subject, reason, at: Some(event.meta.time) }
}

/// An event as it is folded, or why it cannot be.
pub(crate) fn decode(mut stored: Stored) -> Result<Recorded, Dead> {
    if let Some(payload) = without_nul(&stored.payload) {
        stored.payload = payload;
    }
    let dead = |reason: String| Dead {
        position: stored.position,
        projection: ALL,
        subject: stored.subject.replace('\0', "\u{fffd}"),
        reason: reason.replace('\0', "\u{fffd}"),
        at: stored
            .headers
            .get(header::TIME)
            .and_then(|t| DateTime::parse_from_rfc3339(t).ok())
            .map(|t| t.to_utc()),
    };
    let event = stored.decode().map_err(|e| dead(e.to_string()))?;
    if event.subject.aggregate() != Aggregate::Name && event.subject.id().parse::<Uuid>().is_err() {
        return Err(dead("the subject's id is not a UUID".to_owned()));
    }
    Ok(event)
}

/// The payload with every escaped NUL replaced, `None` if it has none. JSON can hold that
/// character, PostgreSQL cannot; the replacement is what Unicode has for the purpose.
fn without_nul(payload: &Bytes) -> Option<Bytes> {
    const NUL: &[u8] = br"\u0000";
    // Few payloads have any escape at all, and of those few have this one.
    if !payload.contains(&b'\\') || !payload.windows(NUL.len()).any(|w| w == NUL) {
        return None;
    }
    let mut out = payload.to_vec();
    let mut at = 0;
    while at < out.len() {
        if out[at] != b'\\' {
            at += 1;
        } else if out[at..].starts_with(NUL) {
            out[at..at + NUL.len()].copy_from_slice(br"\ufffd");
            at += NUL.len();
        } else {
            // Another escape: its second character is no beginning of one.
            at += 2;
        }
    }
    Some(out.into())
}

/// How many events are asked for at a time.
const PAGE: usize = 1_000;

/// How large a batch may grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// Batches of what comes after a position; dropping it stops reading.
pub(crate) struct Reader {
    batches: mpsc::Receiver<Result<Batch, FollowError>>,
    task: JoinHandle<()>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    /// Reads on and on, or up to and including the event at `until`.
    pub(crate) fn start(
        log: &Arc<dyn EventLog>,
        projections: &Projections,
        after: Position,
        until: Option<Position>,
        bounds: Bounds,
    ) -> Self {
        let (out, batches) = mpsc::channel(1);
        let (log, projections) = (log.clone(), projections.clone());
        let task = tokio::spawn(async move {
            if until.is_none_or(|until| after < until) {
                let events = log.follow(Filter::All, after);
                let events = events.chain(stream::once(async {
                    Err(FollowError::Failed("the stream of events ended".to_owned()))
                }));
                read(events.boxed(), projections, until, bounds, out).await;
            }
        });
        Self { batches, task }
    }

    /// Reads a workspace's events from the first, up to and including the one at `until`.
    pub(crate) fn of_workspace(
        log: &Arc<dyn EventLog>,
        workspace: WorkspaceId,
        projections: &Projections,
        until: Position,
        bounds: Bounds,
    ) -> Self {
        let (out, batches) = mpsc::channel(1);
        let (events, projections) = (pages(log.clone(), Filter::Workspace(workspace)), projections.clone());
        let task = tokio::spawn(async move {
            if until > Position::START {
                read(events, projections, Some(until), bounds, out).await;
            }
        });
        Self { batches, task }
    }

    /// The next batch; `None` once, when the last one has been handed out.
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>, FollowError> {
        match self.batches.recv().await {
            Some(batch) => batch.map(Some),
            // Only a task that ended well has read everything.
            None => match (&mut self.task).await {
                Ok(()) => Ok(None),
                Err(error) => Err(FollowError::Failed(format!("reading events broke off: {error}"))),
            },
        }
    }
}

/// Everything that is there, read page by page.
fn pages(log: Arc<dyn EventLog>, filter: Filter) -> BoxStream<'static, Result<Stored, FollowError>> {
    let next = (log, filter, Some(Position::START));
    let pages = stream::unfold(next, |(log, filter, after)| async move {
        let page = log.read(&filter, Start::After(after?), PAGE).await;
        let (events, after) = match page {
            Ok(page) => {
                let last = page.events.last().map(|e| e.position).filter(|_| !page.end);
                (page.events.into_iter().map(Ok).collect(), last)
            }
            Err(error) => (vec![Err(FollowError::Failed(error.to_string()))], None),
        };
        Some((stream::iter(events), (log, filter, after)))
    });
    pages.flatten().boxed()
}

/// Sends batches of events: up to `until`, or to the end of the stream.
async fn read(
    mut events: BoxStream<'static, Result<Stored, FollowError>>,
    projections: Projections,
    until: Option<Position>,
    bounds: Bounds,
    out: mpsc::Sender<Result<Batch, FollowError>>,
) {
    let mut batch = Batch::default();
    let mut done = false;
    while !(done && batch.len() == 0) {
        let full = done || batch.len() >= bounds.events || batch.bytes >= bounds.bytes;
        tokio::select! {
            biased;
            next = events.next(), if !full => match next {
                Some(Ok(stored)) => {
                    let past = until.filter(|until| stored.position >= *until);
                    done = past.is_some();
                    if past.is_none_or(|until| stored.position == until) {
                        batch.push(stored, &projections);
                    }
                }
                Some(Err(error)) => {
                    // The receiver may be gone: then nobody wants to know.
                    let _ = out.send(Err(error)).await;
                    return;
                }
                None => done = true,
            },
            permit = out.reserve(), if batch.len() > 0 => match permit {
                Ok(permit) => permit.send(Ok(std::mem::take(&mut batch))),
                Err(_) => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_nul_is_replaced_and_nothing_else() {
        let cases = [
            (r#"{"a":"x\u0000y"}"#, Some(r#"{"a":"x\ufffdy"}"#)),
            (r#"{"a":"\\u0000"}"#, Some(r#"{"a":"\\u0000"}"#)),
            (r#"{"a":"\\\u0000"}"#, Some(r#"{"a":"\\\ufffd"}"#)),
            (r#"{"a":"\u0000\u0000"}"#, Some(r#"{"a":"\ufffd\ufffd"}"#)),
            (r#"{"a":"u0000"}"#, None),
        ];
        for (input, wanted) in cases {
            let got = without_nul(&Bytes::from_static(input.as_bytes()));
            assert_eq!(got.as_deref(), wanted.map(str::as_bytes), "{input}");
        }
    }
}
