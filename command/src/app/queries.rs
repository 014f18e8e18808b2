//! SQL: resolve its tables, look for the result, else run it under limits, and write the receipt.
//!
//! Every try that is written down is a run with an id of its own, so that one run never has two
//! outcomes. Of a keyed request that is repeated because nobody kept its answer, the log recognises
//! the receipt: where the answer is still the same, it is the first one's run that was answered.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use uuid::Uuid;
use weir_archive::View;
use weir_engine::{
    Answer, Column, ENGINE,
    sql::{self, Limits, SqlError, Statement, Table},
};
use weir_events::{
    AppendError, Commit, Event, EventLog, NewEvent, Position, QueryId, RunId, Subject, WorkspaceId,
    query::{self, Executed, Failed, Source, Stages, Within},
};
use weir_infra::http::{Code, Problem};

pub use super::results::Kept;
use super::{App, problem::sql_problem, results, turns::Busy, uploads::hex};
use crate::{
    directory::Named,
    domain::{Ctx, validate},
};

/// Names that are offered where a table is not known.
const CANDIDATES: usize = 2_000;
/// The pattern of SQL that has none because it cannot be parsed. There is one such pattern in a
/// workspace: typing errors make nothing new.
pub(super) const UNPARSED: (QueryId, &str) = (QueryId(Uuid::nil()), "-- SQL that could not be parsed");

/// An answer for someone who asked.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The answer.
    pub kept: Kept,
    /// The cache tier that served it; `None` when it was computed.
    pub tier: Option<u8>,
    /// What was read.
    pub sources: Vec<Source>,
    /// Where the log was that was read, where the workspace's past was.
    pub past: Option<Position>,
    /// Where the time went.
    pub stages: Stages,
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The SQL is at fault, or a limit was reached.
    Sql(SqlError),
    /// Too many queries of the workspace run already.
    Busy,
    /// A dataset's file is still being read.
    NotReady(String),
}

impl From<Busy> for Failure {
    fn from(Busy: Busy) -> Self {
        Self::Busy
    }
}

impl From<SqlError> for Failure {
    fn from(e: SqlError) -> Self {
        Self::Sql(e)
    }
}

impl Failure {
    /// As a problem with the SQL in that field.
    pub fn problem(&self, field: &'static str) -> Problem {
        match self {
            Self::Sql(e) => sql_problem(field, e),
            Self::Busy => Problem::new(
                Code::TooManyQueries,
                "As many queries of this workspace run as may at once. Try again in a moment.",
            )
            .retry_after(Duration::from_secs(2)),
            Self::NotReady(name) => Problem::new(
                Code::DatasetNotReady,
                format!("The dataset {name:?} is still being read. Try again in a moment."),
            )
            .retry_after(Duration::from_secs(2)),
        }
    }
}

/// What the engine would do for a query.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The query's pattern.
    pub query_id: QueryId,
    /// The columns that its answer would have.
    pub columns: Vec<Column>,
    /// What would be read.
    pub sources: Vec<Source>,
    /// The steps, each indented below the one that it feeds.
    pub plan: String,
}

/// A run that was answered and written down.
#[derive(Debug, Clone)]
pub struct Run {
    /// The run.
    pub id: RunId,
    /// Its pattern.
    pub query_id: QueryId,
    /// The answer.
    pub ran: Ran,
    /// Time to the whole answer, in milliseconds.
    pub elapsed_ms: f64,
    /// Where the log was then.
    pub position: Position,
}

/// A run that was not answered. Where it got as far as being a run, it is written down as failed.
#[derive(Debug)]
pub struct FailedRun {
    /// What the caller gets.
    pub problem: Problem,
    /// The run and its place in the log.
    pub written: Option<(RunId, Position)>,
}

impl From<Problem> for FailedRun {
    fn from(problem: Problem) -> Self {
        Self { problem, written: None }
    }
}

/// Where SQL comes from that was not asked as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// The question in plain language, and the model that wrote the SQL for it.
    pub(super) question: Option<(String, String)>,
    /// The context that says what its metrics are.
    pub(super) context: Option<Within>,
}

impl Origin {
    fn question(&self) -> Option<String> {
        self.question.as_ref().map(|(question, _)| question.clone())
    }

    fn model(&self) -> Option<String> {
        self.question.as_ref().map(|(_, model)| model.clone())
    }
}

