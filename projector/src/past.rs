//! Workspaces as they were: their events up to a moment, folded into tables of their own by the very
//! projections that keep the live ones.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tokio_postgres::{IsolationLevel, error::SqlState};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_events::{
    AsOf, EventLog, Filter, FollowError, Position, Start, Stored, Unavailable, WorkspaceId, envelope::header,
};

use crate::{
    Options, Projections, Schema, pulse,
    reader::Reader,
    store::{self, number},
    writer::{Tables, Turn, Writer},
};

/// How much of the past is kept, and what may be asked of it.
#[derive(Debug, Clone)]
pub struct PastOptions {
    /// How many moments are kept, of all workspaces.
    pub kept: usize,
    /// How many of one workspace.
    pub kept_of_one: usize,
    /// For how long after it was last looked at.
    pub keep: Duration,
    /// How many events a workspace may have up to then.
    pub events: u64,
    /// How many are folded at once; as many more may wait for their turn.
    pub at_once: usize,
    /// How long one who asks waits for the fold, which goes on after that.
    pub wait: Duration,
}

impl Default for PastOptions {
    fn default() -> Self {
        Self {
            kept: 32,
            kept_of_one: 8,
            keep: Duration::from_secs(600),
            events: 1_000_000,
            at_once: 2,
            wait: Duration::from_secs(10),
        }
    }
}

/// A workspace as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The last position that belongs to it.
    pub position: Position,
    /// When it was: the time that was asked for, or that of the workspace's last event by then. `None`
    /// if there was none yet.
    pub time: Option<DateTime<Utc>>,
    /// The schemas in which its tables are looked for, in this order. They can go at any time but
    /// while a transaction holds a lock on `checkpoint`.
    pub path: Vec<String>,
}

/// Why a moment cannot be shown.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PastError {
    /// The log does not go that far.
    #[error("the event log ends at position {head}")]
    Ahead {
        /// Where it ends.
        head: Position,
    },
    /// The workspace has too many events by then.
    #[error("more than {limit} events happened in the workspace by then")]
    TooLarge {
        /// How many there may be.
        limit: u64,
    },
    /// It is being folded; the next one to ask may find it done.
    #[error("the moment is not folded yet")]
    NotYet,
    /// Too many others are being looked at.
    #[error("too many moments of the past are being looked at")]
    Busy,
    /// The event log did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The event log cannot be read.
    #[error(transparent)]
    Log(#[from] FollowError),
    /// PostgreSQL failed.
    #[error(transparent)]
    Database(Arc<store::Error>),
}

impl From<store::Error> for PastError {
    fn from(error: store::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<tokio_postgres::Error> for PastError {
    fn from(error: tokio_postgres::Error) -> Self {
        store::Error::from(error).into()
    }
}

impl From<deadpool_postgres::PoolError> for PastError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        store::Error::from(error).into()
    }
}

/// The past of all workspaces. Any number of processes may share what they fold. Clones share all.
#[derive(Clone)]
pub struct Past(Arc<Inner>);

struct Inner {
    log: Arc<dyn EventLog>,
    pool: Pool,
    projections: Projections,
    options: PastOptions,
    turns: Semaphore,
    folds: Mutex<HashMap<Schema, Fold>>,
}

/// How a fold ends, for all who wait for it.
type End = Shared<BoxFuture<'static, Result<Folded, PastError>>>;

/// A fold that is under way.
struct Fold {
    workspace: WorkspaceId,
    end: End,
}

/// Tables that are there.
#[derive(Debug, Clone, Copy)]
struct Folded {
    happened: Option<DateTime<Utc>>,
}

/// Up to where a workspace is folded.
struct Target {
    workspace: WorkspaceId,
    /// Where its last event lies, or any position between that and the next one.
    until: Position,
    schema: Schema,
}

/// What all their names begin with.
const PREFIX: &str = "past_";
/// Stands for the number of events where there are too many.
const REFUSED: i64 = -1;
/// How many events are looked at to find the first after a time.
const PAGE: usize = 100;
/// How often it is looked whether another process has folded what is wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How often what nobody wants any more is removed.
const SWEEP: Duration = Duration::from_secs(60);

