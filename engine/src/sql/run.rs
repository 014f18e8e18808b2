//! From a checked statement to its plan, and to its rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{cast, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::parser::Statement as Planned;
use futures::StreamExt;

use super::growth::{self, Allowance};
use super::guard::guarded;
use super::session::find;
use super::{Code, Limits, Sessions, SqlError, Statement, Table, names};
use crate::{Answer, Column};

/// Tells a query to stop when it is dropped.
#[derive(Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// What the query looks at.
    pub(super) fn handle(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Rows that are worked on at a time where memory is short.
const SPILLED_ROWS: usize = 1 << 10;

/// How tables are joined on columns that are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// By a hash table of one side, in memory: fast.
    Hashed,
    /// By sorting both sides, which can spill to disk.
    Sorted,
}

/// Plans and runs a statement, on a thread of the engine.
pub(super) async fn run(
    sessions: &Sessions,
    statement: &Statement,
    tables: &[Table],
    limits: &Limits,
    stop: &Arc<AtomicBool>,
) -> Result<(Answer, Spent), SqlError> {
    let mut spent = Spent::default();
    let (state, physical) =
        planned_in(sessions, statement, tables, limits, Joins::Hashed, &mut spent).await?;
    let hashed = has_hash_join(&physical);
    let ran = match answer_in(&state, physical, limits, stop, &mut spent).await {
        // A hash join cannot spill. Nothing of its answer has left yet.
        Err(e) if e.code == Code::MemoryLimit && hashed => {
            drop(state);
            tracing::debug!(reason = e.detail, "a query is run again, with joins that can spill");
            let (state, physical) =
                planned_in(sessions, statement, tables, limits, Joins::Sorted, &mut spent).await?;
            answer_in(&state, physical, limits, stop, &mut spent).await
        }
        ran => ran,
    };
    Ok((ran?, spent))
}

/// Where the time of a query went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Until there was a plan.
    pub plan: Duration,
    /// From there to the last row.
    pub run: Duration,
}

async fn planned_in(
    sessions: &Sessions,
    statement: &Statement,
    tables: &[Table],
    limits: &Limits,
    joins: Joins,
    spent: &mut Spent,
) -> Result<(SessionState, Arc<dyn ExecutionPlan>), SqlError> {
    let begun = Instant::now();
    let (state, plan) = logical(sessions, statement, tables, limits, joins).await?;
    let physical = state.create_physical_plan(&plan).await?;
    spent.plan += begun.elapsed();
    Ok((state, physical))
}

async fn answer_in(
    state: &SessionState,
    physical: Arc<dyn ExecutionPlan>,
    limits: &Limits,
    stop: &Arc<AtomicBool>,
    spent: &mut Spent,
) -> Result<Answer, SqlError> {
    let begun = Instant::now();
    let ran = answer(state, physical, limits, stop).await;
    spent.run += begun.elapsed();
    ran
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<HashJoinExec>() || plan.children().into_iter().any(has_hash_join)
}

/// Runs a plan to its last row, or as far as the limits go.
async fn answer(
    state: &SessionState,
    physical: Arc<dyn ExecutionPlan>,
    limits: &Limits,
    stop: &Arc<AtomicBool>,
) -> Result<Answer, SqlError> {
    let physical = guarded(physical, stop, limits.memory, state.config().batch_size())?;
    if let Some(allowance) = Allowance::of(state.config_options()) {
        allowance.run(stop);
    }
    let schema = plain_schema(&physical.schema());
    let mut stream = execute_stream(physical, state.task_ctx())?;

    let mut gathered = Gathered { rows: 0, bytes: 0, truncated: false, batches: Vec::new() };
    while let Some(batch) = stream.next().await {
        if !gathered.add(&batch?, &schema, limits)? {
            break;
        }
    }
    Answer::new(schema, gathered.batches, gathered.truncated).map_err(|e| {
        tracing::debug!(reason = %e, "an answer has a value that cannot be written");
        SqlError::new(
            Code::InvalidValue,
            "A value in the answer is outside of what its type can be written as.",
        )
    })
}

/// Plans a statement, on a thread of the engine, and tells the columns that its answer would have.
pub(super) async fn check(
    sessions: &Sessions,
    statement: &Statement,
    tables: &[Table],
    limits: &Limits,
) -> Result<Vec<Column>, SqlError> {
    let (state, plan) = logical(sessions, statement, tables, limits, Joins::Hashed).await?;
    let physical = state.create_physical_plan(&plan).await?;
    Ok(crate::column::of(&plain_schema(&physical.schema())))
}

/// The same, with the plan for people to read: the logical one, since the other names files of the store.
pub(super) async fn explain(
    sessions: &Sessions,
    statement: &Statement,
    tables: &[Table],
    limits: &Limits,
) -> Result<(Vec<Column>, String), SqlError> {
    let (state, plan) = logical(sessions, statement, tables, limits, Joins::Hashed).await?;
    // Also what only shows when it is made: nothing is told to be fine that would not run.
    let physical = state.create_physical_plan(&plan).await?;
    let plan = state.optimize(&plan)?;
    Ok((crate::column::of(&plain_schema(&physical.schema())), plan.display_indent().to_string()))
}

