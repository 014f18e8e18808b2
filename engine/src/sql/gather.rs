//! Aggregates and window functions that gather long values: `array_agg`, `string_agg`, `first_value`.
//!
//! What the first two gather is held as a whole until the answer has left, whatever is spilled in
//! between. And a window repeats a value for every row, so that its size is that of the value times
//! that of the window. Both are counted before they are made.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{
    AccumulatorArgs, ExpressionArgs, PartitionEvaluatorArgs, StateFieldsArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, ExprSchemable, GroupsAccumulator,
    PartitionEvaluator, ReversedUDAF, ReversedUDWF, SetMonotonicity, Signature, WindowFrame,
    WindowFrameBound, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;

use super::growth::{self, Allowance};

/// Shorter values of a window count for nothing: the rows do, and are as long.
const SHORT: usize = 64;

/// Puts what is counted into the place of what is not.
pub(super) fn gathered(expr: Expr, schema: &DFSchema, allowance: &Allowance) -> Result<Transformed<Expr>> {
    match expr {
        Expr::AggregateFunction(call) if ["array_agg", "string_agg"].contains(&call.func.name()) => {
            let func = Gathered::wrap(call.func, allowance, Use::Groups);
            Ok(Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, ..call })))
        }
        Expr::WindowFunction(call) if !framed(&call.params.window_frame) => {
            plan_err!("A window's frame has at most {FRAME} rows on each side")
        }
        Expr::WindowFunction(_) if !growth::is_long(&expr.get_type(schema)?) => {
            let Expr::WindowFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
            let WindowFunctionDefinition::AggregateUDF(func) = call.fun else {
                return Ok(Transformed::no(Expr::WindowFunction(call)));
            };
            call.fun = WindowFunctionDefinition::AggregateUDF(Gathered::wrap(func, allowance, Use::Watched));
            Ok(Transformed::yes(Expr::WindowFunction(call)))
        }
        Expr::WindowFunction(mut call) => {
            let frame = &call.params.window_frame;
            let whole = frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded();
            call.fun = match call.fun {
                WindowFunctionDefinition::AggregateUDF(func) => {
                    let of = if whole { Use::Partitions } else { Use::Rows };
                    WindowFunctionDefinition::AggregateUDF(Gathered::wrap(func, allowance, of))
                }
                WindowFunctionDefinition::WindowUDF(func) => {
                    let default = call.params.args.get(2);
                    if let Some(Expr::Literal(value, _)) = default
                        && growth::length(value) > 4 * SHORT
                    {
                        return plan_err!("A default has at most {} bytes", 4 * SHORT);
                    }
                    let counted = Counted { inner: func, allowance: allowance.clone() };
                    WindowFunctionDefinition::WindowUDF(Arc::new(counted.into()))
                }
            };
            Ok(Transformed::yes(Expr::WindowFunction(call)))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// More rows no window has; with larger numbers the planner's sums wrap around.
const FRAME: u64 = 1 << 48;

/// Whether a frame's bounds can be reckoned with.
fn framed(frame: &WindowFrame) -> bool {
    [&frame.start_bound, &frame.end_bound].into_iter().all(|bound| match bound {
        WindowFrameBound::Preceding(ScalarValue::UInt64(Some(rows)))
        | WindowFrameBound::Following(ScalarValue::UInt64(Some(rows))) => *rows <= FRAME,
        _ => true,
    })
}

/// Where an aggregate's values go.
#[derive(Debug, Clone, Copy)]
enum Use {
    /// One for each group.
    Groups,
    /// One for each partition of a window, repeated for its rows.
    Partitions,
    /// One for each row of a window.
    Rows,
    /// The same, where they are too short to count: a frame of many rows may be gone through for each
    /// row of a batch, so that it is asked whether anyone still waits.
    Watched,
}

/// An aggregate whose values are counted.
struct Gathered {
    inner: Arc<dyn AggregateUDFImpl>,
    of: Use,
    allowance: Allowance,
    /// What all accumulators took in together.
    taken: Arc<AtomicUsize>,
}

impl Gathered {
    fn wrap(func: Arc<AggregateUDF>, allowance: &Allowance, of: Use) -> Arc<AggregateUDF> {
        let (inner, allowance) = (func.inner().clone(), allowance.clone());
        Arc::new(Self { inner, of, allowance, taken: Arc::default() }.into())
    }

    fn taking<A>(&self, inner: A, distinct: bool) -> Taking<A> {
        let (allowance, taken) = (self.allowance.clone(), self.taken.clone());
        Taking { inner, of: self.of, distinct, allowance, taken, rows: 0, size: 0 }
    }
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for Gathered {
    fn eq(&self, other: &Self) -> bool {
        self.inner.dyn_eq(&*other.inner)
    }
}

impl Eq for Gathered {}

impl Hash for Gathered {
    fn hash<H: Hasher>(&self, mut state: &mut H) {
        self.inner.dyn_hash(&mut state);
    }
}

impl AggregateUDFImpl for Gathered {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.human_display(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_schema_name(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.display_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let distinct = args.is_distinct;
        Ok(Box::new(self.taking(self.inner.accumulator(args)?, distinct)))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let distinct = args.is_distinct;
        Ok(Box::new(self.taking(self.inner.create_sliding_accumulator(args)?, distinct)))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let distinct = args.is_distinct;
        Ok(Box::new(self.taking(self.inner.create_groups_accumulator(args)?, distinct)))
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        beneficial: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let inner = self.inner.clone().with_beneficial_ordering(beneficial)?;
        Ok(inner.map(|inner| {
            let (allowance, taken) = (self.allowance.clone(), self.taken.clone());
            Arc::new(Self { inner, of: self.of, allowance, taken }) as _
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.inner.reverse_expr() {
            ReversedUDAF::Reversed(other) => {
                ReversedUDAF::Reversed(Self::wrap(other, &self.allowance, self.of))
            }
            same => same,
        }
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.set_monotonicity(data_type)
    }
}

/// An accumulator of which is counted what it takes in, and what it gives out to a window.
struct Taking<A> {
    inner: A,
    of: Use,
    distinct: bool,
    allowance: Allowance,
    taken: Arc<AtomicUsize>,
    /// How many rows it stands for.
    rows: usize,
    /// How large it was.
    size: usize,
}

impl<A> fmt::Debug for Taking<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Taking({} rows)", self.rows)
    }
}

impl<A> Taking<A> {
    /// Of distinct values only those count that are new, so that the accumulator gets larger.
    fn take(&mut self, values: &[ArrayRef], size: impl Fn(&A) -> usize) -> Result<()> {
        self.rows += values.first().map_or(0, |values| values.len());
        let bytes = match (self.of, self.distinct) {
            (Use::Partitions | Use::Rows | Use::Watched, _) => return self.allowance.go_on(),
            (Use::Groups, true) => {
                let before = std::mem::replace(&mut self.size, size(&self.inner));
                self.size.saturating_sub(before)
            }
            (Use::Groups, false) => values.iter().map(growth::weight).sum(),
        };
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.allowance.fits(taken)
    }
}

impl Accumulator for Taking<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)?;
        self.take(values, |inner| inner.size())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows = self.rows.saturating_sub(values.first().map_or(0, |values| values.len()));
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.inner.evaluate()?;
        match self.of {
            Use::Groups => {}
            Use::Partitions => self.allowance.repeat(&value, self.rows)?,
            Use::Rows => self.allowance.repeat(&value, 1)?,
            Use::Watched => self.allowance.go_on()?,
        }
        Ok(value)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

impl GroupsAccumulator for Taking<Box<dyn GroupsAccumulator>> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, count)?;
        self.take(values, |inner| inner.size())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.inner.merge_batch(states, groups, count)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        self.inner.evaluate(emit)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// A window function whose values are counted.
#[derive(Debug)]
struct Counted {
    inner: Arc<WindowUDF>,
    allowance: Allowance,
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl WindowUDFImpl for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn expressions(&self, args: ExpressionArgs<'_>) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.expressions(args)
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        let inner = self.inner.partition_evaluator_factory(args)?;
        Ok(Box::new(CountedEvaluator { inner, allowance: self.allowance.clone() }))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.field(args)
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.inner.sort_options()
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        match self.inner.reverse_expr() {
            ReversedUDWF::Reversed(inner) => {
                let counted = Self { inner, allowance: self.allowance.clone() };
                ReversedUDWF::Reversed(Arc::new(counted.into()))
            }
            same => same,
        }
    }
}

#[derive(Debug)]
struct CountedEvaluator {
    inner: Box<dyn PartitionEvaluator>,
    allowance: Allowance,
}

impl PartitionEvaluator for CountedEvaluator {
    fn memoize(&mut self, state: &mut WindowAggState) -> Result<()> {
        self.inner.memoize(state)
    }

    fn get_range(&self, row: usize, rows: usize) -> Result<Range<usize>> {
        self.inner.get_range(row, rows)
    }

    fn is_causal(&self) -> bool {
        self.inner.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.inner.evaluate_all(values, rows)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        let value = self.inner.evaluate(values, range)?;
        self.allowance.repeat(&value, 1)?;
        Ok(value)
    }

    fn evaluate_all_with_rank(&self, rows: usize, ranks: &[Range<usize>]) -> Result<ArrayRef> {
        self.inner.evaluate_all_with_rank(rows, ranks)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.inner.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.inner.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.inner.include_rank()
    }
}

impl Allowance {
    /// Counts a value of a window that so many rows get.
    fn repeat(&self, value: &ScalarValue, rows: usize) -> Result<()> {
        let length = growth::length(value);
        if length <= SHORT {
            return Ok(());
        }
        let bytes = length.saturating_mul(rows);
        self.fits(self.repeated().fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes))
    }

    /// Fails where that is more than there is in all.
    fn fits(&self, bytes: usize) -> Result<()> {
        if bytes <= self.limit() {
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!("{bytes} bytes of gathered values")))
    }
}
