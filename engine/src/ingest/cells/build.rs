//! Cells to Arrow arrays.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanBuilder, NullBufferBuilder, PrimitiveArray, RecordBatch,
    StringBuilder,
};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Field, Float64Type, Int64Type, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
};

use super::Type;
use super::asked;
use super::cell::{Moment, bool_value, date_value, float_value, int_value, moment, trim};
use super::infer::{Markers, Plan, Profile, Promised, bare};
use crate::ingest::text::Stop;
use crate::ingest::types::Wanted;

/// Rows per batch, and bytes of text after which one is full anyway.
const ROWS: usize = 16 << 10;
const BYTES: usize = 8 << 20;

/// Values of one width. As Arrow's builder, but that room for the next batch is there from its beginning.
pub(in crate::ingest) struct Values<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    valid: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> Values<T> {
    fn new() -> Self {
        Self { values: Vec::new(), valid: NullBufferBuilder::new(0) }
    }

    fn push(&mut self, value: T::Native) {
        self.values.push(value);
        self.valid.append_non_null();
    }

    fn push_missing(&mut self) {
        self.values.push(T::Native::default());
        self.valid.append_null();
    }

    fn finish(&mut self, data_type: DataType) -> ArrayRef {
        let room = Vec::with_capacity(self.values.len());
        let values = std::mem::replace(&mut self.values, room);
        let array = PrimitiveArray::<T>::new(values.into(), self.valid.finish());
        Arc::new(array.with_data_type(data_type))
    }
}

pub(in crate::ingest) enum Cells {
    Int(Values<Int64Type>),
    Float(Values<Float64Type>),
    Bool(BooleanBuilder),
    Date(Values<Date32Type>),
    Micros { array: Values<TimestampMicrosecondType>, zoned: bool },
    Nanos { array: Values<TimestampNanosecondType>, zoned: bool },
    Text(StringBuilder),
}

impl Cells {
    pub(in crate::ingest) fn new(data_type: Type) -> Self {
        match data_type {
            Type::Int => Self::Int(Values::new()),
            Type::Float => Self::Float(Values::new()),
            Type::Bool => Self::Bool(BooleanBuilder::new()),
            Type::Date => Self::Date(Values::new()),
            Type::Timestamp { nanos: true, zoned } => Self::Nanos { array: Values::new(), zoned },
            Type::Timestamp { nanos: false, zoned } => Self::Micros { array: Values::new(), zoned },
            Type::Text => Self::Text(StringBuilder::new()),
        }
    }

    pub(in crate::ingest) fn push_missing(&mut self) {
        match self {
            Self::Int(b) => b.push_missing(),
            Self::Float(b) => b.push_missing(),
            Self::Bool(b) => b.append_null(),
            Self::Date(b) => b.push_missing(),
            Self::Micros { array, .. } => array.push_missing(),
            Self::Nanos { array, .. } => array.push_missing(),
            Self::Text(b) => b.append_null(),
        }
    }

    /// False when the cell is not what the first pass saw.
    pub(in crate::ingest) fn push(&mut self, cell: &[u8]) -> bool {
        match self {
            Self::Int(b) => int_value(trim(cell)).map(|v| b.push(v)),
            Self::Float(b) => float_value(trim(cell)).map(|v| b.push(v)),
            Self::Bool(b) => bool_value(trim(cell)).map(|v| b.append_value(v)),
            Self::Date(b) => date_value(trim(cell)).map(|v| b.push(v)),
            Self::Micros { array, .. } => moment(trim(cell)).map(|(m, _)| array.push(m.micros())),
            Self::Nanos { array, .. } => {
                moment(trim(cell)).and_then(|(m, _)| m.nanos()).map(|v| array.push(v))
            }
            Self::Text(b) => std::str::from_utf8(cell).ok().map(|v| b.append_value(v)),
        }
        .is_some()
    }

    /// Takes in what a cell says already; false when that is of another type.
    fn push_promised(&mut self, promised: Promised<'_>) -> bool {
        match (self, promised) {
            (_, Promised::Broken) => return false,
            (cells, Promised::Missing) => cells.push_missing(),
            (Self::Int(b), Promised::Int(v)) => b.push(v),
            (Self::Float(b), Promised::Float(v)) => b.push(v),
            (Self::Bool(b), Promised::Bool(v)) => b.append_value(v),
            (Self::Date(b), Promised::Moment(m, false)) => b.push(m.days),
            (Self::Micros { array, zoned }, Promised::Moment(m, has_time))
                if !m.is_fine() && fits(m, has_time, *zoned) =>
            {
                array.push(m.micros());
            }
            (Self::Nanos { array, zoned }, Promised::Moment(m, has_time)) if fits(m, has_time, *zoned) => {
                return m.nanos().map(|v| array.push(v)).is_some();
            }
            (Self::Text(b), Promised::Text(cell)) => {
                return std::str::from_utf8(cell).map(|v| b.append_value(v)).is_ok();
            }
            _ => return false,
        }
        true
    }

