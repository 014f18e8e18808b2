//! Rows as JSON.

use std::io::Write;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};
use serde::ser::{Error, Serialize, SerializeSeq, Serializer};
use serde_json::{Map, Value};

use super::{Answer, EncodeError};

impl Answer {
    /// The rows, each an array of values in column order.
    ///
    /// Integers and floats are numbers, save those that JSON cannot write: they are the strings `NaN`,
    /// `Infinity` and `-Infinity`, since null is a value that is missing. Decimals are strings so that
    /// no digit is lost, dates are `2013-01-31`, timestamps `2013-01-31T05:00:00`, with zone in UTC
    /// with a `Z`; intervals are ISO 8601 durations, binary is base64, lists are arrays, structs objects.
    ///
    /// # Errors
    ///
    /// When a value has no text form.
    pub fn to_json_rows(&self) -> Result<Vec<Vec<Value>>, EncodeError> {
        let mut rows = Vec::with_capacity(usize::try_from(self.rows).unwrap_or(0));
        self.each_row(|row| {
            rows.push(row.to_vec());
            Ok(())
        })?;
        Ok(rows)
    }

    /// The same as text, `[[..],[..]]`, written as it comes.
    ///
    /// # Errors
    ///
    /// When a value has no text form or `out` fails.
    pub fn write_json_rows(&self, out: &mut dyn Write) -> Result<(), EncodeError> {
        serde_json::to_writer(out, &JsonRows(self)).map_err(|e| EncodeError(e.to_string()))
    }

    /// The same as a part of something larger: they are made one by one while that is written, so
    /// that they are never all in memory.
    pub fn json_rows(&self) -> JsonRows<'_> {
        JsonRows(self)
    }

    /// Hands out one row after the other; the row's memory is used again for the next.
    pub(super) fn each_row(
        &self,
        mut each: impl FnMut(&[Value]) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        for batch in &self.batches {
            let cells = encoders(batch)?;
            let mut row = Vec::with_capacity(cells.len());
            for i in 0..batch.num_rows() {
                row.clear();
                for cell in &cells {
                    row.push(cell(i)?);
                }
                each(&row)?;
            }
        }
        Ok(())
    }
}

/// The rows of an answer as a list of lists.
#[derive(Debug, Clone, Copy)]
pub struct JsonRows<'a>(&'a Answer);

impl Serialize for JsonRows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(usize::try_from(self.0.rows).ok())?;
        self.0
            .each_row(|row| rows.serialize_element(row).map_err(|e| EncodeError(e.to_string())))
            .map_err(S::Error::custom)?;
        rows.end()
    }
}

/// Gives a column's value by row.
type Encoder<'a> = Box<dyn Fn(usize) -> Result<Value, EncodeError> + 'a>;

fn encoders(batch: &RecordBatch) -> Result<Vec<Encoder<'_>>, EncodeError> {
    batch.columns().iter().map(encoder).collect()
}

fn encoder(array: &ArrayRef) -> Result<Encoder<'_>, EncodeError> {
    let inner = not_null(array)?;
    Ok(Box::new(move |i| if array.is_null(i) { Ok(Value::Null) } else { inner(i) }))
}

