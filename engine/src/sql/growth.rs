//! Expressions that make much out of little: `repeat('x', 1000000000)`.
//!
//! What operators hold on to is counted against a query's memory, but not what expressions make of a
//! batch. So functions that make texts ask for the memory of their results before they make them, and
//! a result gives it back when nothing refers to it any more. Constants are counted as often as there
//! are rows to repeat them in, and long ones are not worked out while a query is planned.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, GenericByteArray, GenericByteViewArray, ListArray, RecordBatch,
    RecordBatchOptions, StructArray,
};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::kernels::concat_elements::concat_elements_dyn;
use datafusion::arrow::compute::{cast, concat, max};
use datafusion::arrow::datatypes::{
    BinaryType, BinaryViewType, ByteArrayType, ByteViewType, DataType, Field, FieldRef, Int64Type,
    LargeBinaryType, LargeUtf8Type, StringViewType, Utf8Type,
};
use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, internal_err, plan_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

/// Longer constants are worked out with the rows, when it is known how many there are.
const FOLDED: usize = 4 << 10;

/// Functions whose work is the product of the lengths of their texts, or lists.
const PRODUCTS: [&str; 12] = [
    "array_has_all",
    "array_has_any",
    "btrim",
    "ltrim",
    "rtrim",
    "levenshtein",
    "strpos",
    "regexp_like",
    "regexp_count",
    "regexp_instr",
    "regexp_match",
    "regexp_replace",
];

/// A regular expression takes many times as long for a place as it takes to compare a letter, however
/// short it is.
const REGULAR: usize = 64;

/// More steps than these are done in parts, with a look in between whether anyone still waits.
const STEPS: usize = 1 << 26;

/// More steps for one row are not begun: nothing can stop them.
const MOST_STEPS: usize = 1 << 28;

/// Smaller results are not worth counting.
const COUNTED: usize = 128 << 10;

/// The memory that a query's expressions may take. It travels with the query's configuration, which is
/// all of the query that a function gets to see.
#[derive(Clone)]
pub(super) struct Allowance(Arc<Inner>);

struct Inner {
    pool: Arc<dyn MemoryPool>,
    limit: usize,
    /// Once the query is planned, and runs: whether it is to stop.
    running: OnceLock<Arc<AtomicBool>>,
    /// Bytes of long values that windows repeated.
    repeated: AtomicUsize,
}

impl Allowance {
    /// Taken from the pool, of which `limit` bytes are all there is.
    pub(super) fn new(pool: Arc<dyn MemoryPool>, limit: usize) -> Self {
        let (running, repeated) = (OnceLock::new(), AtomicUsize::new(0));
        Self(Arc::new(Inner { pool, limit, running, repeated }))
    }

    /// The one that a configuration has.
    pub(super) fn of(config: &ConfigOptions) -> Option<&Self> {
        config.extensions.get::<Self>()
    }

    /// Planning is done; from now on the query stops when it is told to.
    pub(super) fn run(&self, stop: &Arc<AtomicBool>) {
        let _ = self.0.running.set(stop.clone());
    }