    /// Takes in a cell of a column whose type was asked for; false when it does not fit.
    pub(in crate::ingest) fn push_asked(&mut self, cell: &[u8]) -> bool {
        let cell = trim(cell);
        match self {
            Self::Int(b) => asked::int(cell).map(|v| b.push(v)),
            Self::Float(b) => asked::float(cell).map(|v| b.push(v)),
            Self::Bool(b) => asked::boolean(cell).map(|v| b.append_value(v)),
            Self::Date(b) => asked::date(cell).map(|v| b.push(v)),
            Self::Micros { array, zoned } => asked::micros(cell, *zoned).map(|v| array.push(v)),
            Self::Nanos { array, zoned } => asked::nanos(cell, *zoned).map(|v| array.push(v)),
            Self::Text(b) => std::str::from_utf8(cell).ok().map(|v| b.append_value(v)),
        }
        .is_some()
    }

    pub(in crate::ingest) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int(b) => b.finish(DataType::Int64),
            Self::Float(b) => b.finish(DataType::Float64),
            Self::Bool(b) => Arc::new(b.finish()),
            Self::Date(b) => b.finish(DataType::Date32),
            Self::Micros { array, zoned } => {
                array.finish(arrow_type(Type::Timestamp { zoned: *zoned, nanos: false }))
            }
            Self::Nanos { array, zoned } => {
                array.finish(arrow_type(Type::Timestamp { zoned: *zoned, nanos: true }))
            }
            Self::Text(b) => Arc::new(b.finish()),
        }
    }
}

/// Whether a moment belongs to a column of timestamps with or without zones; a date is one without.
fn fits(moment: Moment, has_time: bool, zoned: bool) -> bool {
    if zoned { has_time && moment.zone.is_some() } else { moment.zone.is_none() }
}

pub(in crate::ingest) fn arrow_type(data_type: Type) -> DataType {
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
pub(in crate::ingest) fn schema(names: &[String], plans: &[Plan]) -> SchemaRef {
    let fields =
        names.iter().zip(plans).map(|(name, plan)| Field::new(name, arrow_type(plan.data_type), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Gathers rows until a batch is full.
pub(in crate::ingest) struct Batcher<'a> {
    schema: SchemaRef,
    plans: &'a [Plan],
    markers: &'a Markers,
    columns: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

impl<'a> Batcher<'a> {
    pub(in crate::ingest) fn new(schema: SchemaRef, plans: &'a [Plan], markers: &'a Markers) -> Self {
        let columns = plans.iter().map(|p| Cells::new(p.data_type)).collect();
        Self { schema, plans, markers, columns, rows: 0, bytes: 0 }
    }

    /// Takes a row in. Fields beyond the columns are dropped and those that lack are missing, which
    /// only a file read with ragged rows allowed can have. `line` is where the row is in the file.
    ///
    /// # Errors
    ///
    /// When a cell does not fit the type asked for and that is not allowed, and when a column does not
    /// hold what it held before.
    pub(in crate::ingest) fn push<'f>(
        &mut self,
        fields: impl Iterator<Item = (&'f [u8], bool)>,
        line: u64,
        wanted: &mut Wanted,
    ) -> Result<(), Stop> {
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
            } else if !(if plan.asked { cells.push_asked(cell) } else { cells.push(cell) }) {
                wanted.unfit(at - 1, line, cell)?;
                cells.push_missing();
            }
        }
        for cells in &mut self.columns[at..] {
            cells.push_missing();
        }
        self.rows += 1;
        Ok(())
    }

    /// Takes a row in while it is being looked at for the first time. False where a cell is not what the rows before
    /// it promised: all cells were seen then, and what was gathered is of no use any more.
    pub(in crate::ingest) fn push_promised<'f>(
        &mut self,
        fields: impl Iterator<Item = (&'f [u8], bool)>,
        seen: &mut [Profile],
    ) -> bool {
        let mut kept = true;
        let mut at = 0;
        let columns = self.columns.iter_mut().zip(self.plans).zip(seen.iter_mut());
        for ((cell, quoted), ((cells, plan), profile)) in fields.zip(columns) {
            at += 1;
            self.bytes += cell.len();
            kept &= cells.push_promised(profile.see_promised(cell, quoted, self.markers, plan));
        }
        for (cells, profile) in self.columns[at..].iter_mut().zip(&mut seen[at..]) {
            profile.see_empty(1, self.markers);
            cells.push_missing();
        }
        self.rows += 1;
        kept
    }

    pub(in crate::ingest) fn is_full(&self) -> bool {
        // Wide tables fill a batch sooner: every cell takes eight bytes or more, text or not.
        self.rows >= ROWS || self.bytes + self.rows * self.columns.len() * 8 >= BYTES
    }

    pub(in crate::ingest) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows gathered, which begin anew.
    pub(in crate::ingest) fn take(&mut self) -> Result<RecordBatch, datafusion::arrow::error::ArrowError> {
        self.rows = 0;
        self.bytes = 0;
        let arrays = self.columns.iter_mut().map(Cells::finish).collect();
        RecordBatch::try_new(self.schema.clone(), arrays)
    }
}