/// The id of a pattern.
pub fn query_id(statement: &Statement) -> QueryId {
    QueryId(uuid::Builder::from_custom_bytes(statement.pattern_hash).into_uuid())
}

/// Tables that a statement may read.
struct Resolved {
    tables: Vec<Table>,
    sources: Vec<Source>,
    /// Whether a table is none of the workspace's: there is no answer then, only a hint.
    unknown: bool,
    /// Where the log was that the tables of the past are made from, if they are asked for.
    past: Option<Position>,
}

impl App {
    /// How many rows a caller gets.
    ///
    /// # Errors
    /// When the limit is out of bounds.
    pub fn rows(&self, limit: Option<u64>) -> Result<usize, Problem> {
        let most = self.config().max_rows;
        match limit.map(usize::try_from) {
            None => Ok(self.config().default_rows),
            Some(Ok(rows)) if (1..=most).contains(&rows) => Ok(rows),
            Some(_) => {
                let detail = format!("A limit is a number of rows from 1 to {most}.");
                Err(Problem::invalid("limit", "out_of_range", detail))
            }
        }
    }

    /// Answers a question in SQL and writes the receipt. Dropped before the answer is there, the
    /// query is cancelled and written down as failed; after that the receipt is written all the same.
    ///
    /// # Errors
    /// See [`FailedRun`].
    pub async fn ask(&self, cx: &Ctx, sql: &str, limit: Option<u64>) -> Result<Run, FailedRun> {
        self.ask_for(cx, sql, limit, Instant::now(), Origin::default()).await
    }

    /// The same for SQL that was written for a question, which was asked at `started`.
    pub(super) async fn ask_for(
        &self,
        cx: &Ctx,
        sql: &str,
        limit: Option<u64>,
        started: Instant,
        origin: Origin,
    ) -> Result<Run, FailedRun> {
        let sql = validate::sql("sql", sql).map_err(Problem::from)?;
        let rows = self.rows(limit)?;
        let statement = sql::parse(&sql);
        // What is too long to be read is too long to be written down.
        if let Err(e) = &statement
            && e.code == sql::Code::TooLong
        {
            return Err(sql_problem("sql", e).into());
        }
        let (query_id, pattern) = match &statement {
            Ok(s) => (query_id(s), s.pattern.clone()),
            Err(_) => (UNPARSED.0, UNPARSED.1.to_owned()),
        };
        let (app, cx, id) = (self.clone(), cx.clone(), RunId(Uuid::now_v7()));
        let workspace = cx.workspace;
        let mut receipt = Receipt { app, cx, id, query_id, sql, pattern, rows, started, origin, open: true };
        let ran = match statement {
            Ok(statement) => self.run(workspace, &statement, rows).await,
            Err(e) => Err(e.into()),
        };
        match ran {
            Ok(ran) => {
                let elapsed_ms = receipt.elapsed_ms();
                let tier = ran.tier.map_or("none".to_owned(), |t| t.to_string());
                self.0.metrics.query_seconds.with_label_values(&[tier]).observe(elapsed_ms / 1e3);
                self.0.metrics.queries_total.with_label_values(&["ok"]).inc();
                // Goes on to its end when the caller goes away, so that receipt and rows stay in step.
                let written = tokio::spawn(receipt.executed(ran.clone(), elapsed_ms)).await;
                let (id, position) = written.map_err(Problem::internal)??;
                self.seen(position).await;
                Ok(Run { id, query_id, ran, elapsed_ms, position })
            }
            Err(failure) => {
                let problem = failure.problem("sql");
                self.0.metrics.queries_total.with_label_values(&[problem.code().as_str()]).inc();
                // What never had its turn is no run: refusing it must not cost a write.
                if matches!(failure, Failure::Busy) {
                    receipt.open = false;
                    return Err(problem.into());
                }
                let position = receipt.failed(problem.code().as_str(), problem.detail()).await?;
                Err(FailedRun { problem, written: Some((id, position)) })
            }
        }
    }

