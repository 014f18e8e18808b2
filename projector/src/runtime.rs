//! Keeps the live read models up to date.

use std::{convert::Infallible, sync::Arc, time::Duration};

use deadpool_postgres::Pool;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use weir_events::{EventLog, FollowError, Position};

use crate::{
    Metrics, Projections, RebuildError, Schema,
    fold::{FoldError, Step, advance},
    reader::Bounds,
    rebuild::{self, Progress},
    store,
    writer::{Tables, Turn, Writer},
};

/// How the runtime works; the defaults suit a single machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many events a batch has at most.
    pub batch_events: usize,
    /// How many bytes of payload a batch has at most, one event more or less.
    pub batch_bytes: usize,
    /// How long PostgreSQL may take for a batch before the connection is given up.
    pub patience: Duration,
    /// How often a process that stands by looks whether the one that writes is gone.
    pub standby_poll: Duration,
    /// The first and the longest pause between attempts while PostgreSQL is away.
    pub backoff: (Duration, Duration),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch_events: 5_000,
            batch_bytes: 8 << 20,
            patience: Duration::from_secs(60),
            standby_poll: Duration::from_secs(1),
            backoff: (Duration::from_millis(100), Duration::from_secs(5)),
        }
    }
}

impl Options {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { events: self.batch_events.max(1), bytes: self.batch_bytes.max(1) }
    }
}

/// What the runtime is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It has not become the writer yet.
    Starting,
    /// Another process writes; this one takes over when that one is gone.
    Standby,
    /// The tables are of other projections, or other versions of them, than this build's: they
    /// are built anew and serve as they are until then.
    Rebuilding {
        /// How far the new ones are.
        position: Position,
        /// How far they must come.
        target: Position,
    },
    /// It follows the log.
    Live,
    /// PostgreSQL is away or refused; it tries again.
    Retrying {
        /// What went wrong the last time.
        error: String,
        /// How often it went wrong since it last went well.
        attempts: u32,
    },
    /// It ended.
    Stopped,
}

/// Why the runtime ended by itself. Outages are no reason: it waits them out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be followed from where the read models are.
    #[error("cannot go on projecting: {0}")]
    Log(#[from] FollowError),
}

/// Follows the log and keeps the schema `read` up to date. Of several processes that run one for
/// the same database, one writes and the others stand by.
pub struct Runtime {
    log: Arc<dyn EventLog>,
    pool: Pool,
    projections: Projections,
    options: Options,
    metrics: Option<Metrics>,
    position: watch::Sender<Position>,
    status: watch::Sender<Status>,
}

/// Why leading ended.
enum Halt {
    Shutdown,
    Fatal(FollowError),
    Retry(store::Error),
}

impl From<store::Error> for Halt {
    fn from(error: store::Error) -> Self {
        Self::Retry(error)
    }
}

impl From<FoldError> for Halt {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Log(error) => Self::Fatal(error),
            FoldError::Database(error) => Self::Retry(error),
        }
    }
}

impl Runtime {
    /// One that has not begun. It holds one connection of the pool's kind outside of the pool.
    pub fn new(log: Arc<dyn EventLog>, pool: Pool, projections: Projections, options: Options) -> Self {
        Self {
            log,
            pool,
            projections,
            options,
            metrics: None,
            position: watch::Sender::new(Position::START),
            status: watch::Sender::new(Status::Starting),
        }
    }

