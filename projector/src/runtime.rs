//! Keeps the live read models up to date.

use std::{convert::Infallible, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use futures::StreamExt;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use weir_events::{EventLog, Filter, FollowError, Position, Start, envelope::header};

use crate::{
    Metrics, Projections, RebuildError, Rebuilt, Schema,
    fold::{FoldError, Step, advance},
    pulse,
    reader::{self, Bounds},
    rebuild::{self, How, Progress},
    store::{self, Relation},
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
    /// How often a process that stands by looks whether the one that writes is gone, and the one that
    /// writes whether it is asked for something.
    pub standby_poll: Duration,
    /// How long tables that were replaced are kept.
    pub grace: Duration,
    /// The first and the longest pause between attempts while PostgreSQL is away.
    pub backoff: (Duration, Duration),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch_events: 5_000,
            batch_bytes: 8 << 20,
            patience: Duration::from_secs(60),
            standby_poll: Duration::from_millis(500),
            grace: Duration::from_secs(600),
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
    /// A newer build made the tables: this one leaves them alone.
    Outdated,
    /// The tables are of older versions of projections than this build's: they are built anew, and
    /// those that are there serve until then.
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
    /// Other tables, or another writer, came into the place of this one's.
    Fenced,
}

impl From<store::Error> for Halt {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Fenced => Self::Fenced,
            error => Self::Retry(error),
        }
    }
}

impl From<FoldError> for Halt {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Log(error) => Self::Fatal(error),
            FoldError::Database(error) => error.into(),
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
                Halt::Fenced => {
                    self.leading(false);
                    tracing::info!("the read models have another writer, or other tables: taking a new turn");
                    continue;
                }
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
            if attempts > 1 {
                // Not where the database is away: it waits for it at the next attempt.
                let (schema, reason) = (Schema::live(), error.to_string());
                let note = pulse::failed(&self.pool, &schema, &reason);
                let _ = tokio::time::timeout(Duration::from_millis(200), note).await;
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
        let epoch = writer.epoch();
        let bounds = self.options.bounds();
        tokio::select! {
            followed = advance(&self.log, &mut writer, None, bounds, shutdown, each) => match followed {
                Ok(()) => Halt::Shutdown,
                Err(error) => error.into(),
            },
            fenced = self.maintain(epoch) => fenced,
        }
    }

    /// Waits for its turn to write, and brings the tables to this build's projections first.
    async fn writer(&self) -> Result<Writer, Halt> {
        let schema = Schema::live();
        let mut standing_by = None;
        loop {
            let relation = self.relation().await?;
            match relation {
                Relation::Newer => {
                    self.status_is(
                        Status::Outdated,
                        "the read models are of a newer build: this one stands by",
                    );
                    self.stand_by(&schema).await?;
                    continue;
                }
                // An older build may still lead. Its tables serve, and go on, until the new ones are there.
                Relation::Older(names) => {
                    self.build(&names).await?;
                    continue;
                }
                Relation::Same | Relation::Other(_) => {}
            }
            let client = match standing_by.take() {
                Some(client) => client,
                None => store::detached(&self.pool).await?,
            };
            let patience = self.options.patience;
            let (pool, projections) = (&self.pool, &self.projections);
            let turn = Writer::open(pool, client, &schema, projections, Tables::Keep, patience).await?;
            let writer = match turn {
                Turn::Mine(writer) => writer,
                Turn::Taken(client) => {
                    pulse::replace_frozen(&*client, &schema).await?;
                    standing_by = Some(client);
                    self.status_is(Status::Standby, "another process projects; this one stands by");
                    self.stand_by(&schema).await?;
                    continue;
                }
            };
            // What may have changed before it was this one's turn.
            match self.relation().await? {
                Relation::Same => return Ok(writer),
                // The writer is kept meanwhile, so that no other process begins the same; when the tables
                // change over it is shut out and takes a new turn.
                Relation::Other(names) => self.build(&names).await?,
                Relation::Older(_) | Relation::Newer => {}
            }
        }
    }

    async fn relation(&self) -> Result<Relation, store::Error> {
        let mut client = self.pool.get().await?;
        store::prepare(&mut client, &Schema::live(), &self.projections).await?;
        Ok(store::checkpoint(&**client, &Schema::live()).await?.relation(&self.projections))
    }