    /// Fails once nobody waits for the query any more.
    pub(super) fn go_on(&self) -> Result<()> {
        match self.0.running.get() {
            Some(stop) if stop.load(Ordering::Relaxed) => {
                Err(DataFusionError::Execution("stopped".to_owned()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    pub(super) fn repeated(&self) -> &AtomicUsize {
        &self.0.repeated
    }

    /// Calls a function, in parts where all at once might take too much.
    fn call(&self, function: &Bounded, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let mut need = function.growth.bytes(&args.args, if constant { 1 } else { rows })?;
        let steps = function.steps(&args.args, if constant { 1 } else { rows });
        if constant && self.0.running.get().is_none() {
            if need > FOLDED || steps > STEPS {
                return Err(DataFusionError::ResourcesExhausted(format!("{need} bytes in a plan")));
            }
            return function.inner.invoke_with_args(args);
        }
        if constant {
            // The value itself, and each place where it is repeated.
            need = need.saturating_mul(rows.saturating_add(1));
        }
        let (small, many) = (need < COUNTED, steps > STEPS);
        if many {
            self.go_on()?;
            if (constant || rows <= 1) && steps > MOST_STEPS {
                let name = function.inner.name();
                return Err(DataFusionError::Execution(format!("The texts are too long for {name}")));
            }
        }
        if small && !many {
            return function.inner.invoke_with_args(args);
        }
        let large = need > self.0.limit / 32 && function.growth != Growth::None;
        if !constant && rows > 1 && (large || many) {
            let (first, second) = halves(&args)?;
            let (first, second) = (self.call(function, first)?, self.call(function, second)?);
            let halves = [first.into_array(rows / 2)?, second.into_array(rows - rows / 2)?];
            let memory = reserve(&self.0.pool, halves.iter().map(size).sum())?;
            let whole = concat(&[halves[0].as_ref(), halves[1].as_ref()])?;
            drop(halves);
            return Ok(ColumnarValue::Array(counted(whole, memory)?));
        }
        let memory = reserve(&self.0.pool, need)?;
        match function.inner.invoke_with_args(args)? {
            ColumnarValue::Scalar(value) if constant => {
                Ok(ColumnarValue::Array(counted(value.to_array_of_size(rows)?, memory)?))
            }
            ColumnarValue::Scalar(value) => Ok(ColumnarValue::Scalar(value)),
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(counted(array, memory)?)),
        }
    }
}

impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Allowance({} bytes)", self.0.limit)
    }
}

impl ConfigExtension for Allowance {
    const PREFIX: &'static str = "weir";
}

impl ExtensionOptions for Allowance {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> Result<()> {
        plan_err!("{key} cannot be set")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

fn halves(args: &ScalarFunctionArgs) -> Result<(ScalarFunctionArgs, ScalarFunctionArgs)> {
    let part = |from: usize, rows: usize| {
        let slice = |arg: &ColumnarValue| match arg {
            ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(from, rows)),
            scalar => scalar.clone(),
        };
        ScalarFunctionArgs { args: args.args.iter().map(slice).collect(), number_rows: rows, ..args.clone() }
    };
    let (rows, half) = (args.number_rows, args.number_rows / 2);
    Ok((part(0, half), part(half, rows - half)))
}

/// How large a function's results get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// They are its arguments.
    None,
    /// Up to all arguments together.
    Sum,
    /// Twice its arguments, as in hexadecimal.
    Twice,
    /// A text times a number.
    Repeat,
    /// A text, or a number of characters.
    Pad,
    /// A text with each place of a second replaced by a third.
    Replace,
    /// A text with places of a pattern replaced by parts of itself.
    Pattern,
    /// What each letter of a format stands for.
    Format,
}

impl Growth {
    /// That of the function of this name, if it makes texts at all.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "repeat" => Self::Repeat,
            "lpad" | "rpad" => Self::Pad,
            "replace" => Self::Replace,
            "regexp_replace" => Self::Pattern,
            "to_char" => Self::Format,
            "encode" => Self::Twice,
            "array_has_all" | "array_has_any" | "bounded" | "levenshtein" | "strpos" | "regexp_like"
            | "regexp_count" | "regexp_instr" => Self::None,
            "||" | "concat" | "concat_ws" | "translate" | "overlay" | "decode" | "lower" | "upper"
            | "initcap" | "reverse" | "substr" | "substr_index" | "left" | "right" | "btrim" | "ltrim"
            | "rtrim" | "split_part" | "regexp_match" => Self::Sum,
            _ => return None,
        })
    }

    /// An upper bound of the bytes that a result of so many rows has; those of one row are exact
    /// enough.
    fn bytes(self, args: &[ColumnarValue], rows: usize) -> Result<usize> {
        let extents: Vec<Extent> = args.iter().map(|arg| Extent::of(arg, rows)).collect();
        let all = extents.iter().fold(0_usize, |sum, e| sum.saturating_add(e.total));
        let text = |at: usize| extents.get(at).copied().unwrap_or_default();
        let grown = match self {
            Self::None | Self::Sum => 0,
            Self::Twice => all,
            Self::Repeat => text(0).total.saturating_mul(most(args.get(1))?),
            // A character to fill up with has up to four bytes.
            Self::Pad => {
                let width = if args.len() > 2 { text(2).longest.clamp(1, 4) } else { 1 };
                rows.saturating_mul(most(args.get(1))?).saturating_mul(width)
            }
            Self::Replace => {
                let places = (text(0).total + rows) / text(1).shortest.max(1);
                places.saturating_mul(text(2).longest)
            }
            Self::Pattern => (2 * text(0).total + rows).saturating_mul(text(2).longest),
            Self::Format => text(1).total.saturating_mul(20),
        };
        Ok(all.saturating_add(grown))
    }
}

