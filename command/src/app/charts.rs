//! What a chart draws: checked before it is saved, so that a saved chart can be drawn.

use serde_json::{Map, Value};
use weir_engine::{
    Column,
    chart::{self, Candidate, Short, Suggestion},
    sql::{self, Statement},
};
use weir_events::{DatasetId, RunId, WorkspaceId};
use weir_infra::http::{Code, Place, Problem};

use super::{
    App,
    queries::{Failure, Ran, query_id},
};
use crate::domain::{validate, visualization::Content};

/// How many columns suggestions look at.
const COLUMNS: usize = 40;
/// The largest specification, in bytes of JSON.
const SPEC_BYTES: usize = 256 << 10;

/// What a chart draws, as its author says it.
#[derive(Debug, Clone, PartialEq)]
pub enum Over {
    /// The answer to SQL.
    Sql(String),
    /// The answer to the SQL of a run.
    Run(RunId),
}

/// How a chart draws, as its author says it.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawn {
    /// In Vega-Lite.
    Spec(Value),
    /// In short.
    Chart(Value),
}

/// Columns whose values can be told apart cheaply.
fn countable(column: &Column) -> bool {
    matches!(column.data_type.as_str(), "int" | "text" | "date" | "timestamp" | "timestamptz")
}

/// A statement as part of another, on lines of its own because it may end with a comment.
fn inner(statement: &Statement) -> &str {
    statement.sql.trim_end_matches(|c: char| c.is_whitespace() || c == ';')
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// SQL for all rows of a table.
pub(super) fn all_of(table: &str) -> String {
    format!("SELECT * FROM {}", quoted(table))
}

impl App {
    /// Checks what a chart is to draw: the SQL fits the workspace's datasets, the short form its
    /// columns, the specification Vega-Lite.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub async fn content(
        &self,
        workspace: WorkspaceId,
        over: Over,
        drawn: Drawn,
    ) -> Result<Content, Problem> {
        let (field, sql, run_id, context) = match over {
            Over::Sql(sql) => ("query.sql", validate::sql("query.sql", &sql)?, None, None),
            Over::Run(id) => {
                let run = self.directory().recent_run(workspace, id).ok_or_else(|| run_not_found(id))?;
                ("run_id", run.sql, Some(id), run.within.map(Box::new))
            }
        };
        let statement = sql::parse(&sql).map_err(|e| Failure::from(e).problem(field))?;
        let columns = self.columns(workspace, &statement).await.map_err(|e| e.problem(field))?;
        let (spec, chart) = match drawn {
            // Walking through a large specification takes a while.
            Drawn::Spec(spec) => {
                let checking = tokio::task::spawn_blocking(move || checked(spec));
                (checking.await.map_err(Problem::internal)??, None)
            }
            Drawn::Chart(short) => {
                let (spec, short) = specified(short, &columns)?;
                (spec, Some(short))
            }
        };
        Ok(Content { sql, query_id: query_id(&statement), run_id, context, spec, chart })
    }

    /// The columns of an answer, found out by planning.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn columns(
        &self,
        workspace: WorkspaceId,
        statement: &Statement,
    ) -> Result<Vec<Column>, Failure> {
        self.check(workspace, statement).await
    }

    /// The same for SQL that stands in a field.
    pub(super) async fn columns_of(
        &self,
        field: &'static str,
        workspace: WorkspaceId,
        sql: &str,
    ) -> Result<Vec<Column>, Problem> {
        let sql = validate::sql(field, sql)?;
        let statement = sql::parse(&sql).map_err(|e| Failure::from(e).problem(field))?;
        self.columns(workspace, &statement).await.map_err(|e| e.problem(field))
    }

    /// Charts that suit a dataset.
    ///
    /// # Errors
    /// When there is no such dataset that can be read.
    pub async fn suggest_for(
        &self,
        workspace: WorkspaceId,
        id: DatasetId,
    ) -> Result<Vec<Suggestion>, Problem> {
        let sql = self.all_of_dataset(workspace, id)?;
        self.suggest("dataset_id", workspace, &sql).await
    }

    /// SQL for all rows of a dataset.
    ///
    /// # Errors
    /// When there is no such dataset that can be read.
    pub fn all_of_dataset(&self, workspace: WorkspaceId, id: DatasetId) -> Result<String, Problem> {
        let dataset = self.directory().dataset(workspace, id).filter(|d| d.deleted_at.is_none());
        let dataset = dataset.ok_or_else(|| {
            Problem::new(Code::DatasetNotFound, "There is no such dataset in this workspace.")
        })?;
        if dataset.ready.is_none() {
            return Err(not_readable(&dataset));
        }
        Ok(all_of(&dataset.name))
    }

    /// Charts that suit the answer to SQL.
    ///
    /// # Errors
    /// When the SQL cannot be answered.
    pub async fn suggest(
        &self,
        field: &'static str,
        workspace: WorkspaceId,
        sql: &str,
    ) -> Result<Vec<Suggestion>, Problem> {
        let sql = validate::sql(field, sql)?;
        let statement = sql::parse(&sql).map_err(|e| Failure::from(e).problem(field))?;
        let columns = self.columns(workspace, &statement).await.map_err(|e| e.problem(field))?;
        let counts = self.counts(workspace, &statement, &columns).await.map_err(|e| e.problem(field))?;
        let rows = counts.as_ref().map_or(0, |c| c.rows);
        let candidates = columns.into_iter().map(|column| {
            let distinct = counts.as_ref().and_then(|c| c.distinct.get(&column.name).copied());
            Candidate { column, distinct }
        });
        Ok(chart::suggest(&candidates.collect::<Vec<_>>(), rows))
    }

    /// Rows, and different values by column. A statement that cannot be counted over (two columns
    /// of one name) is simply not counted.
    async fn counts(
        &self,
        workspace: WorkspaceId,
        statement: &Statement,
        columns: &[Column],
    ) -> Result<Option<Counts>, Failure> {
        let counted: Vec<&Column> = columns.iter().filter(|c| countable(c)).take(COLUMNS).collect();
        let mut select = "SELECT count(*) AS rows".to_owned();
        for (n, column) in counted.iter().enumerate() {
            select.push_str(&format!(", approx_distinct({}) AS d{n}", quoted(&column.name)));
        }
        let sql = format!("{select} FROM (\n{}\n) AS counted", inner(statement));
        let Ok(statement) = sql::parse(&sql) else { return Ok(None) };
        let answer = match self.answer(workspace, &statement, 1).await {
            Ok(ran) => ran.kept.answer,
            Err(Failure::Sql(e))
                if matches!(
                    e.code,
                    sql::Code::InvalidQuery | sql::Code::AmbiguousColumn | sql::Code::NotSupported
                ) =>
            {
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let rows = answer.to_json_rows().unwrap_or_default();
        let Some(row) = rows.first() else { return Ok(None) };
        let mut values = row.iter().map(|v| v.as_u64().unwrap_or_default());
        let rows = values.next().unwrap_or_default();
        let distinct = counted.iter().map(|c| c.name.clone()).zip(values).collect();
        Ok(Some(Counts { rows, distinct }))
    }

    /// The rows that a saved chart draws.
    ///
    /// # Errors
    /// When its SQL cannot be answered any more.
    pub async fn chart_rows(&self, workspace: WorkspaceId, sql: &str, rows: usize) -> Result<Ran, Problem> {
        let statement = sql::parse(sql).map_err(|e| Failure::from(e).problem("sql"))?;
        self.answer(workspace, &statement, rows).await.map_err(|e| e.problem("sql"))
    }
}

struct Counts {
    rows: u64,
    distinct: std::collections::HashMap<String, u64>,
}

/// A dataset that has no table, and why.
pub(crate) fn not_readable(dataset: &crate::directory::Dataset) -> Problem {
    match &dataset.rejected {
        Some(reason) => Problem::new(
            Code::DatasetRejected,
            format!("The file of {:?} could not be read: {}", dataset.name, reason.detail),
        ),
        None => Failure::NotReady(dataset.name.clone()).problem("dataset_id"),
    }
}

fn run_not_found(id: RunId) -> Problem {
    Problem::new(
        Code::RunNotFound,
        format!("There is no run {id} in this workspace, or it is long ago; send the SQL then."),
    )
}

/// A specification that is Vega-Lite and not too large.
fn checked(spec: Value) -> Result<Value, Problem> {
    bounded("spec", &spec)?;
    chart::validate_spec(&spec).map_err(|wrong| {
        let problem = Problem::new(Code::InvalidSpec, "The specification cannot be used; see the errors.");
        wrong.into_iter().fold(problem, |p, e| {
            p.place(Place {
                field: Some(format!("spec{}", e.path)),
                code: e.code.into(),
                detail: e.detail,
                ..Place::default()
            })
        })
    })?;
    Ok(spec)
}

/// The specification that a short form stands for, and the short form without what says nothing.
fn specified(short: Value, columns: &[Column]) -> Result<(Value, Value), Problem> {
    bounded("chart", &short)?;
    let fields: Map<String, Value> =
        serde_json::from_value(short).map_err(|e| bad_chart("chart", "wrong_type", &e))?;
    const KNOWN: [&str; 8] = ["type", "x", "y", "color", "size", "aggregation", "limit", "title"];
    if let Some(other) = fields.keys().find(|k| !KNOWN.contains(&k.as_str())) {
        let detail = format!("A chart has no field {other:?}; it has {}.", KNOWN.join(", "));
        return Err(Problem::new(Code::InvalidChart, detail.clone()).field(
            format!("chart.{other}"),
            "unknown",
            detail,
        ));
    }
    let chart: Short =
        serde_json::from_value(Value::Object(fields)).map_err(|e| bad_chart("chart", "wrong_type", &e))?;
    let spec = chart::to_spec(&chart, columns).map_err(|e| {
        Problem::new(Code::InvalidChart, e.detail.clone()).field(
            format!("chart.{}", e.field),
            e.code,
            e.detail,
        )
    })?;
    let short = serde_json::to_value(&chart).map_err(Problem::internal)?;
    Ok((spec, short))
}

fn bounded(field: &'static str, value: &Value) -> Result<(), Problem> {
    let size = value.to_string().len();
    if size > SPEC_BYTES {
        let detail = format!("It has {size} bytes; at most {SPEC_BYTES} are possible.");
        return Err(Problem::invalid(field, "too_long", detail));
    }
    Ok(())
}

fn bad_chart(field: &str, code: &'static str, e: &serde_json::Error) -> Problem {
    Problem::new(Code::InvalidChart, format!("The chart does not have the expected form: {e}.")).field(
        field,
        code,
        e.to_string(),
    )
}