impl Past {
    /// Folds from that log into that database.
    pub fn new(log: Arc<dyn EventLog>, pool: Pool, projections: Projections, options: PastOptions) -> Self {
        let turns = Semaphore::new(options.at_once.max(1));
        Self(Arc::new(Inner { log, pool, projections, options, turns, folds: Mutex::default() }))
    }

    /// Shows a workspace as it was, from what is kept or from a fresh fold.
    ///
    /// # Errors
    /// See [`PastError`].
    pub async fn at(&self, workspace: WorkspaceId, as_of: AsOf) -> Result<Moment, PastError> {
        let (position, until) = self.0.locate(workspace, as_of).await?;
        let schema = self.0.schema(workspace, until);
        let folded = match self.0.touch(&schema).await? {
            Some(folded) => folded,
            None => {
                let end = self.fold(Target { workspace, until, schema: schema.clone() })?;
                timeout(self.0.options.wait, end).await.map_err(|_| PastError::NotYet)??
            }
        };
        let time = match as_of {
            AsOf::Time(time) => Some(time),
            AsOf::Position(_) => folded.happened,
        };
        Ok(Moment { position, time, path: schema.path(&self.0.projections) })
    }

    /// Removes what was not looked at for a while, and what a crash left, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.0.sweep().await {
                tracing::warn!(%error, "folds of the past could not be removed");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(SWEEP.min(self.0.options.keep)) => {}
            }
        }
    }

    /// Joins the fold that is under way, or begins one. It goes on when nobody waits any more.
    fn fold(&self, target: Target) -> Result<End, PastError> {
        let mut folds = self.0.folds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fold) = folds.get(&target.schema) {
            return Ok(fold.end.clone());
        }
        let of_one = folds.values().filter(|fold| fold.workspace == target.workspace).count();
        if of_one >= self.0.options.at_once || folds.len() >= 2 * self.0.options.at_once {
            return Err(PastError::Busy);
        }
        let (inner, schema, workspace) = (self.0.clone(), target.schema.clone(), target.workspace);
        let (ended, own) = (self.0.clone(), target.schema.clone());
        let task = tokio::spawn(async move {
            let result = inner.fold(&target).await;
            if let Err(error) = &result {
                tracing::debug!(%error, schema = %target.schema, "a moment of the past could not be folded");
                inner.forget(&target, error).await;
            }
            result
        });
        let end = task.map(move |end| {
            ended.folds.lock().unwrap_or_else(PoisonError::into_inner).remove(&own);
            end.unwrap_or_else(|error| Err(FollowError::Failed(format!("folding broke off: {error}")).into()))
        });
        let end = end.boxed().shared();
        // It is removed from the list when it ends, though nobody waits for it.
        tokio::spawn(end.clone());
        folds.insert(schema, Fold { workspace, end: end.clone() });
        Ok(end)
    }
}

impl Inner {
    /// The last position that belongs to a moment, and the same without what others did since the
    /// workspace's last event: equal for all moments between two of its events.
    async fn locate(&self, workspace: WorkspaceId, as_of: AsOf) -> Result<(Position, Position), PastError> {
        let filter = Filter::Workspace(workspace);
        match as_of {
            AsOf::Position(position) => {
                let head = self.log.head().await?;
                if position > head {
                    return Err(PastError::Ahead { head });
                }
                // Before it is looked for what comes after: no event may come between unseen.
                let last = self.log.last(&filter).await?;
                let next = self.log.read(&filter, Start::After(position), 1).await?.events;
                let until = next.first().map_or(last.min(position), |next| Position(next.position.0 - 1));
                Ok((position, until))
            }
            AsOf::Time(time) => {
                let mut last = self.log.last(&filter).await?;
                let mut start = Start::Since(time);
                loop {
                    // What was taken in before that time happened before it. Of what came in later, some
                    // may have happened before it, too.
                    let page = self.log.read(&filter, start, PAGE).await?;
                    let later = |event: &&Stored| happened(event).is_none_or(|at| at > time);
                    if let Some(next) = page.events.iter().find(later) {
                        let until = Position(next.position.0 - 1);
                        return Ok((until, until));
                    }
                    let seen = page.events.last().map(|event| event.position);
                    last = last.max(seen.unwrap_or_default());
                    match seen {
                        Some(seen) if !page.end => start = Start::After(seen),
                        _ => return Ok((last, last)),
                    }
                }
            }
        }
    }

