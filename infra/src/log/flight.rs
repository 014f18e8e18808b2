//! One write of one or more commits, and what each of them is told.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{sync::mpsc, time::Instant};
use weir_events::{AppendError, Appended, Position, envelope::header};

use super::{
    batcher::Entry,
    link::{Link, Seen, Sent},
    wire::{self, code},
};

/// How long to wait before another try when the server could not take a write.
const PAUSE: Duration = Duration::from_millis(20);

/// In what company commits are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As one atomic batch.
    Batch,
    /// Each for itself, because they are few.
    Few,
    /// Each for itself, beside the others.
    Apart,
}

impl Kind {
    /// Its name among the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Few => "few",
            Self::Apart => "apart",
        }
    }
}

/// A write that is over. The commits that it settled have been answered.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) kind: Kind,
    /// How many events took part.
    pub(super) events: usize,
    /// How long the server took, once all was said.
    pub(super) took: Duration,
    /// Commits to try again.
    pub(super) again: Vec<Entry>,
    /// Last positions of subjects that were written.
    pub(super) written: Vec<(u64, u64)>,
}

impl Landed {
    fn new(kind: Kind) -> Self {
        Self { kind, events: 0, took: Duration::ZERO, again: Vec::new(), written: Vec::new() }
    }

    /// Everything that the commit wrote lies between these positions.
    fn acknowledge(&mut self, entry: Entry, first: u64) {
        let appended = entry.appended(first);
        if let [(subject, _)] = entry.writes[..] {
            self.written.push((subject, appended.last.0));
        } else {
            // Where in the commit each subject was written last does not matter for a hint that
            // only tells old guards from new ones.
            self.written.extend(entry.writes.iter().map(|(subject, _)| (*subject, first)));
        }
        entry.answer(Ok(appended));
    }

    fn again_after_silence(&mut self, mut entry: Entry) {
        entry.tried = true;
        self.again.push(entry);
    }
}

/// Writes each commit for itself.
pub(super) async fn separately(link: Arc<Link>, kind: Kind, mut entries: Vec<Entry>) -> Landed {
    let mut landed = Landed::new(kind);
    landed.events = entries.iter().map(|e| e.events).sum();
    let begun = Instant::now();
    if let Err(reason) = link.ready().await {
        tracing::warn!(reason, waiting = entries.len(), "commits wait for the event log's server");
        landed.again = entries;
    } else {
        let sent = join_all(entries.iter_mut().map(|entry| link.write(entry.take_messages()))).await;
        let settled = entries.into_iter().zip(sent).map(|(entry, sent)| alone(&link, entry, sent));
        for verdict in join_all(settled).await {
            settle(&mut landed, verdict);
        }
    }
    landed.took = begun.elapsed();
    landed
}

/// Writes the commits that join as one atomic batch, once no more can join. They are on their way
/// to the server as soon as they join.
pub(super) async fn together(link: Arc<Link>, mut joining: mpsc::UnboundedReceiver<Entry>) -> Landed {
    let mut landed = Landed::new(Kind::Batch);
    let mut entries: Vec<Entry> = Vec::new();
    let mut state = link.ready().await;
    let mut batch = link.batch();
    while let Some(mut entry) = joining.recv().await {
        landed.events += entry.events;
        if state.is_ok() {
            state = batch.add(entry.take_messages()).await;
        }
        entries.push(entry);
    }
    let begun = Instant::now();
    if let Err(reason) = state {
        tracing::warn!(reason, waiting = entries.len(), "commits wait for the event log's server");
        landed.again = entries;
        return landed;
    }
    let sent = batch.commit().await;
    landed.took = begun.elapsed();
    if entries.len() > 1 {
        settle_all(&link, entries, sent, &mut landed).await;
    } else if let Some(entry) = entries.pop() {
        settle(&mut landed, alone(&link, entry, sent).await);
    }
    landed
}

/// Writes one commit by itself. The error is the commit, to be tried again in its turn.
pub(super) async fn at_once(link: &Link, mut entry: Entry) -> Result<Result<Appended, AppendError>, Entry> {
    if link.ready().await.is_err() {
        return Err(entry);
    }
    let sent = link.write(entry.take_messages()).await;
    match alone(link, entry, sent).await {
        Verdict::Written(entry, first) => Ok(Ok(entry.appended(first))),
        Verdict::Failed(_, error) => Ok(Err(error)),
        Verdict::Again(entry) => Err(entry),
        Verdict::AgainAfterSilence(mut entry) => {
            entry.tried = true;
            Err(entry)
        }
    }
}

/// What is to become of a commit.
enum Verdict {
    Written(Entry, u64),
    Failed(Entry, AppendError),
    Again(Entry),
    AgainAfterSilence(Entry),
}

fn settle(landed: &mut Landed, verdict: Verdict) {
    match verdict {
        Verdict::Written(entry, first) => landed.acknowledge(entry, first),
        Verdict::Failed(entry, error) => entry.answer(Err(error)),
        Verdict::Again(entry) => landed.again.push(entry),
        Verdict::AgainAfterSilence(entry) => landed.again_after_silence(entry),
    }
}