    /// Writes a question down for which no SQL was found that can be run, with what was tried last.
    pub(super) async fn write_unanswered(
        &self,
        cx: &Ctx,
        sql: String,
        origin: Origin,
        started: Instant,
        problem: Problem,
    ) -> FailedRun {
        let statement = sql::parse(&sql).ok();
        let (query_id, pattern) = match &statement {
            Some(s) => (query_id(s), s.pattern.clone()),
            None => (UNPARSED.0, UNPARSED.1.to_owned()),
        };
        // What is too long to be read is too long to be written down.
        let sql = if sql.len() > sql::MAX_BYTES { String::new() } else { sql };
        let (app, cx, id) = (self.clone(), cx.clone(), RunId(Uuid::now_v7()));
        let receipt = Receipt { app, cx, id, query_id, sql, pattern, rows: 0, started, origin, open: true };
        self.0.metrics.queries_total.with_label_values(&[problem.code().as_str()]).inc();
        match receipt.failed(problem.code().as_str(), problem.detail()).await {
            Ok(position) => FailedRun { problem, written: Some((id, position)) },
            Err(away) => away.into(),
        }
    }

    /// Plans SQL without running it, and tells the columns that its answer would have.
    pub(super) async fn check(
        &self,
        workspace: WorkspaceId,
        statement: &Statement,
    ) -> Result<Vec<Column>, Failure> {
        let Resolved { tables, .. } = self.resolve(workspace, statement).await?;
        let turn = self.0.turns.take(workspace, self.config().query_wait).await?;
        Ok(self.engine().check(statement, &tables, &self.limits(), turn).await?)
    }

    /// What the engine would do for a query, without doing it. It is no run: nothing of it is written down.
    ///
    /// # Errors
    /// Whatever is wrong with the SQL that can be known before the first row is read, and as running it.
    pub async fn plan(&self, workspace: WorkspaceId, sql: &str) -> Result<Plan, Problem> {
        let sql = validate::sql("sql", sql)?;
        let planned = async {
            let statement = sql::parse(&sql)?;
            let Resolved { tables, sources, .. } = self.resolve(workspace, &statement).await?;
            let turn = self.0.turns.take(workspace, self.config().query_wait).await?;
            let (columns, plan) = self.engine().explain(&statement, &tables, &self.limits(), turn).await?;
            Ok::<_, Failure>(Plan { query_id: query_id(&statement), columns, sources, plan })
        };
        planned.await.map_err(|failure| failure.problem("sql"))
    }