/// The lengths of texts, or of lists.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    total: usize,
    shortest: usize,
    longest: usize,
}

impl Extent {
    fn of(value: &ColumnarValue, rows: usize) -> Self {
        match value {
            ColumnarValue::Scalar(value) => {
                let length = match value {
                    ScalarValue::List(list) => list.values().len(),
                    value => length(value),
                };
                Self { total: length.saturating_mul(rows), shortest: length, longest: length }
            }
            ColumnarValue::Array(array) => match array.data_type() {
                DataType::Utf8 => Self::lengths(array.as_string::<i32>().offsets().lengths()),
                DataType::LargeUtf8 => Self::lengths(array.as_string::<i64>().offsets().lengths()),
                DataType::Utf8View => {
                    Self::lengths(array.as_string_view().lengths().map(|length| length as usize))
                }
                DataType::List(_) => Self::lengths(array.as_list::<i32>().offsets().lengths()),
                _ => Self { total: size(array), shortest: 0, longest: size(array) },
            },
        }
    }

    fn lengths(lengths: impl Iterator<Item = usize>) -> Self {
        let start = Self { total: 0, shortest: usize::MAX, longest: 0 };
        lengths.fold(start, |sum, length| Self {
            total: sum.total + length,
            shortest: sum.shortest.min(length),
            longest: sum.longest.max(length),
        })
    }
}

/// The bytes of a value's texts.
pub(super) fn length(value: &ScalarValue) -> usize {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_ref().map_or(0, String::len)
        }
        ScalarValue::Binary(bytes) | ScalarValue::LargeBinary(bytes) | ScalarValue::BinaryView(bytes) => {
            bytes.as_ref().map_or(0, Vec::len)
        }
        ScalarValue::List(array) => size(&(array.clone() as ArrayRef)),
        ScalarValue::Struct(array) => size(&(array.clone() as ArrayRef)),
        _ => 0,
    }
}

/// The bytes of an array's texts, each counted as often as it is referred to; numbers count only in
/// lists.
pub(super) fn size(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8 => bytes::<Utf8Type>(array),
        DataType::LargeUtf8 => bytes::<LargeUtf8Type>(array),
        DataType::Binary => bytes::<BinaryType>(array),
        DataType::LargeBinary => bytes::<LargeBinaryType>(array),
        DataType::Utf8View => array.as_string_view().lengths().map(|length| length as usize).sum(),
        DataType::BinaryView => array.as_binary_view().lengths().map(|length| length as usize).sum(),
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let (from, to) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
            let values = lists.values().slice(from as usize, (to - from) as usize);
            size(&values) + values.len() * values.data_type().primitive_width().unwrap_or(16)
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(size).sum(),
        _ => 0,
    }
}

/// About what an array takes if it shares nothing.
pub(super) fn weight(array: &ArrayRef) -> usize {
    size(array) + 16 * array.len()
}

fn bytes<T: ByteArrayType>(array: &ArrayRef) -> usize {
    let offsets = array.as_bytes::<T>().offsets();
    offsets.lengths().sum()
}