    /// Counts into these metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// The position up to which everything can be read. It never goes back.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// What it is doing, for health checks.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until shut down; the batch in hand is finished then.
    ///
    /// # Errors
    /// When the log cannot be followed from the checkpoint: it is another log, or its beginning
    /// is gone.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let result = tokio::select! {
            biased;
            result = self.lead_again_and_again(&shutdown) => result,
            never = self.watch_head() => match never {},
        };
        self.status.send_replace(Status::Stopped);
        self.leading(false);
        result
    }

    async fn lead_again_and_again(&self, shutdown: &CancellationToken) -> Result<(), Error> {
        let mut attempts: u32 = 0;
        loop {
            let began_at = *self.position.borrow();
            let error = match self.lead(shutdown).await {
                Halt::Shutdown => return Ok(()),
                Halt::Fatal(error) => return Err(error.into()),
                Halt::Retry(error) => error,
            };
            self.leading(false);
            attempts = if *self.position.borrow() > began_at { 1 } else { attempts.saturating_add(1) };
            if let Some(metrics) = &self.metrics {
                metrics.retries_total.inc();
            }
            // The first of a row and then ever fewer: an outage must not fill the disk.
            if attempts.is_power_of_two() {
                tracing::warn!(%error, attempts, "projecting was interrupted and is tried again");
            }
            self.status.send_replace(Status::Retrying { error: error.to_string(), attempts });
            let (first, longest) = self.options.backoff;
            let pause = first.saturating_mul(1 << (attempts - 1).min(16)).min(longest);
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = sleep(pause) => {}
            }
        }
    }

    /// Becomes the writer and follows the log for as long as it goes well.
    async fn lead(&self, shutdown: &CancellationToken) -> Halt {
        // While it is not writing there is nothing to finish.
        let writer = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Halt::Shutdown,
            writer = self.writer() => writer,
        };
        let mut writer = match writer {
            Ok(writer) => writer,
            Err(halt) => return halt,
        };
        self.status.send_replace(Status::Live);
        self.leading(true);
        self.reached(writer.position());
        tracing::info!(position = %writer.position(), "projecting");
        let each = |step| self.stepped(&step);
        let bounds = self.options.bounds();
        match advance(&self.log, &mut writer, None, bounds, shutdown, each).await {
            Ok(()) => Halt::Shutdown,
            Err(error) => error.into(),
        }
    }

    /// Waits for its turn to write, and brings the tables to this build's projections first.
    async fn writer(&self) -> Result<Writer, Halt> {
        let schema = Schema::live();
        let mut standing_by = None;
        loop {
            {
                let mut client = self.pool.get().await.map_err(store::Error::from)?;
                store::prepare(&mut client, &schema, &self.projections).await?;
            }
            let client = match standing_by.take() {
                Some(client) => client,
                None => store::detached(&self.pool).await?,
            };
            let patience = self.options.patience;
            let writer =
                match Writer::open(client, &schema, &self.projections, Tables::Keep, patience).await? {
                    Turn::Mine(writer) => writer,
                    Turn::Taken(client) => {
                        standing_by = Some(client);
                        self.stand_by(&schema).await?;
                        continue;
                    }
                };
            // A fold that was killed leaves a copy of everything.
            if let Err(error) = store::sweep(&self.pool, &schema).await {
                tracing::warn!(%error, "what an interrupted rebuild left could not be removed");
            }
            let checkpoint = {
                let client = self.pool.get().await.map_err(store::Error::from)?;
                store::checkpoint(&**client, &schema).await?
            };
            if checkpoint.fits(&self.projections) {
                return Ok(writer);
            }
            // The writer is kept meanwhile, so that no other process begins the same.
            tracing::info!("the projections have changed: building the read models anew");
            let progress = |p: Progress| {
                self.status.send_replace(Status::Rebuilding { position: p.position, target: p.target });
            };
            let rebuilt =
                rebuild::rebuild_with(&self.log, &self.pool, &self.projections, &self.options, progress)
                    .await;
            match rebuilt {
                Ok(done) => tracing::info!(position = %done.position, "the read models are built anew"),
                Err(RebuildError::Log(error)) => return Err(Halt::Fatal(error)),
                Err(RebuildError::Database(error)) => return Err(Halt::Retry(error)),
                // Someone rebuilds by hand, or the log is away: look again after a pause.
                Err(error @ (RebuildError::AlreadyRunning | RebuildError::Unavailable(_))) => {
                    tracing::warn!(%error, "building the read models anew has to wait");
                    sleep(self.options.standby_poll).await;
                }
            }
            // Swapping has shut this writer out: it takes a new turn.
        }
    }

    /// Another process writes: waits a little, and passes its progress on.
    async fn stand_by(&self, schema: &Schema) -> Result<(), store::Error> {
        if self.status.send_replace(Status::Standby) != Status::Standby {
            tracing::info!("another process projects; this one stands by");
        }
        let client = self.pool.get().await?;
        let position = store::checkpoint(&**client, schema).await?.position;
        drop(client);
        self.reached(position);
        sleep(self.options.standby_poll).await;
        Ok(())
    }

    fn stepped(&self, step: &Step) {
        self.reached(step.position);
        if step.dead > 0 {
            tracing::error!(position = %step.position, dead = step.dead, "events went to dead_letters");
        }
        if let Some(m) = &self.metrics {
            m.events_total.inc_by(step.events as u64);
            m.batches_total.inc();
            m.batch_events.set(i64::try_from(step.events).unwrap_or(i64::MAX));
            m.batch_seconds.observe(step.seconds);
            m.dead_letters_total.inc_by(step.dead as u64);
        }
    }

    fn reached(&self, position: Position) {
        self.position.send_if_modified(|p| std::mem::replace(p, position.max(*p)) < position);
        if let Some(m) = &self.metrics {
            let position = i64::try_from(position.0).unwrap_or(i64::MAX);
            m.position.set(position);
            m.lag_events.set((m.head.get() - position).max(0));
        }
    }

    fn leading(&self, yes: bool) {
        if let Some(m) = &self.metrics {
            m.leading.set(i64::from(yes));
        }
    }

    /// Asks the log now and then how far it is, for the metrics.
    async fn watch_head(&self) -> Infallible {
        loop {
            if let Some(m) = &self.metrics {
                // When the log is away its own metrics say so.
                if let Ok(head) = self.log.head().await {
                    let head = i64::try_from(head.0).unwrap_or(i64::MAX);
                    m.head.set(head);
                    m.lag_events.set((head - m.position.get()).max(0));
                }
            }
            sleep(Duration::from_secs(5)).await;
        }
    }
}
