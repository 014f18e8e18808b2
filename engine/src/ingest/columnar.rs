//! Columns that come as Arrow arrays to the table: what Parquet and Arrow files share.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, OffsetSizeTrait, RecordBatch, RecordBatchOptions, StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{CastOptions, cast_with_options, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;

use super::cells::{Cells, Type, arrow_type, unique_names};
use super::job::{Job, failed};
use super::table::{Table, Written};
use super::text::Stop;
use super::types::{Wanted, add};
use super::{Ingested, Rejection};
use crate::{Column, type_name};

/// How deep types may be nested.
pub(super) const DEPTH: usize = 32;

/// Arrays on their way to a table.
pub(super) struct Columns<'a> {
    job: &'a Job,
    schema: SchemaRef,
    wanted: Wanted,
    nulls: Vec<u64>,
    table: Table,
    rows: u64,
}

impl<'a> Columns<'a> {
    /// For batches of this schema.
    pub(super) fn new(job: &'a Job, schema: &Schema) -> Result<Self, Stop> {
        let leaves = schema
            .fields()
            .iter()
            .map(|field| leaves(field, DEPTH))
            .try_fold(0usize, |sum, leaves| leaves.map(|leaves| sum.saturating_add(leaves)))?;
        job.check_columns(leaves)?;
        if schema.fields().is_empty() {
            return Err(Rejection::new("no_rows", "The file has no columns.").into());
        }
        let names = unique_names(&schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>());
        let wanted = Wanted::new(&job.options, &names)?;
        let mut fields = Vec::with_capacity(names.len());
        for ((field, name), asked) in schema.fields().iter().zip(&names).zip(wanted.types()) {
            let found = target(field.data_type()).map_err(|r| r.column(name.as_str()))?;
            let nested = matches!(
                found,
                DataType::List(_) | DataType::Struct(_) | DataType::Binary | DataType::BinaryView
            );
            let data_type = match asked {
                None => found,
                Some(_) if nested => {
                    let detail = "The column holds lists, structs or bytes, which can have no other type.";
                    return Err(Rejection::new("invalid_option", detail).column(name.as_str()).into());
                }
                // A name alone does not say that a moment is in nanoseconds; the column does.
                Some(Type::Timestamp { zoned, .. }) => {
                    let nanos = matches!(found, DataType::Timestamp(TimeUnit::Nanosecond, _));
                    arrow_type(Type::Timestamp { zoned: *zoned, nanos })
                }
                Some(asked) => arrow_type(*asked),
            };
            fields.push(Field::new(name, data_type, true));
        }
        let schema = Arc::new(Schema::new(fields));
        let table = Table::create(job, schema.clone())?;
        Ok(Self { job, nulls: vec![0; schema.fields().len()], schema, wanted, table, rows: 0 })
    }

    /// Rows taken in so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes in the next rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Stop> {
        let mut arrays = Vec::with_capacity(batch.num_columns());
        for (at, array) in batch.columns().iter().enumerate() {
            let field = self.schema.field(at);
            let most = self.job.limits.cell_bytes;
            if longest(array) > most {
                let detail = format!("A value is larger than {most} bytes.");
                return Err(Rejection::new("cell_too_large", detail).column(field.name().as_str()).into());
            }
            let found = target(array.data_type())?;
            let beyond = |_: ArrowError| {
                let detail = "A value is beyond what its type can hold.";
                Rejection::new("corrupt_file", detail).column(field.name().as_str())
            };
            let array = conform(array, &found).map_err(beyond)?;
            self.nulls[at] += array.logical_null_count() as u64;
            let array = match self.wanted.types().get(at).copied().flatten() {
                Some(asked) => self.convert(at, &array, asked)?,
                None => array,
            };
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch =
            RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(failed)?;
        self.rows += batch.num_rows() as u64;
        self.table.write(batch)?;
        Ok(())
    }

