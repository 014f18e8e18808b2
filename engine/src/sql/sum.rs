//! `sum`, which fails where the one it takes the place of would wrap around.
//!
//! It adds up in a type with room to spare. So only an end result that does not fit fails, in whatever
//! order values come and whether or not they cancel each other out.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal32Type, Decimal64Type,
    Decimal128Type, Decimal256Type, DecimalType, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Field, FieldRef, Int64Type, TimeUnit, UInt64Type, i256,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
};

/// The usual `sum` over a wider type. Floats are left as they are.
#[derive(Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct CheckedSum(Sum);

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.0.state_fields(StateFieldsArgs { return_field: wide_field(&args.return_field), ..args })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let (narrow, args) = widened(args);
        Ok(Box::new(Narrowed { inner: self.0.accumulator(args)?, narrow }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct && *args.return_field.data_type() == DataType::Int64 {
            return Ok(Box::new(SlidingDistinct::default()));
        }
        let (narrow, args) = widened(args);
        Ok(Box::new(Narrowed { inner: self.0.create_sliding_accumulator(args)?, narrow }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let (narrow, args) = widened(args);
        Ok(Box::new(Narrowed { inner: self.0.create_groups_accumulator(args)?, narrow }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.0.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.0.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.0.set_monotonicity(data_type)
    }
}

/// The type to add up values of that one in.
fn wide(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int64 | DataType::UInt64 | DataType::Duration(_) => {
            DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)
        }
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) => {
            DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale)
        }
        DataType::Decimal128(_, scale) => DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale),
        other => other.clone(),
    }
}

fn wide_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(wide(field.data_type())))
}

fn widened(args: AccumulatorArgs<'_>) -> (DataType, AccumulatorArgs<'_>) {
    let narrow = args.return_field.data_type().clone();
    (narrow, AccumulatorArgs { return_field: wide_field(&args.return_field), ..args })
}

/// Adds up in a wider type, and gives out what fits into `narrow`.
struct Narrowed<A> {
    inner: A,
    narrow: DataType,
}

impl<A> fmt::Debug for Narrowed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckedSum({})", self.narrow)
    }
}

impl Accumulator for Narrowed<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&widen(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&widen(values)?)
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
        let sum = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&narrow(&sum, &self.narrow)?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}

impl GroupsAccumulator for Narrowed<Box<dyn GroupsAccumulator>> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.inner.update_batch(&widen(values)?, groups, filter, count)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.inner.merge_batch(states, groups, count)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&widen(values)?, filter)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        narrow(&self.inner.evaluate(emit)?, &self.narrow)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}

/// The sum of the different integers in a window that moves.
#[derive(Debug, Default)]
struct SlidingDistinct {
    counts: HashMap<i64, usize>,
    sum: i128,
}

impl Accumulator for SlidingDistinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values.iter().flat_map(|v| v.as_primitive::<Int64Type>()).flatten() {
            let count = self.counts.entry(value).or_default();
            self.sum += if *count == 0 { i128::from(value) } else { 0 };
            *count += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values.iter().flat_map(|v| v.as_primitive::<Int64Type>()).flatten() {
            match self.counts.get_mut(&value) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) => {
                    self.counts.remove(&value);
                    self.sum -= i128::from(value);
                }
                None => return internal_err!("a value leaves a window that it is not in"),
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.counts.is_empty() {
            return Ok(ScalarValue::Int64(None));
        }
        match i64::try_from(self.sum) {
            Ok(sum) => Ok(ScalarValue::Int64(Some(sum))),
            Err(_) => Err(overflow(self.sum).into()),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.counts.capacity() * size_of::<(i64, usize)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("windows are not split up")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        internal_err!("windows are not split up")
    }
}

fn overflow(sum: impl fmt::Debug) -> ArrowError {
    ArrowError::ArithmeticOverflow(format!("the sum is {sum:?}"))
}

/// The only argument, in the type to add up in.
fn widen(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let [values] = values else { return internal_err!("sum takes one argument") };
    fn to<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
        values: &ArrayRef,
        of: impl Fn(F::Native) -> T::Native,
    ) -> ArrayRef {
        let wide = values.as_primitive::<F>().unary::<_, T>(of);
        Arc::new(wide.with_data_type(self::wide(values.data_type())))
    }
    Ok(vec![match values.data_type() {
        DataType::Int64 => to::<Int64Type, Decimal128Type>(values, i128::from),
        DataType::UInt64 => to::<UInt64Type, Decimal128Type>(values, i128::from),
        DataType::Duration(TimeUnit::Second) => to::<DurationSecondType, Decimal128Type>(values, i128::from),
        DataType::Duration(TimeUnit::Millisecond) => {
            to::<DurationMillisecondType, Decimal128Type>(values, i128::from)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            to::<DurationMicrosecondType, Decimal128Type>(values, i128::from)
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            to::<DurationNanosecondType, Decimal128Type>(values, i128::from)
        }
        DataType::Decimal32(..) => to::<Decimal32Type, Decimal128Type>(values, i128::from),
        DataType::Decimal64(..) => to::<Decimal64Type, Decimal128Type>(values, i128::from),
        DataType::Decimal128(..) => to::<Decimal128Type, Decimal256Type>(values, i256::from_i128),
        _ => values.clone(),
    }])
}

/// Sums in the type that they are asked for in.
fn narrow(sums: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    fn to<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
        sums: &ArrayRef,
        data_type: &DataType,
        fit: impl Fn(F::Native) -> Option<T::Native>,
    ) -> Result<ArrayRef> {
        let fitting = sums
            .as_primitive::<F>()
            .try_unary::<_, T, ArrowError>(|sum| fit(sum).ok_or_else(|| overflow(sum)))?;
        Ok(Arc::new(fitting.with_data_type(data_type.clone())))
    }
    fn decimal<T: DecimalType>(value: Option<T::Native>, precision: u8) -> Option<T::Native> {
        value.filter(|value| T::is_valid_decimal_precision(*value, precision))
    }
    let integer = |sum: i128| i64::try_from(sum).ok();
    match data_type {
        DataType::Int64 => to::<Decimal128Type, Int64Type>(sums, data_type, integer),
        DataType::UInt64 => to::<Decimal128Type, UInt64Type>(sums, data_type, |sum| u64::try_from(sum).ok()),
        DataType::Duration(TimeUnit::Second) => {
            to::<Decimal128Type, DurationSecondType>(sums, data_type, integer)
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            to::<Decimal128Type, DurationMillisecondType>(sums, data_type, integer)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            to::<Decimal128Type, DurationMicrosecondType>(sums, data_type, integer)
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            to::<Decimal128Type, DurationNanosecondType>(sums, data_type, integer)
        }
        DataType::Decimal32(precision, _) => to::<Decimal128Type, Decimal32Type>(sums, data_type, |sum| {
            decimal::<Decimal32Type>(i32::try_from(sum).ok(), *precision)
        }),
        DataType::Decimal64(precision, _) => to::<Decimal128Type, Decimal64Type>(sums, data_type, |sum| {
            decimal::<Decimal64Type>(i64::try_from(sum).ok(), *precision)
        }),
        DataType::Decimal128(precision, _) => to::<Decimal256Type, Decimal128Type>(sums, data_type, |sum| {
            decimal::<Decimal128Type>(sum.to_i128(), *precision)
        }),
        _ => Ok(sums.clone()),
    }
}