    /// Answers SQL without a receipt: for charts and for looking at what columns there are.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn answer(
        &self,
        workspace: WorkspaceId,
        statement: &Statement,
        rows: usize,
    ) -> Result<Ran, Failure> {
        self.run(workspace, statement, rows).await
    }

    async fn run(&self, workspace: WorkspaceId, statement: &Statement, rows: usize) -> Result<Ran, Failure> {
        let begun = Instant::now();
        let Resolved { tables, sources, unknown, past } = self.resolve(workspace, statement).await?;
        let resolved = Stages { resolve_ms: ms(begun.elapsed()), ..Stages::default() };
        // Stays as it is where a cache has the answer.
        let stages = Mutex::new(resolved);
        let compute = Box::pin(self.compute(workspace, statement, &tables, rows, &stages));
        // Every run is an event, so that the past is another one each time that it is asked for.
        if statement.volatile || unknown || past.is_some() {
            let kept = self.0.results.uncached(compute).await?;
            return Ok(Ran { kept, tier: None, sources, past, stages: known(&stages) });
        }
        let key = results::key(
            workspace,
            self.directory().erasures_in(workspace),
            statement,
            rows,
            self.config().answer_bytes,
            &sources,
        );
        let (kept, tier) = self.0.results.find(workspace, key, compute).await?;
        Ok(Ran { kept, tier, sources, past, stages: known(&stages) })
    }

    /// Which datasets a statement's tables are. Where one is not known all that there are go along,
    /// so that the engine can say which was meant.
    async fn resolve(&self, workspace: WorkspaceId, statement: &Statement) -> Result<Resolved, Failure> {
        let mut found = Resolved { tables: Vec::new(), sources: Vec::new(), unknown: false, past: None };
        let views: Vec<_> = statement.tables.iter().filter_map(|name| View::named(name)).collect();
        if !views.is_empty() {
            let moment = self.0.past.of(workspace).await.map_err(|error| {
                tracing::warn!(%error, "the past could not be read");
                let detail = "The workspace's past cannot be read now. Try again in a moment.";
                SqlError::new(sql::Code::StorageUnavailable, detail)
            })?;
            found.past = Some(moment.position());
            found.tables.extend(views.into_iter().map(|view| moment.table(view)));
        }
        for name in statement.tables.iter().filter(|name| View::named(name).is_none()) {
            match self.directory().table(workspace, name) {
                Some(Named::Ready { id, name: dataset, ready }) => {
                    // `flights` and `Flights` are one table; `flights@1` beside them is another one.
                    let asked = match validate::versioned(name) {
                        Some((_, version)) if version == ready.version => format!("{dataset}@{version}"),
                        _ => dataset.clone(),
                    };
                    if found.tables.iter().any(|t| t.name == asked) {
                        continue;
                    }
                    found.tables.push(Table::new(asked, &ready.table));
                    let source = Source { id, name: dataset, version: ready.version };
                    if !found.sources.contains(&source) {
                        found.sources.push(source);
                    }
                }
                Some(Named::Ingesting(name)) => return Err(Failure::NotReady(name)),
                None => {
                    if let Some((base, version)) = validate::versioned(name)
                        && let Some(Named::Ready { name, ready, .. }) =
                            self.directory().table(workspace, base)
                    {
                        let detail = format!(
                            "'{name}' has no version {version} that can be queried; its newest is {}.",
                            ready.version
                        );
                        return Err(SqlError::new(weir_engine::sql::Code::UnknownTable, detail).into());
                    }
                    found.unknown = true;
                }
            }
        }
        if found.unknown {
            let all = self.directory().tables(workspace, CANDIDATES).into_iter();
            found.tables.extend(all.map(|(name, key)| Table::new(name, key)));
        }
        Ok(found)
    }

    async fn compute(
        &self,
        workspace: WorkspaceId,
        statement: &Statement,
        tables: &[Table],
        rows: usize,
        stages: &Mutex<Stages>,
    ) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let turn = self.0.turns.take(workspace, self.config().query_wait).await?;
        let wait_ms = ms(begun.elapsed());
        let limits = Limits { rows, ..self.limits() };
        let (answer, spent) = self.engine().query_timed(statement, tables, &limits, turn).await?;
        let mut stages = stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.wait_ms = Some(wait_ms);
        stages.plan_ms = Some(ms(spent.plan));
        stages.run_ms = Some(ms(spent.run));
        drop(stages);
        Ok(answer)
    }

    /// What one query may use.
    fn limits(&self) -> Limits {
        Limits {
            rows: self.config().default_rows,
            bytes: self.config().answer_bytes,
            time: self.config().query_time,
            memory: self.config().query_memory,
        }
    }

    /// The first rows of a table. It takes its turn among the workspace's queries.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn preview(
        &self,
        workspace: WorkspaceId,
        table: &str,
        rows: usize,
    ) -> Result<Arc<Answer>, Failure> {
        let turn = self.0.turns.take(workspace, self.config().query_wait).await?;
        let limits = Limits { rows, ..self.limits() };
        Ok(Arc::new(self.engine().preview(table, &limits, turn).await?))
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn known(stages: &Mutex<Stages>) -> Stages {
    *stages.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run in the making; dropped before it is closed, it was cancelled.
struct Receipt {
    app: App,
    cx: Ctx,
    id: RunId,
    query_id: QueryId,
    sql: String,
    pattern: String,
    rows: usize,
    started: Instant,
    origin: Origin,
    open: bool,
}

impl Receipt {
    fn elapsed_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1e3
    }

    fn log(&self) -> &Arc<dyn EventLog> {
        self.app.executor().log()
    }

    fn subject(&self) -> Subject {
        Subject::query(self.cx.workspace, self.query_id)
    }

    /// A run is a fact: it is appended whatever else happened to its pattern.
    fn commit(&self, event: impl Into<Event>) -> Commit {
        Commit::new().event(NewEvent {
            subject: self.subject(),
            meta: self.cx.metadata(0, 0),
            event: event.into(),
        })
    }

    /// The answer is there: keeps it where it is small enough and writes the receipt. Gives the run
    /// that was answered and where the log has it.
    async fn executed(mut self, ran: Ran, elapsed_ms: f64) -> Result<(RunId, Position), Problem> {
        self.open = false;
        let answer = &ran.kept.answer;
        let mut executed = Executed {
            run_id: self.id,
            sql: self.sql.clone(),
            pattern: self.pattern.clone(),
            datasets: ran.sources,
            engine: ENGINE.to_owned(),
            rows: answer.rows,
            bytes: answer.bytes,
            truncated: answer.truncated,
            elapsed_ms,
            cache_tier: ran.tier,
            result_hash: answer.hash.clone(),
            result: None,
            question: self.origin.question(),
            model: self.origin.model(),
            context: self.origin.context.clone(),
            events_to: ran.past.map(|position| position.0),
            stages: Some(Box::new(ran.stages)),
        };
        let results = &self.app.0.results;
        // What the past's texts were is kept nowhere but in the log, where it can be erased.
        let begun = Instant::now();
        let key = match ran.past {
            None => results.stored(self.cx.workspace, &ran.kept, self.id).await,
            Some(_) => None,
        };
        if key.is_some() {
            executed.stages = Some(Box::new(Stages { store_ms: Some(ms(begun.elapsed())), ..ran.stages }));
        }
        executed.result.clone_from(&key);
        let written = self.write(executed).await;
        let named = match &written {
            Ok((id, _)) => *id == self.id,
            // The log may have taken it or not; a file too many is better than one too few.
            Err(AppendError::Unavailable(_)) => true,
            Err(_) => false,
        };
        if let Some(key) = key.filter(|_| ran.kept.is_volatile() && !named) {
            results.forget(&key).await;
        }
        Ok(written?)
    }

    async fn write(&self, executed: Executed) -> Result<(RunId, Position), AppendError> {
        let mut commit = self.commit(executed.clone());
        commit.dedup = self.dedup();
        match self.log().append(commit).await {
            Ok(appended) => Ok((self.id, appended.last)),
            Err(AppendError::Duplicate(at)) => {
                if let Some(earlier) = self.earlier(at, &executed).await {
                    return Ok((earlier, at));
                }
                // The data changed since: this is another answer, and so another run.
                Ok((self.id, self.log().append(self.commit(executed)).await?.last))
            }
            Err(e) => Err(e),
        }
    }

    /// What the log recognises the receipt of a keyed request by. The question is part of it: where
    /// nobody kept the first answer, nobody knows whether this is the same question.
    fn dedup(&self) -> Option<String> {
        let key = self.cx.dedup.as_ref()?;
        let mut hash = Sha256::new();
        let question = self.origin.question().unwrap_or_default();
        for part in
            [key.as_bytes(), &(self.rows as u64).to_be_bytes(), self.sql.as_bytes(), question.as_bytes()]
        {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Some(hex(&hash.finalize()))
    }

    /// The run that an earlier try of the same request was, where it was answered the same.
    async fn earlier(&self, at: Position, now: &Executed) -> Option<RunId> {
        let recorded = self.app.executor().event(&self.subject(), at).await.ok()?;
        let Event::Query(query::Event::Executed(e)) = recorded.event else { return None };
        (e.result_hash == now.result_hash && e.datasets == now.datasets).then_some(e.run_id)
    }

    fn failure(&self, code: &str, detail: &str) -> Failed {
        // Errors quote values, and those of the past may be texts of others, which go when they are erased.
        let past =
            sql::parse(&self.sql).is_ok_and(|s| s.tables.iter().any(|name| View::named(name).is_some()));
        let detail = if past { "What it said is not kept: it may quote the past." } else { detail };
        Failed {
            run_id: self.id,
            sql: self.sql.clone(),
            pattern: self.pattern.clone(),
            code: code.to_owned(),
            detail: detail.to_owned(),
            elapsed_ms: self.elapsed_ms(),
            question: self.origin.question(),
            model: self.origin.model(),
        }
    }

    /// A try that failed is a run of its own, also of a keyed request: its repetition may succeed.
    async fn failed(mut self, code: &str, detail: &str) -> Result<Position, Problem> {
        // From here on the log decides what became of the run.
        self.open = false;
        Ok(self.log().append(self.commit(self.failure(code, detail))).await?.last)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let commit =
            self.commit(self.failure("cancelled", "The caller went away before the answer was there."));
        self.app.0.metrics.queries_total.with_label_values(&["cancelled"]).inc();
        let log = self.log().clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = log.append(commit).await {
                    tracing::warn!(%error, "a cancelled run was not written down");
                }
            });
        }
    }
}