/// Settles a commit that was written by itself.
async fn alone(link: &Link, entry: Entry, sent: Sent) -> Verdict {
    match sent {
        Sent::Written(last) => {
            let first = (last + 1).saturating_sub(entry.events as u64);
            Verdict::Written(entry, first)
        }
        Sent::Before(position) => before(link, entry, position).await,
        Sent::Unknown(_) => Verdict::AgainAfterSilence(entry),
        Sent::NotNow(_) => {
            tokio::time::sleep(PAUSE).await;
            Verdict::Again(entry)
        }
        Sent::Refused(refusal) => match refusal.err_code {
            // A single message's guard is looked at before its id: it may fail because this very
            // commit was written before.
            code::MOVED | code::IN_BATCH_BEFORE => match seen(link, &entry).await {
                Seen::At(position) => before(link, entry, position).await,
                Seen::Not if refusal.err_code == code::MOVED => Verdict::Failed(entry, AppendError::Conflict),
                Seen::Not => {
                    Verdict::Failed(entry, AppendError::Invalid("an event of it was written before"))
                }
                Seen::Unknown => Verdict::Again(entry),
            },
            code::MOVING => {
                tokio::time::sleep(Duration::from_millis(rand::random_range(1..10))).await;
                Verdict::Again(entry)
            }
            lost if code::BATCH_LOST.contains(&lost) => {
                tokio::time::sleep(PAUSE).await;
                Verdict::Again(entry)
            }
            large if code::TOO_LARGE.contains(&large) => {
                let sizes = wire::encode(&entry.commit, usize::MAX);
                let size = sizes.iter().flatten().map(wire::Outgoing::size).max().unwrap_or_default();
                let limit = link.client.max_payload();
                Verdict::Failed(entry, AppendError::TooLarge { size, limit })
            }
            _ => Verdict::Failed(entry, AppendError::Unavailable(refusal.description)),
        },
    }
}

async fn seen(link: &Link, entry: &Entry) -> Seen {
    match entry.commit.events.first() {
        Some(event) => link.seen(event.subject.to_string().into(), &wire::dedup_id(&entry.commit)).await,
        None => Seen::Not,
    }
}

/// Settles a commit whose identity is already in the stream: it may be a try of this very call of
/// which no answer came, or an earlier call.
async fn before(link: &Link, entry: Entry, position: u64) -> Verdict {
    if entry.tried {
        let message = match link.message(position).await {
            Ok(message) => message,
            Err(_) => return Verdict::Again(entry),
        };
        let id = message.and_then(|m| m.headers?.get(header::ID).map(ToString::to_string));
        if id.is_some() && id == entry.commit.events.first().map(|e| e.meta.id.to_string()) {
            return Verdict::Written(entry, position);
        }
    }
    Verdict::Failed(entry, AppendError::Duplicate(Position(position)))
}

/// Settles commits that were written as one batch. When it failed because of some, those go apart
/// and the others try again together.
async fn settle_all(link: &Link, mut entries: Vec<Entry>, sent: Sent, landed: &mut Landed) {
    let refusal = match sent {
        Sent::Written(last) => {
            let mut first = (last + 1).saturating_sub(landed.events as u64);
            for entry in entries {
                let next = first + entry.events as u64;
                landed.acknowledge(entry, first);
                first = next;
            }
            return;
        }
        Sent::Unknown(_) => {
            entries.into_iter().for_each(|entry| landed.again_after_silence(entry));
            return;
        }
        Sent::NotNow(_) => {
            tokio::time::sleep(PAUSE).await;
            landed.again = entries;
            return;
        }
        Sent::Before(_) => {
            // A batch is not answered so; by themselves they get an answer of their own.
            entries.iter_mut().for_each(|e| e.apart = true);
            landed.again = entries;
            return;
        }
        Sent::Refused(refusal) => refusal,
    };
    match refusal.err_code {
        code::IN_BATCH_BEFORE => {
            let found = join_all(entries.iter().map(|entry| seen(link, entry))).await;
            let mut any = false;
            let mut rest = Vec::new();
            for (entry, seen) in entries.into_iter().zip(found) {
                if let Seen::At(position) = seen {
                    any = true;
                    settle(landed, before(link, entry, position).await);
                } else {
                    rest.push(entry);
                }
            }
            rest.iter_mut().for_each(|e| e.apart = e.apart || !any);
            landed.again.append(&mut rest);
        }
        code::MOVED => {
            mark_outdated(link, &mut entries).await;
            landed.again = entries;
        }
        lost if code::BATCH_LOST.contains(&lost) || lost == code::MOVING => {
            tokio::time::sleep(Duration::from_millis(rand::random_range(1..20))).await;
            landed.again = entries;
        }
        large if code::TOO_LARGE.contains(&large) => {
            entries.iter_mut().for_each(|e| e.apart = true);
            landed.again = entries;
        }
        _ => {
            for entry in entries {
                entry.answer(Err(AppendError::Unavailable(refusal.description.clone())));
            }
        }
    }
}

/// Finds the commits whose guards made a batch fail, so that they go apart next time. Only the
/// server's answer to each of them decides.
async fn mark_outdated(link: &Link, entries: &mut [Entry]) {
    let guards = |entry: &Entry| -> Vec<(String, u64)> {
        entry.commit.guards.iter().map(|(s, expected)| (s.to_string(), expected.0)).collect()
    };
    let guards: Vec<Vec<(String, u64)>> = entries.iter().map(guards).collect();
    let subjects: Vec<&str> = guards.iter().flatten().map(|(s, _)| s.as_str()).collect();
    let mut last = HashMap::new();
    for page in subjects.chunks(wire::MAX_EVENTS) {
        match link.last_positions(page).await {
            Ok(page) => last.extend(page),
            Err(_) => break,
        }
    }
    let mut any = false;
    for (entry, guards) in entries.iter_mut().zip(&guards) {
        entry.apart = guards.iter().any(|(s, expected)| last.get(s).copied().unwrap_or(0) != *expected);
        any |= entry.apart;
    }
    if !any {
        // Whatever it is, it is in one half of them.
        let half = entries.len().div_ceil(2);
        entries.iter_mut().take(half).for_each(|e| e.apart = true);
    }
}
