//! Folding everything anew, beside the live tables: to replace them, or to prove them right.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::{ClientWrapper, Pool};
use tokio_postgres::IsolationLevel;
use tokio_util::sync::CancellationToken;
use weir_events::{EventLog, FollowError, Position, Unavailable};

use crate::{
    Difference, Options, Projections, Schema, Tx,
    fold::{FoldError, Step, advance},
    store::{self, CHANNEL},
    sums::{checksum_in, differences},
    writer::{Tables, Turn, Writer},
};

/// How far a fresh fold is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The last position that it has folded.
    pub position: Position,
    /// How far it has to come; this moves while the live tables do.
    pub target: Position,
    /// Events folded per second so far.
    pub events_per_second: f64,
    /// How long it takes at that rate.
    pub remaining: Option<Duration>,
}

/// A fresh fold that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebuilt {
    /// The position that it ends at.
    pub position: Position,
    /// How many events were folded.
    pub events: u64,
    /// How long it took.
    pub took: Duration,
    /// Where the tables that were live differed, position by position the same. `None` when they
    /// cannot be compared: other projections made them, or they had seen events that the log no
    /// longer holds.
    pub differences: Option<Vec<Difference>>,
}

/// Why there is no fresh fold. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another process folds anew at this moment.
    #[error("another process is building the read models anew")]
    AlreadyRunning,
    /// The log cannot be read from its beginning.
    #[error(transparent)]
    Log(#[from] FollowError),
    /// The log did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// PostgreSQL failed.
    #[error(transparent)]
    Database(#[from] store::Error),
}

impl From<FoldError> for RebuildError {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Log(error) => Self::Log(error),
            FoldError::Database(error) => Self::Database(error),
        }
    }
}

impl From<tokio_postgres::Error> for RebuildError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Folds every event into fresh tables with the very code that keeps the live ones, and swaps
/// them in. The live tables serve, and go on, until then; no reader finds them missing or older.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild(
    log: &Arc<dyn EventLog>,
    pool: &Pool,
    projections: &Projections,
    progress: impl FnMut(Progress) + Send,
) -> Result<Rebuilt, RebuildError> {
    rebuild_with(log, pool, projections, &Options::default(), progress).await
}

pub(crate) async fn rebuild_with(
    log: &Arc<dyn EventLog>,
    pool: &Pool,
    projections: &Projections,
    options: &Options,
    progress: impl FnMut(Progress) + Send,
) -> Result<Rebuilt, RebuildError> {
    let (live, next) = (Schema::live(), Schema::live().beside("next"));
    let mut fresh = Fresh::start(log, pool, projections, options, next.clone(), progress).await?;
    fresh.catch_up(&live).await?;

    let mut client = store::detached(pool).await?;
    let held = hold(&mut client, &live).await?;
    let compared = fresh.finish(&held, &live).await?;
    let old = live.beside("old");
    held.batch_execute(&format!(
        "DROP SCHEMA IF EXISTS {old} CASCADE;
         ALTER SCHEMA {live} RENAME TO {old};
         ALTER SCHEMA {next} RENAME TO {live}"
    ))
    .await?;
    // Whoever wrote the old tables is shut out and goes on from the new ones' checkpoint.
    held.execute("UPDATE projector.runner SET epoch = epoch + 1 WHERE schema = $1", &[&live.as_str()])
        .await?;
    let position = fresh.writer.position();
    held.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &position.to_string()]).await?;
    held.commit().await?;

    // Waits for those who are still reading from it; nobody finds it any more.
    client.batch_execute(&format!("DROP SCHEMA IF EXISTS {old} CASCADE")).await?;
    Ok(fresh.done(compared))
}

/// Folds every event into scratch tables up to where the live ones are, and compares them. The
/// live tables stand still for the comparison and are not changed. Empty: they are equal.
///
/// # Errors
/// See [`RebuildError`].
pub async fn verify(
    log: &Arc<dyn EventLog>,
    pool: &Pool,
    projections: &Projections,
) -> Result<Vec<Difference>, RebuildError> {
    let (live, scratch) = (Schema::live(), Schema::live().beside("check"));
    let options = Options::default();
    let mut fresh = Fresh::start(log, pool, projections, &options, scratch.clone(), |_| {}).await?;
    fresh.catch_up(&live).await?;

    let mut client = store::detached(pool).await?;
    let held = hold(&mut client, &live).await?;
    let compared = fresh.finish(&held, &live).await?;
    let head = fresh.writer.position();
    let after = store::checkpoint(&*held, &live).await?.position;
    held.commit().await?;
    drop(fresh);
    client.batch_execute(&format!("DROP SCHEMA IF EXISTS {scratch} CASCADE")).await?;
    match compared {
        Some(differences) => Ok(differences),
        None if after > head => Err(FollowError::BeyondHead { after, head }.into()),
        // Other projections made the live tables: each of them is in doubt.
        None => Ok(vec![Difference { table: "checkpoint".to_owned(), found: None, folded: None }]),
    }
}

