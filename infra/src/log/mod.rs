//! The event log on NATS JetStream: one stream, [`STREAM`], one literal subject per aggregate.
//!
//! - `setup`: creates the stream or checks that an existing one has the settings that the log's
//!   promises rest on.
//! - `wire`: commits as messages, messages as events; answers of the server.
//! - `batcher`: group commit: who shares the next write; `flight`: one write and its outcome.
//! - `mend`: completes the one commit that a crash of the server can cut in two.
//! - `restore`: fills an empty stream with events that have their positions already.
//! - `read`: a subject's events, by direct get; `follow`: all events from a position on.
//!
//! Deliberately absent: acknowledgements as checkpoints (a follower brings its position), age or
//! size limits, deletes. Events are forever.
//!
//! What cannot be seen from a client: whether the server syncs every write to disk
//! (`sync_interval: always` in its configuration). With the default, two minutes, acknowledged
//! events are lost when power fails. Whoever starts the server answers for that setting.

mod batcher;
mod flight;
mod follow;
mod link;
mod mend;
mod read;
mod restore;
mod setup;
mod wire;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::Instant,
};
use weir_events::{
    AppendError, Appended, Commit, EventLog, Filter, FollowError, Page, Position, Recorded, Start, Stored,
    Subject, Unavailable, log::LoadError,
};

pub use restore::RestoreError;
pub use setup::{Difference, SetupError, check as check_stream};

use crate::metrics::{self, prometheus::Registry};

use batcher::{Batcher, Entry};
use link::Link;
use wire::Outgoing;

/// The stream that holds every event.
pub const STREAM: &str = "WEIR_EVENTS";

/// The subjects of the stream: `weir.<workspace>.<aggregate>.<id>`, where a name's id has two parts.
pub const SUBJECTS: &str = "weir.*.*.>";

crate::metrics! {
    /// What the event log does. The mean size of a write is its events divided by its writes.
    pub(crate) struct Metrics in "log" {
        /// Commits and how long they took, by outcome.
        pub(crate) append_seconds: HistogramVec["outcome"],
        /// Writes that the server answered: alone (one commit, no others about), few (side by side), batch (as one), apart.
        pub(crate) writes_total: IntCounterVec["kind"],
        /// Events in those writes.
        pub(crate) events_total: IntCounterVec["kind"],
        /// Commits of several events that were completed after a crash of the server.
        pub(crate) mended_total: IntCounter,
    }
}

impl Metrics {
    fn wrote(&self, kind: &str, events: usize) {
        self.writes_total.with_label_values(&[kind]).inc();
        self.events_total.with_label_values(&[kind]).inc_by(events as u64);
    }
}

/// How the log behaves. `Options::default()` suits one embedded server.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long `append`, `load` and `head` wait for the server before they answer `Unavailable`.
    pub timeout: Duration,
    /// How many servers of a cluster keep the stream: 1 for a single one. With more, a `load` may
    /// be answered by a server that lags a little; a guard then turns the lag into a conflict.
    pub replicas: usize,
    /// How many commits may wait for their turn; further callers wait for a place, within `timeout`.
    pub queue: usize,
    /// How many events at most share one write. The server takes no more than 1,000.
    pub max_batch: usize,
    /// From how many waiting events on they share one write. A shared write costs the server as
    /// much as a dozen single ones or more, whatever it carries, so fewer are sent one by one, at once.
    pub min_batch: usize,
    /// Where its metrics go.
    pub registry: Registry,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            replicas: 1,
            queue: 4096,
            max_batch: 1_000,
            min_batch: 20,
            registry: metrics::registry(),
        }
    }
}

/// The event log on JetStream. Clones share the connection and the queue of waiting commits.
#[derive(Debug, Clone)]
pub struct JetStreamLog {
    link: Arc<Link>,
    queue: mpsc::Sender<Entry>,
    lane: Arc<Semaphore>,
    hasher: RandomState,
}

impl JetStreamLog {
    /// Opens the log: checks the server, creates the stream or checks its settings, and completes a
    /// commit that a crash of the server cut in two. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub async fn connect(client: async_nats::Client, options: Options) -> Result<Self, SetupError> {
        let metrics = Metrics::register(&options.registry).map_err(|e| SetupError::Metrics(e.to_string()))?;
        let link = Arc::new(Link::new(client, &options, metrics));
        setup::ensure(&link, &options).await?;
        link.ready().await.map_err(SetupError::Unavailable)?;
        let (sender, receiver) = mpsc::channel(options.queue.max(1));
        let lane = Arc::new(Semaphore::new(1));
        tokio::spawn(Batcher::new(link.clone(), receiver, lane.clone(), &options).run());
        Ok(Self { link, queue: sender, lane, hasher: RandomState::new() })
    }

    async fn write(&self, commit: Commit, messages: Vec<Outgoing>) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        let mut entry = Entry::new(commit, messages, reply, |text| self.hasher.hash_one(text));
        if let Ok(_lane) = self.lane.try_acquire() {
            let events = entry.events;
            match flight::at_once(&self.link, entry).await {
                Ok(result) => {
                    self.link.metrics.wrote("alone", events);
                    return result;
                }
                Err(again) => entry = again,
            }
        }
        let shut = || AppendError::Unavailable("the log is shut down".to_owned());
        self.queue.send(entry).await.map_err(|_| shut())?;
        answer.await.map_err(|_| shut())?
    }
}

#[async_trait]
impl EventLog for JetStreamLog {
    async fn append(&self, commit: Commit) -> Result<Appended, AppendError> {
        let begun = Instant::now();
        let result = match wire::encode(&commit, self.link.client.max_payload()) {
            Ok(messages) => tokio::time::timeout(self.link.timeout, self.write(commit, messages))
                .await
                .unwrap_or_else(|_| Err(AppendError::Unavailable("no answer in time".to_owned()))),
            Err(error) => Err(error),
        };
        let outcome = match &result {
            Ok(_) => "written",
            Err(AppendError::Conflict) => "conflict",
            Err(AppendError::Duplicate(_)) => "duplicate",
            Err(AppendError::Unavailable(_)) => "unavailable",
            Err(AppendError::TooLarge { .. }) => "too_large",
            Err(AppendError::Invalid(_)) => "invalid",
        };
        let seconds = begun.elapsed().as_secs_f64();
        self.link.metrics.append_seconds.with_label_values(&[outcome]).observe(seconds);
        result
    }

    async fn load(&self, subject: &Subject) -> Result<Vec<Recorded>, LoadError> {
        let stored = self.link.subject_events(&subject.to_string()).await?;
        stored
            .iter()
            .map(|e| e.decode().map_err(|source| LoadError::Decode { position: e.position, source }))
            .collect()
    }

    fn follow(&self, filter: Filter, after: Position) -> BoxStream<'static, Result<Stored, FollowError>> {
        follow::follow(self.link.clone(), &filter, after)
    }

    async fn read(&self, filter: &Filter, start: Start, limit: usize) -> Result<Page, Unavailable> {
        self.link.events(&filter.to_wildcard(), start, limit).await
    }

    async fn last(&self, filter: &Filter) -> Result<Position, Unavailable> {
        self.link.last(&filter.to_wildcard()).await
    }

    async fn head(&self) -> Result<Position, Unavailable> {
        self.link.head().await
    }
}