    /// The column as another type: every value is told as text, and read again.
    fn convert(&mut self, at: usize, array: &ArrayRef, asked: Type) -> Result<ArrayRef, Stop> {
        let data_type = self.schema.field(at).data_type();
        if array.data_type() == data_type {
            return Ok(array.clone());
        }
        let texts = cast_with_options(array, &DataType::Utf8, &CastOptions::default()).map_err(failed)?;
        let nanos = matches!(data_type, DataType::Timestamp(TimeUnit::Nanosecond, _));
        let asked = match asked {
            Type::Timestamp { zoned, .. } => Type::Timestamp { zoned, nanos },
            other => other,
        };
        let mut cells = Cells::new(asked);
        for (row, text) in texts.as_string::<i32>().iter().enumerate() {
            let Some(text) = text else {
                cells.push_missing();
                continue;
            };
            if !cells.push_asked(text.as_bytes()) {
                self.wanted.unfit(at, self.rows + row as u64 + 1, text.as_bytes())?;
                cells.push_missing();
            }
        }
        Ok(cells.finish())
    }

    /// Makes the table appear.
    pub(super) fn finish(self, format: &str) -> Result<Ingested, Stop> {
        if self.rows == 0 {
            return Err(Rejection::new("no_rows", "The file has columns and no rows.").into());
        }
        let Written { rows, bytes: table_bytes, profile } = self.table.finish()?;
        let columns = self.schema.fields().iter().enumerate().map(|(at, field)| {
            let mut missing = std::collections::BTreeMap::new();
            add(&mut missing, "null", self.nulls[at]);
            let unfit = self.wanted.count(at);
            Column {
                nullable: !missing.is_empty() || unfit > 0,
                missing,
                unfit,
                ..Column::new(field.name().as_str(), type_name(field.data_type()))
            }
        });
        let columns = columns.collect();
        self.job.note(self.wanted.into_misfits());
        let options = self.job.options.clone();
        Ok(Ingested {
            rows,
            columns,
            table_bytes,
            format: format.to_owned(),
            options,
            sheets: Vec::new(),
            profile,
        })
    }
}

/// How many columns are in a field, nested ones counted apart.
fn leaves(field: &Field, depth: usize) -> Result<usize, Rejection> {
    if depth == 0 {
        let detail = format!("Types are nested deeper than {DEPTH} levels.");
        return Err(Rejection::new("too_deep", detail));
    }
    let many = |fields: &Fields| {
        fields.iter().try_fold(0usize, |sum, field| Ok(sum.saturating_add(leaves(field, depth - 1)?)))
    };
    match field.data_type() {
        DataType::Struct(fields) => many(fields),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => leaves(item, depth - 1),
        _ => Ok(1),
    }
}

/// The type that a file's type becomes.
///
/// Integers are of 64 bits, or decimals where they need more, so that sums are checked and nothing wraps;
/// moments are in UTC; dictionaries and the like are taken apart.
pub(super) fn target(found: &DataType) -> Result<DataType, Rejection> {
    let item = |item: &FieldRef| -> Result<DataType, Rejection> {
        Ok(DataType::List(Arc::new(Field::new_list_field(target(item.data_type())?, true))))
    };
    Ok(match found {
        DataType::Boolean => DataType::Boolean,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        DataType::Float64 => DataType::Float64,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Decimal256(precision, scale) => DataType::Decimal256(*precision, *scale),
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(unit, zone) => {
            let unit =
                if *unit == TimeUnit::Nanosecond { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
            DataType::Timestamp(unit, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::Time32(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Time64(unit) => DataType::Time64(*unit),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::BinaryView
        }
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Dictionary(_, value) if !value.is_nested() => target(value)?,
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) => item(of)?,
        // Whatever the two are called in the file.
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                let named = |at: usize, name: &str| -> Result<Field, Rejection> {
                    Ok(Field::new(name, target(fields[at].data_type())?, true))
                };
                let entry = DataType::Struct(vec![named(0, "key")?, named(1, "value")?].into());
                DataType::List(Arc::new(Field::new_list_field(entry, true)))
            }
            _ => item(entries)?,
        },
        DataType::Struct(fields) if !fields.is_empty() => {
            let names = unique_names(&fields.iter().map(|f| f.name().clone()).collect::<Vec<_>>());
            let fields = fields.iter().zip(names).map(|(field, name)| -> Result<Field, Rejection> {
                Ok(Field::new(name, target(field.data_type())?, true))
            });
            DataType::Struct(fields.collect::<Result<Fields, _>>()?)
        }
        // Of the nested ones, those in which a few bytes can stand for any number of values.
        DataType::Struct(_)
        | DataType::Union(..)
        | DataType::Interval(_)
        | DataType::Dictionary(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => {
            let detail = "The file has a column of a type that tables do not have.";
            return Err(Rejection::new("unsupported_type", detail).found(kind(found)));
        }
    })
}

fn kind(found: &DataType) -> &'static str {
    match found {
        DataType::Struct(_) => "a struct without fields",
        DataType::Union(..) => "a union",
        DataType::Interval(_) => "an interval",
        DataType::Dictionary(..) => "a dictionary of nested values",
        DataType::RunEndEncoded(..) => "run-end encoded",
        _ => "a list view",
    }
}

