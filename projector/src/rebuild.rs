//! Folding everything anew, beside the live tables: to replace them, or to prove them right.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::{ClientWrapper, Pool};
use futures::future::try_join;
use tokio::time::sleep;
use tokio_postgres::{GenericClient, IsolationLevel, error::SqlState};
use tokio_util::sync::CancellationToken;
use weir_events::{EventLog, FollowError, Position, Unavailable};

use crate::{
    Difference, Options, Projections, Schema, checksum,
    fold::{FoldError, Step, advance},
    pulse,
    store::{self, Relation},
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
    /// Where the tables that were live differed from the fresh ones at the same position. `None`
    /// when they cannot be compared: other versions made them, or they had seen events that the log
    /// no longer holds.
    pub differences: Option<Vec<Difference>>,
}

/// Why there is no fresh fold. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another process folds anew at this moment.
    #[error("another process is building the read models anew")]
    AlreadyRunning,
    /// A newer build made the read models.
    #[error("the read models are of a newer build than this one")]
    Newer,
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

/// Folds every event into fresh tables with the very code that keeps the live ones, and puts them in
/// their place: those of the projections in `part`, of `all` that there are. The live tables serve,
/// and go on, until then; no reader finds them missing or older. They stay for a while after that,
/// where nobody finds them.
///
/// # Errors
/// See [`RebuildError`].
pub async fn rebuild(
    log: &Arc<dyn EventLog>,
    pool: &Pool,
    all: &Projections,
    part: &Projections,
    progress: impl FnMut(Progress) + Send,
) -> Result<Rebuilt, RebuildError> {
    let options = Options::default();
    let how = How { all, part, options: &options, tables: Tables::Bare, compare: true };
    rebuild_with(log, pool, how, progress).await
}

/// What is to be folded anew, and how.
#[derive(Clone, Copy)]
pub(crate) struct How<'a> {
    /// All projections of this build.
    pub(crate) all: &'a Projections,
    /// Those that are to be folded anew.
    pub(crate) part: &'a Projections,
    pub(crate) options: &'a Options,
    /// What to do about an interrupted fold.
    pub(crate) tables: Tables,
    /// Whether to compare with the live tables before they go.
    pub(crate) compare: bool,
}

pub(crate) async fn rebuild_with(
    log: &Arc<dyn EventLog>,
    pool: &Pool,
    how: How<'_>,
    progress: impl FnMut(Progress) + Send,
) -> Result<Rebuilt, RebuildError> {
    let live = Schema::live();
    let mut fresh = Fresh::start(log, pool, how, Schema::next(), progress).await?;
    let mut client = store::detached(pool).await?;
    // The ones before the live ones give up their names.
    for projection in how.part.iter() {
        store::remove(&*client, &Schema::old().of(projection.name())).await?;
    }
    fresh.build(&live).await?;
    let compared = if how.compare { fresh.compare().await? } else { None };
    while !change_over(&mut fresh, &mut client).await? {
        sleep(PAUSE).await;
    }
    let (done, writer) = fresh.done(compared);
    writer.close().await?;
    Ok(done)
}

/// How long readers may be kept waiting for tables to change over, and the pause before the next try.
const WAIT: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(300);

/// Folds the last few events and puts the fresh tables into the place of the live ones; false if
/// that would have taken too long, because somebody is still reading.
async fn change_over<P: FnMut(Progress) + Send>(
    fresh: &mut Fresh<'_, P>,
    client: &mut ClientWrapper,
) -> Result<bool, RebuildError> {
    let (live, how) = (Schema::live(), fresh.how);
    fresh.catch_up(&live).await?;
    let held = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    // From here on the live tables' writer has to wait.
    held.execute("SELECT epoch FROM projector.runner WHERE schema = $1 FOR UPDATE", &[&live.as_str()])
        .await?;
    let checkpoint = store::checkpoint(&*held, &live).await?;
    if checkpoint.relation(how.all) == Relation::Newer {
        return Err(RebuildError::Newer);
    }
    fresh.fold(fresh.reachable(checkpoint.position).await?).await?;
    let (position, gone) = (fresh.writer.position(), checkpoint.unknown(how.all));
    let whole = how.part.len() == how.all.len();
    if !whole && position != checkpoint.position {
        // The other tables have seen events that the log does not hold: they cannot go on together.
        return Err(FollowError::BeyondHead { after: checkpoint.position, head: position }.into());
    }
    // And from here on readers, all of whom begin with this lock: no transaction of theirs may see the
    // tables from both sides of the change, since it would not see the last rows of the new ones.
    let lock = format!(
        "SET LOCAL lock_timeout = {}; LOCK TABLE {live}.checkpoint IN ACCESS EXCLUSIVE MODE",
        WAIT.as_millis()
    );
    match held.batch_execute(&lock).await {
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => return Ok(false),
        locked => locked?,
    }
    store::change_over(&held, how.part, &gone, position, whole).await?;
    held.commit().await?;
    Ok(true)
}

