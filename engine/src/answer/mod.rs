//! An answer in memory, and the forms in which it leaves.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;

use crate::{Column, type_name};

mod arrow;
mod csv;
mod json;

/// The rows that answer a query, bounded by its limits.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Names and types of the columns, as Arrow has them.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// How many rows.
    pub rows: u64,
    /// Their size in memory, in bytes.
    pub bytes: u64,
    /// Whether a limit cut rows off.
    pub truncated: bool,
    /// SHA-256 over column names, types and values in order, in hex: equal for equal answers.
    pub hash: String,
}

/// Why an answer could not be written or read in some form.
#[derive(Debug, thiserror::Error)]
#[error("the answer could not be encoded: {0}")]
pub struct EncodeError(pub(crate) String);

impl From<datafusion::arrow::error::ArrowError> for EncodeError {
    fn from(e: datafusion::arrow::error::ArrowError) -> Self {
        Self(e.to_string())
    }
}

impl From<datafusion::parquet::errors::ParquetError> for EncodeError {
    fn from(e: datafusion::parquet::errors::ParquetError) -> Self {
        Self(e.to_string())
    }
}

impl From<std::io::Error> for EncodeError {
    fn from(e: std::io::Error) -> Self {
        Self(e.to_string())
    }
}

impl Answer {
    /// The columns by name and type.
    pub fn columns(&self) -> Vec<Column> {
        let fields = self.schema.fields().iter();
        fields
            .map(|f| Column {
                nullable: f.is_nullable(),
                ..Column::new(f.name().as_str(), type_name(f.data_type()))
            })
            .collect()
    }
}
