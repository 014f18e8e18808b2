//! What the handlers share, and its settings.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use futures::future::try_join_all;
use object_store::ObjectStore;
use weir_events::{AsOf, EventLog, Position, WorkspaceId};
use weir_infra::{http::Problem, vault::Vault};

use crate::{
    cache::{Answers, Flights},
    coding::Packed,
    fields,
    http::dashboard,
    metrics::Metrics,
    position::Positions,
    reader::{self, Reader},
    tail::Tail,
};

/// Settings of the read side.
#[derive(Debug, Clone)]
pub struct Options {
    /// The PostgreSQL schemas in which the read models' tables are looked for.
    pub schemas: Vec<String>,
    /// How long a read waits for `Weir-Min-Position`.
    pub position_wait: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How many bytes of ready answers are kept in memory.
    pub cache_bytes: u64,
    /// How large a kept result may be that is read back, in bytes.
    pub result_bytes: u64,
    /// How far the models may lag behind the event log before `/health/ready` says no, in events.
    pub ready_lag: u64,
    /// How many streams of one workspace's events may be open in this process.
    pub streams: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            schemas: vec!["read".to_owned()],
            position_wait: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(10),
            cache_bytes: 64 << 20,
            result_bytes: 256 << 20,
            ready_lag: 10_000,
            streams: 2_000,
        }
    }
}

/// Shows workspaces as they were.
#[async_trait]
pub trait Past: Send + Sync + 'static {
    /// Makes sure that a moment's tables are there.
    ///
    /// # Errors
    /// A problem for the caller: of the log, the database, or that the moment cannot be shown (yet).
    async fn at(&self, workspace: WorkspaceId, as_of: AsOf) -> Result<Moment, Problem>;
}

/// A workspace as it was.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The last position that belongs to it.
    pub position: Position,
    /// When it was; `None` before the first event.
    pub time: Option<DateTime<Utc>>,
    /// The schemas in which its tables are looked for. They can go at any time but while a
    /// transaction holds a lock on `checkpoint`.
    pub schemas: Vec<String>,
}

/// Where the read side gets things from.
#[derive(Clone)]
pub struct Sources {
    /// The database with the read models.
    pub pool: Pool,
    /// How far the read models are.
    pub positions: Positions,
    /// The blob store with the results of runs.
    pub blobs: Arc<dyn ObjectStore>,
    /// The event log, asked how far it is, and for the history of one thing. It shows texts opened.
    pub log: Arc<dyn EventLog>,
    /// The keys of the texts in the read models.
    pub vault: Vault,
    /// Its newest events, for those who subscribe.
    pub tail: Tail,
    /// The past.
    pub past: Arc<dyn Past>,
    /// The clock.
    pub clock: fn() -> DateTime<Utc>,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct State(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) sources: Sources,
    pub(crate) options: Options,
    pub(crate) answers: Answers,
    pub(crate) packed: Packed,
    pub(crate) flights: Flights,
    pub(crate) metrics: Metrics,
    pub(crate) registry: prometheus::Registry,
    /// What every transaction begins with.
    pub(crate) setup: String,
}

/// What every transaction on tables in these schemas begins with.
pub(crate) fn setup(options: &Options, schemas: &[String]) -> String {
    let timeout = options.statement_timeout.as_millis();
    format!("{}; SET LOCAL statement_timeout TO {timeout}", reader::setup(schemas))
}

impl State {
    /// Puts it together and registers the metrics; `/metrics` serves all of `registry`.
    ///
    /// # Errors
    /// When `registry` has metrics of these names already.
    pub fn new(
        sources: Sources,
        options: Options,
        registry: prometheus::Registry,
    ) -> Result<Self, prometheus::Error> {
        let setup = setup(&options, &options.schemas);
        Ok(Self(Arc::new(Inner {
            // Packed, JSON is several times smaller.
            answers: Answers::new(options.cache_bytes / 4 * 3),
            packed: Packed::new(options.cache_bytes / 4),
            flights: Flights::default(),
            metrics: Metrics::register(&registry)?,
            sources,
            options,
            registry,
            setup,
        })))
    }

    /// Reads a dashboard of nobody on that many connections at once. A connection's first reads
    /// take several times as long as its later ones, since every statement has to be prepared:
    /// nobody needs to wait for that if it is done before the first request. Harmless at any time.
    ///
    /// # Errors
    /// When the database cannot be reached, or the read models are not there yet.
    pub async fn warm_up(&self, connections: usize) -> Result<(), Problem> {
        fields::known_fields();
        let inner = &self.0;
        let today = (inner.sources.clock)().date_naive();
        let clients =
            (0..connections.min(inner.sources.pool.status().max_size)).map(|_| inner.sources.pool.get());
        let clients = try_join_all(clients).await?;
        let reads = clients.into_iter().map(async |mut client| {
            let nobody = WorkspaceId(uuid::Uuid::nil());
            let db = Reader::open(&mut client, &inner.setup, nobody).await?;
            dashboard::load(&db, today, None).await.map(drop)
        });
        try_join_all(reads).await.map(drop)
    }
}