    /// Folds projections anew beside their live tables, unless another process does; what one that was
    /// interrupted has folded is taken over.
    async fn build(&self, names: &[&'static str]) -> Result<(), Halt> {
        tracing::info!(?names, "projections have changed: their tables are built anew");
        let progress = |p: Progress| {
            self.status.send_replace(Status::Rebuilding { position: p.position, target: p.target });
        };
        match self.rebuild(names, Tables::Resume, progress).await {
            Ok(done) => {
                tracing::info!(position = %done.position, seconds = done.took.as_secs_f64(), "they are built");
                Ok(())
            }
            Err(RebuildError::Log(error)) => Err(Halt::Fatal(error)),
            Err(RebuildError::Database(error)) => Err(error.into()),
            // Another process builds, or the log is away: look again after a pause.
            Err(RebuildError::AlreadyRunning | RebuildError::Newer) => {
                self.stand_by(&Schema::live()).await?;
                Ok(())
            }
            Err(error @ RebuildError::Unavailable(_)) => {
                tracing::warn!(%error, "building tables anew has to wait");
                sleep(self.options.standby_poll).await;
                Ok(())
            }
        }
    }

    async fn rebuild<S: AsRef<str>>(
        &self,
        names: &[S],
        tables: Tables,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Rebuilt, RebuildError> {
        let part = self.projections.only(names);
        let how = How {
            all: &self.projections,
            part: &part,
            options: &self.options,
            tables,
            // Those that are built because they have changed are not what they were.
            compare: tables == Tables::Bare,
        };
        rebuild::rebuild_with(&self.log, &self.pool, how, progress).await
    }

    /// What there is to do beside following the log, for as long as this epoch lasts: what people ask
    /// for, and tidying up. While no events come only this notices that another writer has taken over.
    async fn maintain(&self, epoch: i64) -> Halt {
        self.tidy(store::sweep(&self.pool).await);
        self.read_again().await;
        loop {
            self.tidy(store::bury(&self.pool, self.options.grace).await);
            let look = async {
                let client = self.pool.get().await.map_err(store::Error::from)?;
                let now = store::epoch(&**client, &Schema::live()).await?;
                Ok::<_, store::Error>((now, store::requests(&**client).await?))
            };
            let requested = match look.await {
                Ok((now, _)) if now != epoch => return Halt::Fenced,
                Ok((_, requested)) => requested,
                // Following the log will tell.
                Err(_) => Vec::new(),
            };
            // Those of projections that there are no more stay unheard.
            if self.projections.only(&requested).len() > 0 {
                tracing::info!(?requested, "projections are folded anew, as was asked");
                match self.rebuild(&requested, Tables::Bare, |_| {}).await {
                    Ok(done) => match &done.differences {
                        Some(differences) if differences.is_empty() => {
                            tracing::info!(position = %done.position, "they are, and were equal");
                        }
                        found => {
                            tracing::warn!(position = %done.position, ?found, "they are, and were different")
                        }
                    },
                    Err(error) => self.failed("a rebuild failed", &error).await,
                }
            }
            sleep(self.options.standby_poll).await;
        }
    }

    fn tidy(&self, result: Result<(), store::Error>) {
        if let Err(error) = result {
            tracing::warn!(%error, "what is left over could not be removed");
        }
    }

    /// Events that an older build could not read, and this one can: everything is folded anew, so that
    /// they are taken in at their place.
    async fn read_again(&self) {
        let letters = async {
            let client = self.pool.get().await.map_err(store::Error::from)?;
            store::unreadable(&**client).await
        };
        let letters: Vec<Position> = letters.await.unwrap_or_default();
        for position in letters {
            let after = Position(position.0.saturating_sub(1));
            let Some(Ok(stored)) = self.log.follow(Filter::All, after).next().await else { return };
            if stored.position != position || reader::decode(stored).is_err() {
                continue;
            }
            tracing::info!(%position, "an event can be read that could not be: everything is folded anew");
            let asked = async {
                let client = self.pool.get().await.map_err(store::Error::from)?;
                store::request(&**client, &self.projections.names()).await
            };
            if let Err(error) = asked.await {
                tracing::warn!(%error, "it has to wait");
            }
            return;
        }
    }

    /// Notes a failure where people look for it.
    async fn failed(&self, what: &str, error: &(impl std::fmt::Display + Sync)) {
        tracing::warn!(%error, "{what}");
        let _ = pulse::failed(&self.pool, &Schema::live(), &format!("{what}: {error}")).await;
    }

    fn status_is(&self, status: Status, what: &str) {
        if self.status.send_replace(status.clone()) != status {
            tracing::info!("{what}");
        }
    }

    /// Another process writes: waits a little, and passes its progress on.
    async fn stand_by(&self, schema: &Schema) -> Result<(), store::Error> {
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

    /// How old the first event after a position is, in seconds.
    #[expect(clippy::disallowed_methods, reason = "a background task has no request to take its time from")]
    async fn waited(&self, position: i64) -> f64 {
        let after = Position(u64::try_from(position).unwrap_or_default());
        let page = self.log.read(&Filter::All, Start::After(after), 1).await.unwrap_or_default();
        let time = page
            .events
            .first()
            .and_then(|event| event.headers.get(header::TIME))
            .map(DateTime::parse_from_rfc3339);
        match time {
            Some(Ok(time)) => (Utc::now() - time.to_utc()).as_seconds_f64().max(0.0),
            _ => 0.0,
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
                    let behind = (head - m.position.get()).max(0);
                    m.lag_events.set(behind);
                    m.lag_seconds.set(if behind == 0 { 0.0 } else { self.waited(m.position.get()).await });
                }
            }
            sleep(Duration::from_secs(5)).await;
        }
    }
}