/// Folds every event into scratch tables up to where the live ones are, and compares them: those of
/// the projections in `part`. The live tables go on meanwhile. Empty: they are equal.
///
/// # Errors
/// See [`RebuildError`].
pub async fn verify(
    log: &Arc<dyn EventLog>,
    pool: &Pool,
    all: &Projections,
    part: &Projections,
    progress: impl FnMut(Progress) + Send,
) -> Result<Vec<Difference>, RebuildError> {
    let options = Options::default();
    let how = How { all, part, options: &options, tables: Tables::Bare, compare: true };
    let mut fresh = Fresh::start(log, pool, how, Schema::check(), progress).await?;
    fresh.build(&Schema::live()).await?;
    let compared = fresh.compare().await;
    let head = fresh.writer.position();
    let client = store::detached(pool).await?;
    store::remove(&*client, &Schema::check()).await?;
    fresh.writer.close().await?;
    let after = store::checkpoint(&*client, &Schema::live()).await?.position;
    match compared? {
        Some(differences) => Ok(differences),
        None if after > log.head().await? => Err(FollowError::BeyondHead { after, head }.into()),
        // Other versions made the live tables: each of them is in doubt.
        None => Ok(vec![Difference { table: "checkpoint".to_owned(), found: None, folded: None }]),
    }
}

/// A fold into tables of its own.
struct Fresh<'a, P> {
    log: &'a Arc<dyn EventLog>,
    pool: &'a Pool,
    how: How<'a>,
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
        how: How<'a>,
        schema: Schema,
        progress: P,
    ) -> Result<Self, RebuildError> {
        {
            let mut client = pool.get().await.map_err(store::Error::from)?;
            store::prepare(&mut client, &Schema::live(), how.all).await?;
            if store::checkpoint(&**client, &Schema::live()).await?.relation(how.all) == Relation::Newer {
                return Err(RebuildError::Newer);
            }
        }
        let client = store::detached(pool).await?;
        let patience = how.options.patience;
        let turn = Writer::open(pool, client, &schema, how.part, how.tables, patience).await?;
        let writer = match turn {
            Turn::Mine(writer) => writer,
            Turn::Taken(client) => {
                pulse::replace_frozen(&*client, &schema).await?;
                return Err(RebuildError::AlreadyRunning);
            }
        };
        Ok(Self { log, pool, how, schema, writer, progress, begun: Instant::now(), events: 0 })
    }

    /// Folds most of what there is, and makes the indexes then.
    async fn build(&mut self, live: &Schema) -> Result<(), RebuildError> {
        self.catch_up(live).await?;
        if !self.writer.index().await? {
            self.catch_up(live).await?;
        }
        Ok(())
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
            if behind < self.how.options.batch_events as u64 {
                return Ok(());
            }
            self.fold(target).await?;
        }
    }

    /// Folds up to where the live tables are at one moment, and compares the two as of then. The
    /// live ones go on. `None` where there is nothing to compare.
    async fn compare(&mut self) -> Result<Option<Vec<Difference>>, RebuildError> {
        let live = Schema::live();
        let mut client = store::detached(self.pool).await?;
        loop {
            let moment = client
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true)
                .start()
                .await?;
            // The first statement is what fixes the moment.
            let which = schemas(&*moment).await?;
            let checkpoint = store::checkpoint(&*moment, &live).await?;
            let target = self.reachable(checkpoint.position).await?;
            if target < self.writer.position() {
                return Ok(None);
            }
            self.fold(target).await?;
            if !checkpoint.fits(self.how.part) || checkpoint.position != self.writer.position() {
                return Ok(None);
            }
            let other = self.pool.get().await.map_err(store::Error::from)?;
            let (found, folded) =
                try_join(checksum_in(&*moment, &live), checksum(self.pool, &self.schema)).await?;
            let now = schemas(&**other).await?;
            if now == which {
                let whole = self.how.part.len() == self.how.all.len();
                let mut differences = differences(&found, &folded);
                // Tables of other projections are none of this fold's, nor are letters to them.
                differences.retain(|d| whole || folded.contains_key(&d.table) && d.table != "dead_letters");
                return Ok(Some(differences));
            }
            // Someone put other tables into their place meanwhile, which that moment cannot see.
        }
    }

    /// Events that the log does not hold cannot be waited for.
    async fn reachable(&self, position: Position) -> Result<Position, RebuildError> {
        Ok(position.min(self.log.head().await?))
    }

    async fn fold(&mut self, target: Position) -> Result<(), RebuildError> {
        let Self { log, writer, progress, begun, events, how, .. } = self;
        let each = |step: Step| {
            *events += step.events as u64;
            let events_per_second = *events as f64 / begun.elapsed().as_secs_f64().max(1e-6);
            let left = target.0.saturating_sub(step.position.0) as f64;
            let remaining = Duration::try_from_secs_f64(left / events_per_second).ok();
            progress(Progress { position: step.position, target, events_per_second, remaining });
        };
        let never = CancellationToken::new();
        advance(log, writer, Some(target), how.options.bounds(), &never, each).await?;
        Ok(())
    }

    fn done(self, differences: Option<Vec<Difference>>) -> (Rebuilt, Writer) {
        let position = self.writer.position();
        let done = Rebuilt { position, events: self.events, took: self.begun.elapsed(), differences };
        (done, self.writer)
    }
}

/// The live schemas by what they are, not by what they are called.
async fn schemas(client: &impl GenericClient) -> Result<Vec<u32>, store::Error> {
    let sql = format!(
        "SELECT n.oid FROM pg_namespace n JOIN {live}.checkpoint c ON n.nspname = '{name}_' || c.name ORDER BY 1",
        live = Schema::live(),
        name = Schema::live().as_str(),
    );
    Ok(client.query(&sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}