/// A transaction in which the live tables' writer has to wait.
async fn hold<'a>(client: &'a mut ClientWrapper, live: &Schema) -> Result<Tx<'a>, RebuildError> {
    let tx = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    tx.execute("SELECT epoch FROM projector.runner WHERE schema = $1 FOR UPDATE", &[&live.as_str()]).await?;
    Ok(tx)
}

/// A fold into tables of its own.
struct Fresh<'a, P> {
    log: &'a Arc<dyn EventLog>,
    pool: &'a Pool,
    projections: &'a Projections,
    options: &'a Options,
    schema: Schema,
    writer: Writer,
    progress: P,
    begun: Instant,
    events: u64,
}

impl<'a, P: FnMut(Progress) + Send> Fresh<'a, P> {
    async fn start(
        log: &'a Arc<dyn EventLog>,
        pool: &'a Pool,
        projections: &'a Projections,
        options: &'a Options,
        schema: Schema,
        progress: P,
    ) -> Result<Self, RebuildError> {
        {
            let mut client = pool.get().await.map_err(store::Error::from)?;
            store::prepare(&mut client, &Schema::live(), projections).await?;
        }
        let client = store::detached(pool).await?;
        let turn = Writer::open(client, &schema, projections, Tables::Fresh, options.patience).await?;
        let Turn::Mine(writer) = turn else { return Err(RebuildError::AlreadyRunning) };
        let begun = Instant::now();
        Ok(Self { log, pool, projections, options, schema, writer, progress, begun, events: 0 })
    }

    /// Folds until it is less than a batch behind the live tables.
    async fn catch_up(&mut self, live: &Schema) -> Result<(), RebuildError> {
        loop {
            let position = {
                let client = self.pool.get().await.map_err(store::Error::from)?;
                store::checkpoint(&**client, live).await?.position
            };
            let target = self.reachable(position).await?;
            let behind = target.0.saturating_sub(self.writer.position().0);
            if behind < self.options.batch_events as u64 {
                return Ok(());
            }
            self.fold(target).await?;
        }
    }

    /// With the live writer held: folds the last few events, and compares.
    async fn finish(
        &mut self,
        held: &Tx<'_>,
        live: &Schema,
    ) -> Result<Option<Vec<Difference>>, RebuildError> {
        let checkpoint = store::checkpoint(&**held, live).await?;
        let target = self.reachable(checkpoint.position).await?;
        self.fold(target).await?;
        if !checkpoint.fits(self.projections) || checkpoint.position != self.writer.position() {
            return Ok(None);
        }
        let found = checksum_in(&**held, live).await?;
        let folded = checksum_in(&**held, &self.schema).await?;
        Ok(Some(differences(&found, &folded)))
    }

    /// Events that the log does not hold cannot be waited for.
    async fn reachable(&self, position: Position) -> Result<Position, RebuildError> {
        Ok(position.min(self.log.head().await?))
    }

    async fn fold(&mut self, target: Position) -> Result<(), RebuildError> {
        let Self { log, writer, progress, begun, events, options, .. } = self;
        let each = |step: Step| {
            *events += step.events as u64;
            let events_per_second = *events as f64 / begun.elapsed().as_secs_f64().max(1e-6);
            let left = target.0.saturating_sub(step.position.0) as f64;
            let remaining = Duration::try_from_secs_f64(left / events_per_second).ok();
            progress(Progress { position: step.position, target, events_per_second, remaining });
        };
        let never = CancellationToken::new();
        advance(log, writer, Some(target), options.bounds(), &never, each).await?;
        Ok(())
    }

    fn done(self, differences: Option<Vec<Difference>>) -> Rebuilt {
        Rebuilt {
            position: self.writer.position(),
            events: self.events,
            took: self.begun.elapsed(),
            differences,
        }
    }
}