    /// Where a moment's tables are: other builds look elsewhere.
    fn schema(&self, workspace: WorkspaceId, until: Position) -> Schema {
        let mut name = until.0.to_be_bytes().to_vec();
        for origin in self.projections.origins() {
            name.extend(origin.name.as_bytes());
            name.extend(origin.version.to_be_bytes());
            name.extend(origin.tables.unwrap_or_default().as_bytes());
        }
        Schema(format!("{PREFIX}{}", Uuid::new_v5(&workspace.0, &name).simple()))
    }

    /// What is known of a fold that is done, which has now been looked at.
    async fn touch(&self, schema: &Schema) -> Result<Option<Folded>, PastError> {
        let sql = "UPDATE projector.past SET used_at = clock_timestamp() \
                   WHERE schema = $1 AND events IS NOT NULL RETURNING events, happened";
        match self.pool.get().await?.query_opt(sql, &[&schema.as_str()]).await? {
            Some(row) if row.get::<_, i64>(0) == REFUSED => {
                Err(PastError::TooLarge { limit: self.options.events })
            }
            row => Ok(row.map(|row| Folded { happened: row.get(1) })),
        }
    }

    async fn fold(&self, target: &Target) -> Result<Folded, PastError> {
        let _turn = self.turns.acquire().await.map_err(|_| PastError::Busy)?;
        self.make_room(target).await?;
        let options = Options::default();
        let client = store::detached(&self.pool).await?;
        if !store::lock(&client, &target.schema).await? {
            pulse::replace_frozen(&*client, &target.schema).await?;
            return self.folded_elsewhere(&target.schema, options.patience).await;
        }
        // Whoever had the lock may be done with it: its tables are not made anew from under its readers.
        if let Some(folded) = self.touch(&target.schema).await? {
            return Ok(folded);
        }
        self.note(target, None, None).await?;
        let tables = Tables::Fresh;
        let turn =
            Writer::open(&self.pool, client, &target.schema, &self.projections, tables, options.patience);
        let mut writer = match turn.await? {
            Turn::Mine(writer) => writer,
            Turn::Taken(_) => return Err(PastError::NotYet),
        };
        let mut reader = Reader::of_workspace(
            &self.log,
            target.workspace,
            &self.projections,
            target.until,
            options.bounds(),
        );
        let (mut events, mut happened) = (0, None);
        while let Some(batch) = reader.next().await? {
            events += batch.len() as u64;
            if events > self.options.events {
                return Err(PastError::TooLarge { limit: self.options.events });
            }
            happened = batch.events.last().map(|event| event.meta.time).or(happened);
            writer.write(batch).await?;
        }
        self.note(target, Some(i64::try_from(events).unwrap_or(i64::MAX)), happened).await?;
        writer.close().await?;
        Ok(Folded { happened })
    }

    /// Writes down how a fold stands: how many events it has, [`REFUSED`] for too many.
    async fn note(
        &self,
        target: &Target,
        events: Option<i64>,
        happened: Option<DateTime<Utc>>,
    ) -> Result<(), PastError> {
        let sql = "
            INSERT INTO projector.past (schema, workspace, position, events, happened) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (schema) DO UPDATE
            SET events = excluded.events, happened = excluded.happened, used_at = excluded.used_at";
        let (schema, until) = (target.schema.as_str(), number(target.until));
        let client = self.pool.get().await?;
        client.execute(sql, &[&schema, &target.workspace.0, &until, &events, &happened]).await?;
        Ok(())
    }

