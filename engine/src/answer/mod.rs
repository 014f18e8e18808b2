//! An answer in memory, and the forms in which it leaves.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;

use sha2::{Digest, Sha256};

use crate::{Column, column};

mod arrow;
mod csv;
mod json;

pub use json::JsonRows;
pub(crate) use json::{number, values};

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
    /// An answer of these rows.
    pub(crate) fn new(
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        truncated: bool,
    ) -> Result<Self, EncodeError> {
        let rows = batches.iter().map(|b| b.num_rows() as u64).sum();
        let bytes = batches.iter().map(|b| b.get_array_memory_size() as u64).sum();
        let mut answer = Self { schema, batches, rows, bytes, truncated, hash: String::new() };
        let mut hasher = Hasher(Sha256::new());
        for column in answer.columns() {
            serde_json::to_writer(&mut hasher, &(&column.name, &column.data_type))
                .map_err(|e| EncodeError(e.to_string()))?;
        }
        answer.write_json_rows(&mut hasher)?;
        answer.hash = hasher.0.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(answer)
    }

    /// The columns by name and type.
    pub fn columns(&self) -> Vec<Column> {
        column::of(&self.schema)
    }
}

/// Hashes what is written to it.
struct Hasher(Sha256);

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
