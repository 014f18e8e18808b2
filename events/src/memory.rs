//! An event log in memory, for tests and as the plainest reading of the port's promises.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use crate::{
    AppendError, Appended, Commit, EventLog, Filter, FollowError, Page, Position, Recorded, Start, Stored,
    Subject, Unavailable, envelope::header, log::LoadError,
};

/// The largest event, as NATS has it by default: 1 MiB.
const MAX_EVENT: usize = 1024 * 1024;

/// An event log in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    head: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Stored>,
    last: HashMap<String, Position>,
    dedup: HashMap<String, Position>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), head: watch::Sender::new(Position::START) }))
    }
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while the lock was held cannot leave a commit half done: see `append`.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, commit: Commit) -> Result<Appended, AppendError> {
        let Some(first_event) = commit.events.first() else {
            return Err(AppendError::Invalid("it has no events"));
        };
        if commit.guards.iter().any(|(s, _)| !commit.events.iter().any(|e| e.subject == *s)) {
            return Err(AppendError::Invalid("it guards a subject that it does not write"));
        }
        let dedup = commit.dedup.clone().unwrap_or_else(|| first_event.meta.id.to_string());
        let mut encoded = Vec::with_capacity(commit.events.len());
        for event in &commit.events {
            let (headers, payload) =
                event.encode().map_err(|_| AppendError::Invalid("an event has no JSON form"))?;
            let size = payload.len() + headers.iter().map(|(n, v)| n.len() + v.len() + 4).sum::<usize>();
            if size > MAX_EVENT {
                return Err(AppendError::TooLarge { size, limit: MAX_EVENT });
            }
            encoded.push((event.subject.to_string(), headers, payload));
        }

        let mut state = self.state();
        if let Some(position) = state.dedup.get(&dedup) {
            return Err(AppendError::Duplicate(*position));
        }
        for (subject, expected) in &commit.guards {
            let last = state.last.get(&subject.to_string()).copied().unwrap_or_default();
            if last != *expected {
                return Err(AppendError::Conflict);
            }
        }
        let first = Position(state.events.len() as u64 + 1);
        let mut last = first;
        for (n, (subject, headers, payload)) in encoded.into_iter().enumerate() {
            last = Position(first.0 + n as u64);
            state.last.insert(subject.clone(), last);
            state.events.push(Stored { position: last, subject, headers, payload });
        }
        state.dedup.insert(dedup, first);
        drop(state);
        self.0.head.send_if_modified(|head| std::mem::replace(head, last.max(*head)) < last);
        Ok(Appended { first, last })
    }

    async fn load(&self, subject: &Subject) -> Result<Vec<Recorded>, LoadError> {
        let subject = subject.to_string();
        let stored: Vec<Stored> =
            self.state().events.iter().filter(|e| e.subject == subject).cloned().collect();
        stored
            .iter()
            .map(|e| e.decode().map_err(|source| LoadError::Decode { position: e.position, source }))
            .collect()
    }

    fn follow(&self, filter: Filter, after: Position) -> BoxStream<'static, Result<Stored, FollowError>> {
        let log = self.clone();
        let head = self.state().events.len() as u64;
        if after.0 > head {
            let error = FollowError::BeyondHead { after, head: Position(head) };
            return stream::iter([Err(error)]).boxed();
        }
        let changed = self.0.head.subscribe();
        stream::unfold((log, changed, after), move |(log, mut changed, mut after)| {
            let filter = filter.clone();
            async move {
                loop {
                    let next = {
                        let state = log.state();
                        let rest = state.events.get(usize::try_from(after.0).unwrap_or(usize::MAX)..);
                        rest.unwrap_or_default().iter().find(|e| filter.matches(&e.subject)).cloned()
                    };
                    if let Some(event) = next {
                        after = event.position;
                        return Some((Ok(event), (log, changed, after)));
                    }
                    // The sender lives in the log that this stream holds, so this cannot fail.
                    changed.changed().await.ok()?;
                }
            }
        })
        .boxed()
    }

    async fn read(&self, filter: &Filter, start: Start, limit: usize) -> Result<Page, Unavailable> {
        let state = self.state();
        let begun = match start {
            Start::After(position) => usize::try_from(position.0).unwrap_or(usize::MAX),
            // It has no clock: what events say of themselves serves.
            Start::Since(time) => {
                state.events.iter().position(|e| happened(e) >= Some(time)).unwrap_or(usize::MAX)
            }
        };
        let rest = state.events.get(begun..).unwrap_or_default();
        let mut passing = rest.iter().filter(|e| filter.matches(&e.subject));
        let events: Vec<_> = passing.by_ref().take(limit).cloned().collect();
        Ok(Page { events, end: passing.next().is_none() })
    }

    async fn last(&self, filter: &Filter) -> Result<Position, Unavailable> {
        let state = self.state();
        let last = state.events.iter().rfind(|e| filter.matches(&e.subject));
        Ok(last.map_or(Position::START, |e| e.position))
    }

    async fn head(&self) -> Result<Position, Unavailable> {
        Ok(Position(self.state().events.len() as u64))
    }
}

/// When an event says that it happened.
fn happened(event: &Stored) -> Option<DateTime<Utc>> {
    let time = event.headers.get(header::TIME)?;
    DateTime::parse_from_rfc3339(time).ok().map(|time| time.to_utc())
}