/// The array as the type that [`target`] names.
fn conform(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == wanted {
        return Ok(array.clone());
    }
    match (array.data_type(), wanted) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let found = array.as_struct();
            let columns =
                found.columns().iter().zip(fields).map(|(column, field)| conform(column, field.data_type()));
            let columns = columns.collect::<Result<_, _>>()?;
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, found.nulls().cloned())?))
        }
        (DataType::List(_), DataType::List(item)) => {
            let found = array.as_list::<i32>();
            list(found.value_offsets(), found.values(), found.nulls(), item)
        }
        (DataType::LargeList(_), DataType::List(item)) => {
            let found = array.as_list::<i64>();
            list(found.value_offsets(), found.values(), found.nulls(), item)
        }
        (DataType::Map(..), DataType::List(item)) => {
            let found = array.as_map();
            let entries: ArrayRef = Arc::new(found.entries().clone());
            list(found.value_offsets(), &entries, found.nulls(), item)
        }
        (DataType::FixedSizeList(_, length), DataType::List(item)) => {
            let found = array.as_fixed_size_list();
            let ends: Vec<i64> = (0..=found.len()).map(|row| row as i64 * i64::from(*length)).collect();
            list(&ends, found.values(), found.nulls(), item)
        }
        // The values once, and then as often as they come: a view takes no more room for a long text.
        (DataType::Dictionary(..), _) => {
            let found = array.as_any_dictionary();
            take(&conform(found.values(), wanted)?, found.keys(), None)
        }
        _ => strict(array, wanted),
    }
}

/// A list of these, of whose values only those between the first offset and the last are in it.
fn list<O: OffsetSizeTrait>(
    ends: &[O],
    values: &ArrayRef,
    nulls: Option<&NullBuffer>,
    item: &FieldRef,
) -> Result<ArrayRef, ArrowError> {
    let (first, last) = match (ends.first(), ends.last()) {
        (Some(first), Some(last)) => (first.as_usize(), last.as_usize()),
        _ => (0, 0),
    };
    let values = conform(&values.slice(first, last - first), item.data_type())?;
    let ends = ends.iter().map(|end| i32::try_from(end.as_usize() - first));
    let ends = ends.collect::<Result<Vec<i32>, _>>().map_err(|e| ArrowError::CastError(e.to_string()))?;
    let list = ListArray::try_new(item.clone(), OffsetBuffer::new(ends.into()), values, nulls.cloned())?;
    Ok(Arc::new(list))
}

/// A cast in which no value gets lost.
fn strict(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, wanted, &CastOptions { safe: false, ..CastOptions::default() })
}

/// The length of the longest text; of those in dictionaries too, which come as often as they like.
pub(super) fn longest(array: &ArrayRef) -> usize {
    let most = |lengths: Option<usize>| lengths.unwrap_or(0);
    match array.data_type() {
        DataType::Utf8 => most(array.as_string::<i32>().offsets().lengths().max()),
        DataType::LargeUtf8 => most(array.as_string::<i64>().offsets().lengths().max()),
        DataType::Binary => most(array.as_binary::<i32>().offsets().lengths().max()),
        DataType::LargeBinary => most(array.as_binary::<i64>().offsets().lengths().max()),
        DataType::Utf8View => most(array.as_string_view().lengths().max().map(|n| n as usize)),
        DataType::BinaryView => most(array.as_binary_view().lengths().max().map(|n| n as usize)),
        DataType::FixedSizeBinary(width) => usize::try_from(*width).unwrap_or(0),
        DataType::Struct(_) => most(array.as_struct().columns().iter().map(longest).max()),
        DataType::List(_) => longest(array.as_list::<i32>().values()),
        DataType::LargeList(_) => longest(array.as_list::<i64>().values()),
        DataType::FixedSizeList(..) => longest(array.as_fixed_size_list().values()),
        DataType::Map(..) => most(array.as_map().entries().columns().iter().map(longest).max()),
        DataType::Dictionary(..) => longest(array.as_any_dictionary().values()),
        _ => 0,
    }
}
