//! The one way to the read models: a read-only transaction that sees one moment, and whose every
//! statement gets the caller's workspace as `$1`.

use std::time::Duration;

use deadpool_postgres::Transaction;
use tokio_postgres::{IsolationLevel, Row, error::SqlState, types::ToSql};
use weir_events::{Position, WorkspaceId};
use weir_infra::http::{Code, Problem};

use crate::position::quoted;

/// A parameter of a statement.
pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);
/// A row turned into what it means.
pub(crate) type Decoded<T> = Result<T, tokio_postgres::Error>;

/// How far the read models are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Checkpoint {
    /// Everything up to here can be read.
    pub(crate) position: Position,
    /// Changes when a projection is replaced by another version of itself, or of its tables.
    pub(crate) generation: i64,
}

/// What a transaction sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    /// How far the models are.
    pub(crate) checkpoint: Checkpoint,
    /// The last event that changed anything in the workspace.
    pub(crate) workspace: Position,
}

/// Reads one workspace at one moment.
pub(crate) struct Reader<'c> {
    tx: Transaction<'c>,
    workspace: WorkspaceId,
    snapshot: Snapshot,
    /// Whether it reads the tables that all read, for which it is worth to prepare statements.
    live: bool,
}

/// What every transaction begins with. The lock keeps tables from being exchanged for rebuilt ones
/// under it; taken before the first statement, so that what that one sees is what is there.
pub(crate) fn setup(schemas: &[String]) -> String {
    format!("SET LOCAL search_path TO {}; LOCK TABLE checkpoint IN ACCESS SHARE MODE", quoted(schemas))
}

/// Holds to the end of the transaction.
const PLAN_EACH: &str = "SET LOCAL plan_cache_mode TO force_custom_plan";
/// The snapshot's statement.
pub(crate) const SNAPSHOT: &str = include_str!("snapshot.sql");
/// The checkpoint's statement, the only one without a workspace.
pub(crate) const CHECKPOINT: &str = include_str!("checkpoint.sql");

impl<'c> Reader<'c> {
    /// Opens the transaction.
    ///
    /// # Errors
    /// 503 when PostgreSQL cannot be reached.
    pub(crate) async fn open(
        client: &'c mut deadpool_postgres::Client,
        setup: &str,
        workspace: WorkspaceId,
    ) -> Result<Self, Problem> {
        Self::begin(client, setup, workspace).await.map_err(failed)
    }

    /// Opens a transaction on the tables of a moment of the past that ends at a position.
    ///
    /// # Errors
    /// 503 when PostgreSQL cannot be reached, or the tables were removed a moment ago.
    pub(crate) async fn open_past(
        client: &'c mut deadpool_postgres::Client,
        setup: &str,
        workspace: WorkspaceId,
        position: Position,
    ) -> Result<Self, Problem> {
        let mut reader = Self::begin(client, setup, workspace).await.map_err(|error| {
            if error.code() != Some(&SqlState::UNDEFINED_TABLE) {
                return failed(error);
            }
            let detail = "The moment was put away just now, since nobody had looked at it. Ask again.";
            Problem::new(Code::PastNotReady, detail).retry_after(Duration::from_secs(1))
        })?;
        reader.live = false;
        reader.snapshot.checkpoint.position = position;
        Ok(reader)
    }

    async fn begin(
        client: &'c mut deadpool_postgres::Client,
        setup: &str,
        workspace: WorkspaceId,
    ) -> Decoded<Self> {
        let tx = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let tx = tx.start().await?;
        let snapshot = look(&tx, setup, workspace).await?;
        Ok(Self { tx, workspace, snapshot, live: true })
    }

    /// Whose rows it reads.
    pub(crate) fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// What this transaction sees.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot
    }

    /// The rows of a statement; `params` are `$2` and on. Several calls that are awaited together
    /// travel together.
    ///
    /// # Errors
    /// 503 when PostgreSQL cannot be reached, 500 when the statement does not fit the models.
    pub(crate) async fn rows(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Problem> {
        let statement = match self.live {
            true => self.tx.prepare_cached(sql).await,
            // Those of the live tables would have to be planned again after it.
            false => self.tx.prepare(sql).await,
        };
        let statement = statement.map_err(failed)?;
        let mut all: Vec<Param<'_>> = Vec::with_capacity(params.len() + 1);
        all.push(&self.workspace.0);
        all.extend_from_slice(params);
        self.tx.query(&statement, &all).await.map_err(failed)
    }

    /// The same by a plan that is made for these very parameters. PostgreSQL would otherwise keep, after a few times,
    /// one plan for whatever the parameters may be.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub(crate) async fn rows_planned_for(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Problem> {
        let set = async { self.tx.batch_execute(PLAN_EACH).await.map_err(failed) };
        // Sent together, carried out in this order.
        let ((), rows) = futures::try_join!(set, self.rows(sql, params))?;
        Ok(rows)
    }

    /// The rows, each turned into what it means.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub(crate) async fn all<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        item: impl Fn(&Row) -> Decoded<T>,
    ) -> Result<Vec<T>, Problem> {
        self.rows(sql, params).await?.iter().map(item).collect::<Decoded<_>>().map_err(unreadable)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub(crate) async fn first<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        item: impl Fn(&Row) -> Decoded<T>,
    ) -> Result<Option<T>, Problem> {
        self.rows(sql, params).await?.first().map(item).transpose().map_err(unreadable)
    }
}

async fn look(tx: &Transaction<'_>, setup: &str, workspace: WorkspaceId) -> Decoded<Snapshot> {
    // Sent together, carried out in this order.
    let snapshot = async {
        let statement = tx.prepare_cached(SNAPSHOT).await?;
        tx.query_one(&statement, &[&workspace.0]).await
    };
    let ((), row) = futures::try_join!(tx.batch_execute(setup), snapshot)?;
    Ok(Snapshot { checkpoint: checkpoint(&row)?, workspace: position(row.try_get("workspace")?) })
}

/// The checkpoint in a row of [`CHECKPOINT`] or [`SNAPSHOT`].
pub(crate) fn checkpoint(row: &Row) -> Decoded<Checkpoint> {
    Ok(Checkpoint { position: position(row.try_get("position")?), generation: row.try_get("generation")? })
}

/// A position as PostgreSQL keeps it.
pub(crate) fn position(value: i64) -> Position {
    Position(u64::try_from(value).unwrap_or_default())
}

/// A statement that PostgreSQL did not carry out.
pub(crate) fn failed(error: tokio_postgres::Error) -> Problem {
    if error.code() == Some(&SqlState::QUERY_CANCELED) {
        let detail = "The read took too long. Ask for less, or try again in a little while.";
        return Problem::new(Code::Busy, detail).retry_after(Duration::from_secs(2)).cause(error);
    }
    error.into()
}

/// A row that is not what the statement promises.
pub(crate) fn unreadable(error: tokio_postgres::Error) -> Problem {
    Problem::internal(format!("a row of the read models cannot be read: {error:?}"))
}
