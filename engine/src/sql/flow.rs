//! What flows between operators, kept to a measure.
//!
//! Operators count what they hold, but some not before they have it, and windows not at all. So batches
//! are handed to them in pieces, rows that would grow too large by being joined are refused, and what
//! a window holds is counted around it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
    replace_children_if_necessary,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::growth;

/// Hands on the batches of its input, measured.
#[derive(Debug)]
pub(super) struct Measured {
    input: Arc<dyn ExecutionPlan>,
    measure: Measure,
}

#[derive(Debug, Clone)]
enum Measure {
    /// In pieces of at most so many bytes.
    Pieces(usize),
    /// Only rows of at most so many bytes.
    Rows(usize),
    /// Counted for as long as they are referred to.
    Counted,
    /// Counted until they come out of the window again.
    In(Arc<Held>),
    /// Out of that window.
    Out(Arc<Held>),
}

/// What the partitions of a window hold.
#[derive(Debug)]
struct Held {
    partitions: Vec<Mutex<Option<Holding>>>,
    /// Bytes that a row gets in the window.
    added: usize,
}

#[derive(Debug)]
struct Holding {
    memory: MemoryReservation,
    rows: usize,
}

impl Measured {
    fn of(input: Arc<dyn ExecutionPlan>, measure: Measure) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { input, measure })
    }

    /// In pieces of which `limit` would hold several.
    pub(super) fn pieces(input: Arc<dyn ExecutionPlan>, limit: usize) -> Arc<dyn ExecutionPlan> {
        if input.schema().fields().iter().any(|f| growth::is_long(f.data_type())) {
            return Self::of(input, Measure::Pieces(limit / 8));
        }
        input
    }

    /// Counted, because what gathers them into larger batches does not.
    pub(super) fn counted(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        if input.schema().fields().iter().any(|f| growth::is_long(f.data_type())) {
            return Self::of(input, Measure::Counted);
        }
        input
    }

    /// Rows of which `limit` would hold as many as a batch has. Views are as short as any number.
    pub(super) fn rows(input: Arc<dyn ExecutionPlan>, limit: usize, batch: usize) -> Arc<dyn ExecutionPlan> {
        if input.schema().fields().iter().any(|f| is_copied(f.data_type())) {
            return Self::of(input, Measure::Rows(limit / batch));
        }
        input
    }

    /// The window over its input, with what it holds counted.
    pub(super) fn window(window: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = window.children()[..] else { return internal_err!("a window has one input") };
        let added = 16 * (window.schema().fields().len() - input.schema().fields().len());
        let partitions = input.properties().partitioning.partition_count();
        let held = Held { partitions: (0..partitions).map(|_| Mutex::default()).collect(), added };
        let held = Arc::new(held);
        let input = Self::of(input.clone(), Measure::In(held.clone()));
        let window = replace_children_if_necessary(window, vec![input])?;
        Ok(Self::of(window, Measure::Out(held)))
    }
}

impl Held {
    fn open(&self, partition: usize, context: &TaskContext) -> Result<()> {
        let memory = MemoryConsumer::new("window").register(context.memory_pool());
        *self.partition(partition)? = Some(Holding { memory, rows: 0 });
        Ok(())
    }

    fn partition(&self, n: usize) -> Result<std::sync::MutexGuard<'_, Option<Holding>>> {
        match self.partitions.get(n) {
            Some(partition) => Ok(partition.lock().unwrap_or_else(PoisonError::into_inner)),
            None => internal_err!("a window has no partition {n}"),
        }
    }

    fn take(&self, partition: usize, batch: &RecordBatch) -> Result<()> {
        if let Some(holding) = self.partition(partition)?.as_mut() {
            holding.memory.try_grow(weight(batch) + self.added * batch.num_rows())?;
            holding.rows += batch.num_rows();
        }
        Ok(())
    }

    /// Rows leave with the average size of those that are there.
    fn give(&self, partition: usize, rows: usize) -> Result<()> {
        if let Some(holding) = self.partition(partition)?.as_mut() {
            let left = holding.rows.saturating_sub(rows);
            let each = holding.memory.size() / holding.rows.max(1);
            holding.memory.try_resize((each * left).min(holding.memory.size()))?;
            holding.rows = left;
        }
        Ok(())
    }
}

impl DisplayAs for Measured {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Measured")
    }
}

impl ExecutionPlan for Measured {
    fn name(&self) -> &str {
        "Measured"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) => Ok(Self::of(input, self.measure.clone())),
            None => internal_err!("something is measured"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if let Measure::In(held) = &self.measure {
            held.open(partition, &context)?;
        }
        let pool = context.memory_pool().clone();
        let batches = self.input.execute(partition, context)?;
        let schema = batches.schema();
        let measured = match self.measure.clone() {
            Measure::Pieces(most) => batches
                .map_ok(move |batch| stream::iter(pieces(batch, most).into_iter().map(Ok)))
                .try_flatten()
                .boxed(),
            Measure::Rows(most) => batches.map(move |batch| narrow(batch?, most)).boxed(),
            Measure::Counted => batches.map(move |batch| growth::counted_batch(&batch?, &pool)).boxed(),
            Measure::In(held) => {
                batches.map(move |batch| batch.and_then(|b| held.take(partition, &b).map(|()| b))).boxed()
            }
            Measure::Out(held) => batches
                .map(move |batch| batch.and_then(|b| held.give(partition, b.num_rows()).map(|()| b)))
                .boxed(),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, measured)))
    }
}

fn weight(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(growth::weight).sum()
}

/// The batch in slices of at most so many bytes, or of one row.
fn pieces(batch: RecordBatch, most: usize) -> Vec<RecordBatch> {
    let size: usize = batch.columns().iter().map(growth::size).sum();
    if size <= most || batch.num_rows() < 2 {
        return vec![batch];
    }
    let (rows, half) = (batch.num_rows(), batch.num_rows() / 2);
    let (first, second) = (batch.slice(0, half), batch.slice(half, rows - half));
    let mut all = pieces(first, most);
    all.extend(pieces(second, most));
    all
}

fn is_copied(data_type: &DataType) -> bool {
    growth::is_long(data_type) && !matches!(data_type, DataType::Utf8View | DataType::BinaryView)
}

fn narrow(batch: RecordBatch, most: usize) -> Result<RecordBatch> {
    for column in batch.columns().iter().filter(|column| is_copied(column.data_type())) {
        // Only where all of them together are long can one of them be.
        if growth::size(column) > most
            && (0..column.len()).any(|row| growth::size(&column.slice(row, 1)) > most)
        {
            let detail = format!("a row of more than {most} bytes");
            return Err(DataFusionError::ResourcesExhausted(detail));
        }
    }
    Ok(batch)
}