fn not_null(array: &ArrayRef) -> Result<Encoder<'_>, EncodeError> {
    Ok(match array.data_type() {
        DataType::Boolean => {
            let values: BooleanArray = array.as_boolean().clone();
            Box::new(move |i| Ok(Value::Bool(values.value(i))))
        }
        DataType::UInt64 => {
            let values = array.as_primitive::<UInt64Type>().clone();
            Box::new(move |i| Ok(Value::from(values.value(i))))
        }
        t if t.is_integer() => {
            let wide = cast(array, &DataType::Int64)?;
            let values = wide.as_primitive::<Int64Type>().clone();
            Box::new(move |i| Ok(Value::from(values.value(i))))
        }
        // Through its own text: a number in 32 bits is 0.1, and not what 64 bits would make of it.
        DataType::Float16 | DataType::Float32 => {
            let text = text(array)?;
            Box::new(move |i| {
                let text = text(i)?;
                let number = text.parse().map_err(|_| EncodeError(format!("{text:?} is no number")))?;
                Ok(self::number(number))
            })
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().clone();
            Box::new(move |i| Ok(number(values.value(i))))
        }
        DataType::Utf8 => {
            let values: StringArray = array.as_string().clone();
            Box::new(move |i| Ok(Value::from(values.value(i))))
        }
        DataType::Timestamp(unit, zone) => timestamps(array, *unit, zone.is_some()),
        DataType::Binary => {
            let values = array.as_binary::<i32>().clone();
            Box::new(move |i| Ok(Value::from(base64(values.value(i)))))
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary().clone();
            Box::new(move |i| Ok(Value::from(base64(values.value(i)))))
        }
        DataType::List(_) => {
            let values = array.as_list::<i32>();
            Box::new(move |i| list(&values.value(i)))
        }
        DataType::FixedSizeList(..) => {
            let values = array.as_fixed_size_list();
            Box::new(move |i| list(&values.value(i)))
        }
        DataType::Struct(fields) => {
            let names: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
            let columns = array.as_struct().columns().iter().map(encoder).collect::<Result<Vec<_>, _>>()?;
            Box::new(move |i| {
                let mut object = Map::new();
                for (name, column) in names.iter().zip(&columns) {
                    object.insert((*name).to_owned(), column(i)?);
                }
                Ok(Value::Object(object))
            })
        }
        _ => {
            let text = text(array)?;
            Box::new(move |i| Ok(Value::from(text(i)?)))
        }
    })
}

/// The values of an array, each as in an answer; null where there is none, and where it has no form.
pub(crate) fn values(array: &ArrayRef) -> Vec<Value> {
    match encoder(array) {
        Ok(cell) => (0..array.len()).map(|i| cell(i).unwrap_or_default()).collect(),
        Err(_) => vec![Value::Null; array.len()],
    }
}

/// A number where it is one. The others go by the names that JavaScript, Python and most languages
/// read back as what they are.
pub(crate) fn number(number: f64) -> Value {
    match number {
        n if n.is_nan() => Value::from("NaN"),
        f64::INFINITY => Value::from("Infinity"),
        f64::NEG_INFINITY => Value::from("-Infinity"),
        n => Value::from(n),
    }
}

fn list(values: &ArrayRef) -> Result<Value, EncodeError> {
    let cell = encoder(values)?;
    (0..values.len()).map(cell).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// Arrow's own text for types that JSON has no form of.
fn text(array: &ArrayRef) -> Result<impl Fn(usize) -> Result<String, EncodeError> + '_, ArrowError> {
    const OPTIONS: FormatOptions<'_> = FormatOptions::new().with_duration_format(DurationFormat::ISO8601);
    let formatter = ArrayFormatter::try_new(array.as_ref(), &OPTIONS)?;
    Ok(move |i| Ok(formatter.value(i).try_to_string()?))
}

/// Values are stored in UTC whatever zone they are to be shown in.
fn timestamps(array: &ArrayRef, unit: TimeUnit, zoned: bool) -> Encoder<'_> {
    macro_rules! encoder {
        ($array:ty) => {{
            let values = array.as_any().downcast_ref::<$array>().cloned();
            Box::new(move |i| {
                let moment = values.as_ref().and_then(|v| v.value_as_datetime(i));
                let moment = moment.ok_or_else(|| EncodeError("a timestamp beyond the calendar".into()))?;
                let format = if zoned { "%Y-%m-%dT%H:%M:%S%.fZ" } else { "%Y-%m-%dT%H:%M:%S%.f" };
                Ok(Value::from(moment.format(format).to_string()))
            })
        }};
    }
    match unit {
        TimeUnit::Second => encoder!(TimestampSecondArray),
        TimeUnit::Millisecond => encoder!(TimestampMillisecondArray),
        TimeUnit::Microsecond => encoder!(TimestampMicrosecondArray),
        TimeUnit::Nanosecond => encoder!(TimestampNanosecondArray),
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(n >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_pads() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