/// The largest of the numbers, if any is above zero.
fn most(numbers: Option<&ColumnarValue>) -> Result<usize> {
    let array = match numbers {
        Some(ColumnarValue::Array(array)) => array.clone(),
        Some(ColumnarValue::Scalar(value)) => value.to_array()?,
        None => return Ok(0),
    };
    let most = max(cast(&array, &DataType::Int64)?.as_primitive::<Int64Type>());
    Ok(most.and_then(|most| usize::try_from(most).ok()).unwrap_or(0))
}

fn reserve(pool: &Arc<dyn MemoryPool>, bytes: usize) -> Result<MemoryReservation> {
    let memory = MemoryConsumer::new("values").register(pool);
    memory.try_grow(bytes)?;
    Ok(memory)
}

/// The columns, counted for as long as something refers to them.
pub(super) fn counted_batch(batch: &RecordBatch, pool: &Arc<dyn MemoryPool>) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match size(column) {
        bytes if bytes < COUNTED => Ok(column.clone()),
        bytes => counted(column.clone(), reserve(pool, bytes)?),
    });
    let columns = columns.collect::<Result<_>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &rows)?)
}

/// The array, which gives its memory back when it is dropped.
fn counted(array: ArrayRef, memory: MemoryReservation) -> Result<ArrayRef> {
    memory.try_resize(size(&array))?;
    if memory.size() < COUNTED {
        return Ok(array);
    }
    holding(&array, &Arc::new(memory))
}

fn holding(array: &ArrayRef, memory: &Arc<MemoryReservation>) -> Result<ArrayRef> {
    fn bytes<T: ByteArrayType>(array: &ArrayRef, memory: &Arc<MemoryReservation>) -> Result<ArrayRef> {
        let (offsets, values, nulls) = array.as_bytes::<T>().clone().into_parts();
        Ok(Arc::new(GenericByteArray::<T>::try_new(offsets, held(values, memory), nulls)?))
    }
    fn views<T: ByteViewType>(array: &ArrayRef, memory: &Arc<MemoryReservation>) -> Result<ArrayRef> {
        let (views, buffers, nulls) = array.as_byte_view::<T>().clone().into_parts();
        let buffers: Vec<Buffer> = buffers.iter().map(|buffer| held(buffer.clone(), memory)).collect();
        Ok(Arc::new(GenericByteViewArray::<T>::try_new(views, buffers, nulls)?))
    }
    match array.data_type() {
        DataType::Utf8 => bytes::<Utf8Type>(array, memory),
        DataType::LargeUtf8 => bytes::<LargeUtf8Type>(array, memory),
        DataType::Binary => bytes::<BinaryType>(array, memory),
        DataType::LargeBinary => bytes::<LargeBinaryType>(array, memory),
        DataType::Utf8View => views::<StringViewType>(array, memory),
        DataType::BinaryView => views::<BinaryViewType>(array, memory),
        DataType::List(_) => {
            let (field, offsets, values, nulls) = array.as_list::<i32>().clone().into_parts();
            Ok(Arc::new(ListArray::try_new(field, offsets, holding(&values, memory)?, nulls)?))
        }
        DataType::Struct(_) => {
            let (fields, columns, nulls) = array.as_struct().clone().into_parts();
            let columns = columns.iter().map(|column| holding(column, memory)).collect::<Result<_>>()?;
            Ok(Arc::new(StructArray::try_new(fields, columns, nulls)?))
        }
        _ => Ok(array.clone()),
    }
}

/// The buffer, which keeps the memory reserved for as long as it is there.
fn held(buffer: Buffer, memory: &Arc<MemoryReservation>) -> Buffer {
    struct Held {
        buffer: Buffer,
        _memory: Arc<MemoryReservation>,
    }
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.buffer
        }
    }
    Buffer::from(Bytes::from_owner(Held { buffer, _memory: memory.clone() }))
}