    /// Waits for another process that folds the same.
    async fn folded_elsewhere(&self, schema: &Schema, patience: Duration) -> Result<Folded, PastError> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(folded) = self.touch(schema).await? {
                return Ok(folded);
            }
            sleep(LOOK).await;
        }
        Err(PastError::NotYet)
    }

    /// Removes those that were not looked at for longest, until there is room for one more.
    async fn make_room(&self, target: &Target) -> Result<(), PastError> {
        let PastOptions { kept, kept_of_one, .. } = self.options;
        let sql = "SELECT schema FROM projector.past WHERE events IS NOT NULL AND schema <> $1 \
                   AND (workspace = $2 OR $2 IS NULL) ORDER BY used_at DESC OFFSET $3";
        let own = (Some(target.workspace.0), kept_of_one);
        for (workspace, kept) in [own, (None, kept)] {
            let most = i64::try_from(kept.saturating_sub(1)).unwrap_or(i64::MAX);
            let rows =
                self.pool.get().await?.query(sql, &[&target.schema.as_str(), &workspace, &most]).await?;
            for row in rows {
                let schema = Schema(row.get(0));
                // Somebody reads it at this moment.
                if !self.remove(&schema).await? {
                    return Err(PastError::Busy);
                }
            }
        }
        Ok(())
    }

    /// Removes a fold; false when somebody is reading it or folding it.
    async fn remove(&self, schema: &Schema) -> Result<bool, PastError> {
        let mut client = store::detached(&self.pool).await?;
        if !store::lock(&client, schema).await? {
            return Ok(false);
        }
        let tx = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
        tx.batch_execute("SET LOCAL lock_timeout = 200").await?;
        let forget = "DELETE FROM projector.past WHERE schema = $1";
        tx.execute(forget, &[&schema.as_str()]).await?;
        for own in ["runner", "pulse"] {
            let sql = format!("DELETE FROM projector.{own} WHERE schema = $1");
            tx.execute(&sql, &[&schema.as_str()]).await?;
        }
        let removed = async {
            if store::exists(&*tx, schema).await? {
                // Every reader begins with a lock on this one.
                tx.batch_execute(&format!("LOCK TABLE {schema}.checkpoint IN ACCESS EXCLUSIVE MODE")).await?;
            }
            store::remove(&*tx, schema).await
        };
        match removed.await {
            Err(store::Error::Statement(error)) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                return Ok(false);
            }
            removed => removed?,
        }
        tx.commit().await?;
        store::unlock(&client, schema).await?;
        Ok(true)
    }

    /// Removes what a failed fold left, if that can be done now; else the next sweep does.
    async fn forget(&self, target: &Target, error: &PastError) {
        let removed = async {
            self.remove(&target.schema).await?;
            if matches!(error, PastError::TooLarge { .. }) {
                // The next one to ask need not wait for that to be found out again.
                self.note(target, Some(REFUSED), None).await?;
            }
            Ok::<(), PastError>(())
        };
        if let Err(error) = removed.await {
            tracing::debug!(%error, schema = %target.schema, "a failed fold of the past is left to the next sweep");
        }
    }

    /// Removes what nobody looked at for a while, folds that broke off with their process, and schemas
    /// and notes without the other.
    async fn sweep(&self) -> Result<(), PastError> {
        let sql = "
            SELECT schema FROM projector.past
            WHERE used_at < clock_timestamp() - make_interval(secs => CASE WHEN events IS NULL THEN 60 ELSE $1::float8 END)
            UNION
            SELECT substr(nspname::text, 1, 37) FROM pg_namespace
            WHERE nspname ~ '^past_[0-9a-f]{32}(_|$)'
              AND NOT EXISTS (SELECT FROM projector.past p WHERE p.schema = substr(nspname::text, 1, 37))
            UNION
            SELECT schema FROM projector.runner r
            WHERE starts_with(schema, 'past_')
              AND NOT EXISTS (SELECT FROM projector.past p WHERE p.schema = r.schema)";
        let rows = self.pool.get().await?.query(sql, &[&self.options.keep.as_secs_f64()]).await?;
        for row in rows {
            let schema = Schema(row.get(0));
            // One that is being folded holds its lock, or is about to take it and will be folded.
            if self.folds.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&schema) {
                continue;
            }
            if self.remove(&schema).await? {
                tracing::debug!(%schema, "removed a fold of the past");
            }
        }
        Ok(())
    }
}

/// When an event says that it happened.
fn happened(event: &Stored) -> Option<DateTime<Utc>> {
    let time = event.headers.get(header::TIME)?;
    DateTime::parse_from_rfc3339(time).ok().map(|time| time.to_utc())
}