/// What a statement means, and what it was made with.
async fn logical(
    sessions: &Sessions,
    statement: &Statement,
    tables: &[Table],
    limits: &Limits,
    joins: Joins,
) -> Result<(SessionState, LogicalPlan), SqlError> {
    let mut used: Vec<Table> = Vec::new();
    for name in &statement.tables {
        let table =
            find(name, tables).map_err(|e| match statement.places.iter().find(|(n, _)| n == name) {
                Some((_, place)) => e.at(*place),
                None => e,
            })?;
        if !used.contains(table) {
            used.push(table.clone());
        }
    }
    let (mut state, schemas) = sessions.open(&used, limits).await?;
    if joins == Joins::Sorted {
        // Each part of each sort holds at least one batch, from what they all share.
        let mut config = state.config().clone().with_batch_size(SPILLED_ROWS);
        config.options_mut().optimizer.prefer_hash_join = false;
        *state.config_mut() = config;
    }
    let mut ast = statement.tree()?;
    names::settle(&mut ast, &schemas);

    let plan = state.statement_to_plan(Planned::Statement(Box::new(ast))).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|e| SqlError::new(Code::StatementNotAllowed, e.strip_backtrace()))?;
    // One row more than wanted tells whether there are more.
    let plan = match plan {
        LogicalPlan::Explain(_) => plan,
        plan => LogicalPlanBuilder::from(plan).limit(0, Some(limits.rows.saturating_add(1)))?.build()?,
    };
    Ok((state, plan))
}

/// So many bytes of an answer are not worth a copy.
const SMALL: usize = 1 << 10;

struct Gathered {
    rows: usize,
    bytes: usize,
    truncated: bool,
    batches: Vec<RecordBatch>,
}

impl Gathered {
    /// Takes what still fits; false when no more will.
    fn add(&mut self, batch: &RecordBatch, schema: &SchemaRef, limits: &Limits) -> Result<bool, SqlError> {
        let wanted = batch.num_rows().min(limits.rows - self.rows);
        let room = limits.bytes - self.bytes;
        let mut fits = wanted;
        // Texts that rows share are written out for each of them.
        while fits > 0 && size(&batch.slice(0, fits)) > room {
            fits /= 2;
        }
        while fits > 0 {
            let taken = batch.slice(0, fits);
            // A few rows of many would hold all of them, and count as much.
            let sparse = taken.get_array_memory_size() > 2 * size(&taken) + SMALL;
            let taken = plain(&if sparse { copied(batch, fits)? } else { taken }, schema)?;
            let bytes = taken.get_array_memory_size();
            if bytes <= room {
                self.bytes += bytes;
                self.rows += fits;
                self.batches.push(taken);
                break;
            }
            fits /= 2;
        }
        if fits < wanted && self.batches.is_empty() {
            let detail = format!("The first row alone is larger than {} bytes.", limits.bytes);
            return Err(SqlError::new(Code::MemoryLimit, detail));
        }
        self.truncated |= fits < batch.num_rows();
        Ok(!self.truncated)
    }
}

fn size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(growth::size).sum()
}

/// The first rows without the others behind them.
fn copied(batch: &RecordBatch, rows: usize) -> Result<RecordBatch, SqlError> {
    let rows: UInt64Array = (0..rows as u64).collect();
    take_record_batch(batch, &rows).map_err(|e| SqlError::from(DataFusionError::from(e)))
}

/// The types that leave the engine: those that every reader of Arrow, Parquet and JSON knows.
fn plain_type(data_type: &DataType) -> DataType {
    let inner = |f: &Arc<Field>| Arc::new(plain_field(f));
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::RunEndEncoded(_, value) => plain_type(value.data_type()),
        DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) | DataType::LargeListView(f) => {
            DataType::List(inner(f))
        }
        DataType::FixedSizeList(f, n) => DataType::FixedSizeList(inner(f), *n),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

fn plain_field(field: &Field) -> Field {
    Field::new(field.name(), plain_type(field.data_type()), field.is_nullable())
}

fn plain_schema(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|f| plain_field(f)).collect::<Vec<_>>()))
}

fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SqlError> {
    let convert = |(array, field): (&ArrayRef, &Arc<Field>)| {
        if array.data_type() == field.data_type() {
            return Ok(array.clone());
        }
        cast(array, field.data_type())
    };
    let arrays: Result<Vec<ArrayRef>, _> = batch.columns().iter().zip(schema.fields()).map(convert).collect();
    let rows = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    arrays
        .and_then(|arrays| RecordBatch::try_new_with_options(schema.clone(), arrays, &rows))
        .map_err(|e| SqlError::from(DataFusionError::from(e)))
}
