//! Plans that stop when told to, and that keep to a measure.
//!
//! The planner has no settings for it, so its plans are changed before they run.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

use super::flow::Measured;

/// Makes a plan stop where it is told to, and measures what flows through it.
///
/// A join can work for minutes on one batch without asking anyone for more, and a task that never waits
/// cannot be cancelled: those that give out rows yield between them, and conditions that only ever
/// reject rows ask `stop` whenever they do.
pub(super) fn guarded(
    plan: Arc<dyn ExecutionPlan>,
    stop: &Arc<AtomicBool>,
    memory: usize,
    batch: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if node.is::<WindowAggExec>() || node.is::<BoundedWindowAggExec>() {
            return Ok(Transformed::yes(Measured::window(node)?));
        }
        let joins = is_join(&node);
        if !joins && !node.is::<AggregateExec>() && !node.is::<SortExec>() {
            return Ok(Transformed::no(node));
        }
        let inputs = node.children().into_iter().cloned().map(|input| {
            if joins { Measured::rows(input, memory, batch) } else { Measured::pieces(input, memory) }
        });
        let inputs = inputs.collect();
        let node = replace_children_if_necessary(node, inputs)?;
        if !joins {
            let aggregate = node.is::<AggregateExec>();
            return Ok(Transformed::yes(if aggregate { Measured::counted(node) } else { node }));
        }
        let join = Arc::new(CooperativeExec::new(stoppable(node, stop)?));
        Ok(Transformed::yes(Measured::pieces(join, memory)))
    })
    .map(|t| t.data)
}

fn is_join(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<HashJoinExec>()
        || node.is::<SortMergeJoinExec>()
}

fn stoppable(join: Arc<dyn ExecutionPlan>, stop: &Arc<AtomicBool>) -> Result<Arc<dyn ExecutionPlan>> {
    let stoppable = |filter: &JoinFilter| {
        let inner = filter.expression().clone();
        let expression = Arc::new(Stoppable { inner, stop: stop.clone() });
        JoinFilter::new(expression, filter.column_indices().to_vec(), filter.schema().clone())
    };
    if let Some(nested) = join.downcast_ref::<NestedLoopJoinExec>() {
        let (left, right) = (nested.left().clone(), nested.right().clone());
        let changed = NestedLoopJoinExecBuilder::new(left, right, *nested.join_type())
            .with_projection_ref(nested.projection().clone())
            .with_filter(nested.filter().map(stoppable))
            .build()?;
        return Ok(Arc::new(changed));
    }
    if let Some(hashed) = join.downcast_ref::<HashJoinExec>()
        && let Some(filter) = &hashed.filter
    {
        return Ok(Arc::new(hashed.builder().with_filter(Some(stoppable(filter))).build()?));
    }
    if let Some(sorted) = join.downcast_ref::<SortMergeJoinExec>()
        && let Some(filter) = sorted.filter()
    {
        return Ok(Arc::new(SortMergeJoinExec::try_new(
            sorted.left().clone(),
            sorted.right().clone(),
            sorted.on().to_vec(),
            Some(stoppable(filter)),
            sorted.join_type(),
            sorted.sort_options().to_vec(),
            sorted.null_equality(),
        )?));
    }
    Ok(join)
}

/// An expression that fails once nobody wants its value.
struct Stoppable {
    inner: Arc<dyn PhysicalExpr>,
    stop: Arc<AtomicBool>,
}

impl fmt::Debug for Stoppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Display for Stoppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for Stoppable {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Stoppable {}

impl Hash for Stoppable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for Stoppable {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.inner.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(DataFusionError::Execution("stopped".to_owned()));
        }
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.into_iter().next().unwrap_or_else(|| self.inner.clone());
        Ok(Arc::new(Self { inner, stop: self.stop.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
