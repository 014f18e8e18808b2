//! Columns and the names of their types.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, Schema};
use serde::{Deserialize, Serialize};

/// A column of a table or of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Unique within the table; an answer may repeat a name.
    pub name: String,
    /// `int`, `float`, `bool`, `date`, `timestamp`, `timestamptz` or `text`; from files that have such types,
    /// and in an answer, also `decimal`, `time`, `interval`, `list`, `struct` and `binary`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether a value may be missing; in a table whether one is.
    pub nullable: bool,
    /// How many cells each marker took as missing, by marker. Empty in an answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, u64>,
    /// How many cells did not fit the type that was asked for, and are missing. None in an answer.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unfit: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Column {
    /// A column that nothing is missing from.
    pub fn new(name: impl Into<String>, data_type: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data_type: data_type.into(),
            nullable: false,
            missing: BTreeMap::new(),
            unfit: 0,
        }
    }
}

/// The columns of an answer with that schema.
pub(crate) fn of(schema: &Schema) -> Vec<Column> {
    let fields = schema.fields().iter();
    fields
        .map(|f| Column {
            nullable: f.is_nullable(),
            ..Column::new(f.name().as_str(), type_name(f.data_type()))
        })
        .collect()
}

/// The name that a type goes by outside of the engine.
pub fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "bool",
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => "int",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "float",
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "decimal",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamptz",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary"
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => "list",
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => "struct",
        DataType::Dictionary(_, value) => type_name(value),
        DataType::RunEndEncoded(_, value) => type_name(value.data_type()),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
    }
}