/// A function whose results are counted.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl Bounded {
    /// About how many steps it takes for so many rows; 0 where that is no concern.
    fn steps(&self, args: &[ColumnarValue], rows: usize) -> usize {
        let (Some(text), Some(other)) = (args.first(), args.get(1)) else { return 0 };
        if !PRODUCTS.contains(&self.inner.name()) {
            return 0;
        }
        let least = if self.inner.name().starts_with("regexp_") { REGULAR } else { 1 };
        let (text, other) = (Extent::of(text, rows), Extent::of(other, rows));
        text.total.saturating_mul(other.longest.max(least))
    }

    /// The function, counted if it makes texts.
    pub(super) fn wrap(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
        match Growth::of(function.name()) {
            Some(growth) => Arc::new(Self { inner: function, growth }.into()),
            None => function,
        }
    }
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

/// What else there is to a function is that of none of those that make texts. Simplifying is left out:
/// it would put the plain function in the place of this one.
impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
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

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match Allowance::of(&args.config_options).cloned() {
            Some(allowance) => allowance.call(self, args),
            None => self.inner.invoke_with_args(args),
        }
    }
}

static CONCAT: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Bounded::wrap(Arc::new(Concat(Signature::user_defined(Volatility::Immutable)).into())));

static BOUNDED: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Bounded::wrap(Arc::new(Same(Signature::any(1, Volatility::Immutable)).into())));

/// Functions that hand on one of their arguments, or all of them.
const HANDING_ON: [&str; 11] = [
    "coalesce",
    "nvl",
    "nvl2",
    "nullif",
    "greatest",
    "least",
    "struct",
    "named_struct",
    "arrow_cast",
    "arrow_try_cast",
    "get_field",
];

/// Puts what is counted into the place of what is not: the operator `||`, and long values that come
/// from elsewhere than a function that is counted.
pub(super) fn bounded(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let long = match &expr {
        Expr::BinaryExpr(BinaryExpr { op: Operator::StringConcat, .. }) => {
            let Expr::BinaryExpr(BinaryExpr { left, right, .. }) = expr else {
                return internal_err!("an expression has changed");
            };
            return Ok(Transformed::yes(CONCAT.call(vec![*left, *right])));
        }
        Expr::Literal(value, _) => length(value) > FOLDED,
        Expr::ScalarSubquery(_) => is_long(&expr.get_type(schema)?),
        Expr::Case(_) => grows(&expr)? && is_long(&expr.get_type(schema)?),
        Expr::ScalarFunction(call) if HANDING_ON.contains(&call.name()) => {
            grows(&expr)? && is_long(&expr.get_type(schema)?)
        }
        _ => false,
    };
    Ok(if long { Transformed::yes(BOUNDED.call(vec![expr])) } else { Transformed::no(expr) })
}

fn grows(expr: &Expr) -> Result<bool> {
    expr.exists(|expr| match expr {
        Expr::ScalarFunction(call) => Ok(call.func.inner().is::<Bounded>()),
        _ => Ok(false),
    })
}

/// Whether values of the type have no fixed length.
pub(super) fn is_long(data_type: &DataType) -> bool {
    data_type.is_nested() || data_type.is_string() || data_type.is_binary()
}

/// `||` as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concat(Signature);

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &str {
        "||"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    /// Columns are called as they are without this function.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(names.join(" || "))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else { return plan_err!("|| takes two texts") };
        let (left, right) = BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_input_types()?;
        Ok(vec![left, right])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else { return plan_err!("|| takes two texts") };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else { return plan_err!("|| takes two texts") };
        let whole = concat_elements_dyn(left, right)?;
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&whole, 0)?)
        } else {
            ColumnarValue::Array(whole)
        })
    }
}

/// A value as it is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Same(Signature);

impl ScalarUDFImpl for Same {
    fn name(&self) -> &str {
        "bounded"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    /// Columns are called as they are without this function.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(|arg| arg.schema_name().to_string()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [of] = types else { return plan_err!("{} takes one value", self.name()) };
        Ok(of.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [of] = args.arg_fields else { return plan_err!("{} takes one value", self.name()) };
        Ok(of.clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut args = args.args;
        match args.pop() {
            Some(of) if args.is_empty() => Ok(of),
            _ => plan_err!("{} takes one value", self.name()),
        }
    }
}
