//! Read-only SQL over a given set of tables.
//!
//! A query sees the tables handed in with it and nothing else: no file, no address, no setting, no
//! other table of the store. That is held in three places, each enough alone: the syntax tree is
//! checked here, the catalog answers only for the given names, and the session has no store but ours.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use futures::stream::BoxStream;

use crate::{Answer, Column, Engine};

mod analyze;
mod arithmetic;
mod bind;
mod error;
mod flow;
mod gather;
mod growth;
mod guard;
mod membership;
mod memory;
mod names;
mod pattern;
mod pushdown;
mod run;
mod session;
mod size;
mod statement;
mod sum;

pub use bind::bind;
pub use error::{Code, SqlError};
pub use run::Spent;
pub(crate) use session::Sessions;
pub(crate) use size::check as measure;
pub(crate) use statement::STACK;
pub use statement::{MAX_BYTES, Statement, parse};

/// Why rows could not be read that are in no file.
pub type ReadError = Box<dyn std::error::Error + Send + Sync>;

/// Rows that are in no file of the store: they are made when a query reads them, as often as it does.
pub trait Rows: std::fmt::Debug + Send + Sync {
    /// Their columns.
    fn schema(&self) -> SchemaRef;

    /// All of them from the first, the same each time. Read on the engine's threads, a batch at a time.
    fn read(&self) -> BoxStream<'static, Result<RecordBatch, ReadError>>;
}

/// A table that a query may read.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name in SQL. Names are matched without regard to case where that is unambiguous.
    pub name: String,
    /// Where its rows are.
    pub(crate) source: Source,
}

/// Where a table's rows are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// In the Parquet file with that key. What is under a key never changes.
    File(String),
    /// Nowhere until they are read.
    Rows(Arc<dyn Rows>),
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.source, &other.source) {
            (Source::File(a), Source::File(b)) => a == b,
            (Source::Rows(a), Source::Rows(b)) => Arc::ptr_eq(a, b),
            (Source::File(_), Source::Rows(_)) | (Source::Rows(_), Source::File(_)) => false,
        };
        same && self.name == other.name
    }
}

impl Table {
    /// A table by name and key.
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self { name: name.into(), source: Source::File(key.into()) }
    }

    /// A table of rows that are in no file. A dot in its name parts a schema from the table.
    pub fn of_rows(name: impl Into<String>, rows: Arc<dyn Rows>) -> Self {
        Self { name: name.into(), source: Source::Rows(rows) }
    }
}

/// What one query may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Rows in the answer; more are cut off and [`Answer::truncated`] says so.
    pub rows: usize,
    /// Bytes in the answer, in memory; likewise cut.
    pub bytes: usize,
    /// Time from start to finish.
    pub time: Duration,
    /// Memory it may reserve before it spills to disk.
    pub memory: usize,
}

impl Default for Limits {
    /// 10,000 rows, 64 MiB, 30 seconds, 256 MiB of memory.
    fn default() -> Self {
        Self { rows: 10_000, bytes: 64 << 20, time: Duration::from_secs(30), memory: 256 << 20 }
    }
}

impl Engine {
    /// Runs a statement over the given tables. Dropping the future cancels the query.
    ///
    /// # Errors
    ///
    /// When the SQL does not fit the tables, fails on their values, or runs over a limit.
    pub async fn query(
        &self,
        statement: &Statement,
        tables: &[Table],
        limits: &Limits,
    ) -> Result<Answer, SqlError> {
        self.query_holding(statement, tables, limits, ()).await
    }

    /// The same, and `held` is dropped when the query has ended. That may be later than its answer: a
    /// query that is told to stop, because its time is up or nobody waits for it, does so at the next
    /// occasion.
    ///
    /// # Errors
    ///
    /// As [`Engine::query`].
    pub async fn query_holding(
        &self,
        statement: &Statement,
        tables: &[Table],
        limits: &Limits,
        held: impl Send + 'static,
    ) -> Result<Answer, SqlError> {
        Ok(self.query_timed(statement, tables, limits, held).await?.0)
    }

    /// The same, with where the time went.
    ///
    /// # Errors
    ///
    /// As [`Engine::query`].
    pub async fn query_timed(
        &self,
        statement: &Statement,
        tables: &[Table],
        limits: &Limits,
        held: impl Send + 'static,
    ) -> Result<(Answer, Spent), SqlError> {
        let (statement, tables, limits) = (statement.clone(), tables.to_vec(), limits.clone());
        let time = limits.time;
        let shared = self.shared.clone();
        let stop = run::Stop::default();
        let told = stop.handle();
        let work = async move {
            let answer = run::run(&shared.sessions, &statement, &tables, &limits, &told).await;
            drop(held);
            answer
        };
        self.in_time(time, work).await
    }

    /// Plans a statement over the given tables without running it: whatever is wrong with it that can be
    /// known before the first row is read. Gives the columns that its answer would have. `held` as in
    /// [`Engine::query_holding`].
    ///
    /// # Errors
    ///
    /// When the SQL does not fit the tables, or planning takes longer than the limit.
    pub async fn check(
        &self,
        statement: &Statement,
        tables: &[Table],
        limits: &Limits,
        held: impl Send + 'static,
    ) -> Result<Vec<Column>, SqlError> {
        let (statement, tables, limits) = (statement.clone(), tables.to_vec(), limits.clone());
        let time = limits.time;
        let shared = self.shared.clone();
        let work = async move {
            let columns = run::check(&shared.sessions, &statement, &tables, &limits).await;
            drop(held);
            columns
        };
        self.in_time(time, work).await
    }

    /// The same as [`Engine::check`], and what the engine would do, for people to read.
    ///
    /// # Errors
    ///
    /// As [`Engine::check`].
    pub async fn explain(
        &self,
        statement: &Statement,
        tables: &[Table],
        limits: &Limits,
        held: impl Send + 'static,
    ) -> Result<(Vec<Column>, String), SqlError> {
        let (statement, tables, limits) = (statement.clone(), tables.to_vec(), limits.clone());
        let time = limits.time;
        let shared = self.shared.clone();
        let work = async move {
            let explained = run::explain(&shared.sessions, &statement, &tables, &limits).await;
            drop(held);
            explained
        };
        self.in_time(time, work).await
    }

    /// Work on the engine's threads that may take so long.
    async fn in_time<T: Send + 'static>(
        &self,
        time: Duration,
        work: impl Future<Output = Result<T, SqlError>> + Send + 'static,
    ) -> Result<T, SqlError> {
        let task = self.shared.runtime.spawn(work).ok_or_else(|| SqlError::internal(&"shutting down"))?;
        match tokio::time::timeout(time, task).await {
            Ok(Ok(done)) => done,
            // A panic ends this query and nothing else.
            Ok(Err(failure)) => Err(SqlError::internal(&failure)),
            Err(_) => {
                let detail = format!("The query ran longer than {} ms.", time.as_millis());
                Err(SqlError::new(Code::TimeLimit, detail))
            }
        }
    }

    /// The first rows of a table; `held` as in [`Engine::query_holding`].
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub async fn preview(
        &self,
        key: &str,
        limits: &Limits,
        held: impl Send + 'static,
    ) -> Result<Answer, SqlError> {
        let statement = parse("SELECT * FROM preview")?;
        self.query_holding(&statement, &[Table::new("preview", key)], limits, held).await
    }
}
