//! Values of all types as those of a few, and back.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
    UInt64Array, make_array,
};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int32Type, Int64Type, UInt64Type};
use datafusion::arrow::error::ArrowError;

/// What a type's values are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As `i64`: whole numbers, booleans, dates, times, short decimals.
    Whole,
    /// As `i128`: decimals, and whole numbers without a sign.
    Large,
    /// As `f64`.
    Float,
    /// As text.
    Text,
    /// By its bytes, of which only the number says anything.
    Binary,
    /// Values that can be told from each other and no more.
    Opaque,
    /// By the number of its elements.
    List,
    /// As being there.
    Nested,
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Dictionary(_, value) => Self::of(value),
            DataType::RunEndEncoded(_, value) => Self::of(value.data_type()),
            DataType::UInt64 | DataType::Decimal128(..) => Self::Large,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Self::Binary,
            DataType::FixedSizeBinary(_)
            | DataType::Decimal256(..)
            | DataType::Interval(_)
            | DataType::Null => Self::Opaque,
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_) => Self::List,
            DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Self::Nested,
            // All others have a fixed width of at most 64 bits.
            _ => Self::Whole,
        }
    }
}

/// The type of the values where they are stored in some shorter way.
pub(super) fn bare_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => bare_type(value),
        DataType::RunEndEncoded(_, value) => bare_type(value.data_type()),
        other => other,
    }
}

/// The values written out.
pub(super) fn bare(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let wanted = bare_type(array.data_type());
    if wanted == array.data_type() { Ok(array.clone()) } else { cast(array, wanted) }
}

/// The same bits as another type of the same width.
fn retyped(array: &dyn Array, data_type: DataType) -> Result<ArrayRef, ArrowError> {
    array.to_data().into_builder().data_type(data_type).build().map(make_array)
}

/// The values of a [`Kind::Whole`].
pub(super) fn wholes(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let whole = match array.data_type() {
        DataType::Int64 => array.clone(),
        DataType::Boolean => cast(array, &DataType::Int64)?,
        t if t.is_integer() => cast(array, &DataType::Int64)?,
        t if t.primitive_width() == Some(4) => {
            let narrow = retyped(array, DataType::Int32)?;
            let narrow = narrow.as_primitive::<Int32Type>();
            Arc::new(narrow.unary::<_, Int64Type>(i64::from))
        }
        _ => retyped(array, DataType::Int64)?,
    };
    Ok(whole.as_primitive::<Int64Type>().clone())
}

/// The values of a [`Kind::Large`].
pub(super) fn larges(array: &ArrayRef) -> Decimal128Array {
    match array.as_primitive_opt::<UInt64Type>() {
        Some(values) => values.unary::<_, Decimal128Type>(i128::from),
        None => array.as_primitive::<Decimal128Type>().clone(),
    }
}

/// The values of a [`Kind::Float`].
pub(super) fn floats(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    let wide = cast(array, &DataType::Float64)?;
    Ok(wide.as_primitive::<Float64Type>().clone())
}

/// Values of which an array can be made again.
pub(super) trait Back: Sized {
    /// The values in a type that was counted as these.
    fn back(values: Vec<Self>, data_type: &DataType) -> Result<ArrayRef, ArrowError>;
}

impl Back for i64 {
    fn back(values: Vec<Self>, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        match data_type {
            DataType::Boolean => Ok(Arc::new(values.iter().map(|v| Some(*v != 0)).collect::<BooleanArray>())),
            t if t.is_integer() => cast(&Int64Array::from(values), t),
            t if t.primitive_width() == Some(4) => {
                // They were that narrow before.
                let narrow = values.into_iter().map(|v| v as i32);
                retyped(&datafusion::arrow::array::Int32Array::from_iter_values(narrow), t.clone())
            }
            t => retyped(&Int64Array::from(values), t.clone()),
        }
    }
}

impl Back for i128 {
    fn back(values: Vec<Self>, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        if data_type == &DataType::UInt64 {
            let values = values.into_iter().map(|v| u64::try_from(v).unwrap_or_default());
            return Ok(Arc::new(UInt64Array::from_iter_values(values)));
        }
        let (length, buffer) = (values.len(), Buffer::from_vec(values));
        let data = datafusion::arrow::array::ArrayData::builder(data_type.clone());
        data.len(length).add_buffer(buffer).build().map(make_array)
    }
}

impl Back for f64 {
    fn back(values: Vec<Self>, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        cast(&Float64Array::from(values), data_type)
    }
}

impl Back for Box<str> {
    fn back(values: Vec<Self>, _data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(StringArray::from_iter_values(values)))
    }
}
