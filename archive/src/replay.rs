//! An event log whose beginning is read from the archive: for folding anew without the log's own pages.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use weir_events::{
    AppendError, Appended, Commit, EventLog, Filter, FollowError, Page, Position, Recorded, Start, Stored,
    Subject, Unavailable, log::LoadError,
};

use crate::Snapshot;

/// A log of which those who follow get the beginning from the archive.
pub struct Replay {
    archive: Snapshot,
    log: Arc<dyn EventLog>,
    archived: Arc<AtomicU64>,
}

impl Replay {
    /// That log, with that archive of it.
    pub fn new(archive: Snapshot, log: Arc<dyn EventLog>) -> Self {
        Self { archive, log, archived: Arc::default() }
    }

    /// How many events the archive gave so far.
    pub fn archived(&self) -> u64 {
        self.archived.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl EventLog for Replay {
    async fn append(&self, commit: Commit) -> Result<Appended, AppendError> {
        self.log.append(commit).await
    }

    async fn load(&self, subject: &Subject) -> Result<Vec<Recorded>, LoadError> {
        self.log.load(subject).await
    }

    fn follow(&self, filter: Filter, after: Position) -> BoxStream<'static, Result<Stored, FollowError>> {
        let end = self.archive.position();
        if after >= end {
            return self.log.follow(filter, after);
        }
        let (log, wanted, archived) = (Arc::clone(&self.log), filter.clone(), Arc::clone(&self.archived));
        let pieces = self.archive.events(after).stream().map(move |piece| match piece {
            Ok(events) => {
                archived.fetch_add(events.len() as u64, Ordering::Relaxed);
                let events = events.into_iter().filter(|event| wanted.matches(&event.subject));
                stream::iter(events.map(Ok).collect::<Vec<_>>())
            }
            Err(error) => stream::iter(vec![Err(FollowError::Failed(error.to_string()))]),
        });
        // Asked for only when the archive is at its end.
        let rest = stream::once(async move { log.follow(filter, end) }).flatten();
        pieces.flatten().chain(rest).boxed()
    }

    async fn read(&self, filter: &Filter, start: Start, limit: usize) -> Result<Page, Unavailable> {
        self.log.read(filter, start, limit).await
    }

    async fn last(&self, filter: &Filter) -> Result<Position, Unavailable> {
        self.log.last(filter).await
    }

    async fn head(&self) -> Result<Position, Unavailable> {
        self.log.head().await
    }
}
