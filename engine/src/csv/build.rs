//! Cells to Arrow arrays.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder, TimestampNanosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::cell::{bool_value, date_value, float_value, int_value, moment, trim};
use super::infer::{Markers, Plan, Type, bare};

/// Rows per batch, and bytes of text after which one is full anyway.
const ROWS: usize = 16 << 10;
const BYTES: usize = 8 << 20;

enum Cells {
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Date(Date32Builder),
    Micros(TimestampMicrosecondBuilder),
    Nanos(TimestampNanosecondBuilder),
    Text(StringBuilder),
}

impl Cells {
    fn new(data_type: Type) -> Self {
        match data_type {
            Type::Int => Self::Int(Int64Builder::new()),
            Type::Float => Self::Float(Float64Builder::new()),
            Type::Bool => Self::Bool(BooleanBuilder::new()),
            Type::Date => Self::Date(Date32Builder::new()),
            Type::Timestamp { nanos: true, .. } => {
                Self::Nanos(TimestampNanosecondBuilder::new().with_data_type(arrow_type(data_type)))
            }
            Type::Timestamp { nanos: false, .. } => {
                Self::Micros(TimestampMicrosecondBuilder::new().with_data_type(arrow_type(data_type)))
            }
            Type::Text => Self::Text(StringBuilder::new()),
        }
    }

    fn push_missing(&mut self) {
        match self {
            Self::Int(b) => b.append_null(),
            Self::Float(b) => b.append_null(),
            Self::Bool(b) => b.append_null(),
            Self::Date(b) => b.append_null(),
            Self::Micros(b) => b.append_null(),
            Self::Nanos(b) => b.append_null(),
            Self::Text(b) => b.append_null(),
        }
    }

    /// False when the cell is not what the first pass saw.
    fn push(&mut self, cell: &[u8]) -> bool {
        match self {
            Self::Int(b) => int_value(trim(cell)).map(|v| b.append_value(v)),
            Self::Float(b) => float_value(trim(cell)).map(|v| b.append_value(v)),
            Self::Bool(b) => bool_value(trim(cell)).map(|v| b.append_value(v)),
            Self::Date(b) => date_value(trim(cell)).map(|v| b.append_value(v)),
            Self::Micros(b) => moment(trim(cell)).map(|(m, _)| b.append_value(m.micros())),
            Self::Nanos(b) => moment(trim(cell)).and_then(|(m, _)| m.nanos()).map(|v| b.append_value(v)),
            Self::Text(b) => std::str::from_utf8(cell).ok().map(|v| b.append_value(v)),
        }
        .is_some()
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int(b) => Arc::new(b.finish()),
            Self::Float(b) => Arc::new(b.finish()),
            Self::Bool(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::Micros(b) => Arc::new(b.finish()),
            Self::Nanos(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
        }
    }
}

fn arrow_type(data_type: Type) -> DataType {
    match data_type {
        Type::Int => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Bool => DataType::Boolean,
        Type::Date => DataType::Date32,
        Type::Timestamp { zoned, nanos } => {
            let unit = if nanos { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
            DataType::Timestamp(unit, zoned.then(|| "UTC".into()))
        }
        Type::Text => DataType::Utf8,
    }
}

/// The schema of a table with these columns.
pub(super) fn schema(names: &[String], plans: &[Plan]) -> SchemaRef {
    let fields =
        names.iter().zip(plans).map(|(name, plan)| Field::new(name, arrow_type(plan.data_type), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Gathers rows until a batch is full.
pub(super) struct Batcher<'a> {
    schema: SchemaRef,
    plans: &'a [Plan],
    markers: &'a Markers,
    columns: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

impl<'a> Batcher<'a> {
    pub(super) fn new(schema: SchemaRef, plans: &'a [Plan], markers: &'a Markers) -> Self {
        let columns = plans.iter().map(|p| Cells::new(p.data_type)).collect();
        Self { schema, plans, markers, columns, rows: 0, bytes: 0 }
    }

    /// Takes a row in. Fields beyond the columns are dropped and those that lack are missing, which
    /// only a file read with ragged rows allowed can have. The number of a column that does not hold
    /// what it held before is the error.
    pub(super) fn push<'f>(&mut self, fields: impl Iterator<Item = (&'f [u8], bool)>) -> Result<(), usize> {
        let mut at = 0;
        for ((cell, quoted), (cells, plan)) in fields.zip(self.columns.iter_mut().zip(self.plans)) {
            at += 1;
            self.bytes += cell.len();
            let content = bare(cell, quoted);
            let missing = match self.markers.find(content) {
                Some(marker) => plan.counts[marker][usize::from(quoted)],
                None => content.is_empty() && plan.data_type != Type::Text,
            };
            if missing {
                cells.push_missing();
            } else if !cells.push(cell) {
                return Err(at);
            }
        }
        for cells in &mut self.columns[at..] {
            cells.push_missing();
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        // Wide tables fill a batch sooner: every cell takes eight bytes or more, text or not.
        self.rows >= ROWS || self.bytes + self.rows * self.columns.len() * 8 >= BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows gathered, which begin anew.
    pub(super) fn take(&mut self) -> Result<RecordBatch, datafusion::arrow::error::ArrowError> {
        self.rows = 0;
        self.bytes = 0;
        let arrays = self.columns.iter_mut().map(Cells::finish).collect();
        RecordBatch::try_new(self.schema.clone(), arrays)
    }
}
