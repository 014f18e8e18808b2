//! Answers as Arrow and Parquet.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::{Answer, EncodeError};

/// Where a stream says whether it is the whole answer.
const TRUNCATED: &str = "weir.truncated";
/// Where a stream says how large the answer was in memory: read back it lies there in another way.
const BYTES: &str = "weir.bytes";
/// Where a stream says what the answer's hash was.
const HASH: &str = "weir.hash";

impl Answer {
    /// The rows as a Parquet file.
    ///
    /// # Errors
    ///
    /// When a type has no Parquet form.
    pub fn to_parquet(&self) -> Result<Vec<u8>, EncodeError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(crate::ENGINE.to_owned())
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), self.schema.clone(), Some(properties))?;
        for batch in &self.batches {
            writer.write(batch)?;
        }
        Ok(writer.into_inner()?)
    }

    /// The whole answer as an Arrow IPC stream, which [`Answer::from_arrow_stream`] reads back.
    ///
    /// # Errors
    ///
    /// When a type has no Arrow IPC form.
    pub fn to_arrow_stream(&self) -> Result<Vec<u8>, EncodeError> {
        let mut metadata = self.schema.metadata().clone();
        metadata.insert(TRUNCATED.to_owned(), self.truncated.to_string());
        metadata.insert(BYTES.to_owned(), self.bytes.to_string());
        metadata.insert(HASH.to_owned(), self.hash.clone());
        let schema = Arc::new(Schema::new_with_metadata(self.schema.fields().clone(), metadata));
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        for batch in &self.batches {
            writer.write(&batch.clone().with_schema(schema.clone())?)?;
        }
        Ok(writer.into_inner()?)
    }

    /// Reads back what [`Answer::to_arrow_stream`] wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are something else, or hold another answer than was written.
    pub fn from_arrow_stream(bytes: &[u8]) -> Result<Self, EncodeError> {
        let reader = StreamReader::try_new(bytes, None)?;
        let mut metadata = reader.schema().metadata().clone();
        let truncated = metadata.remove(TRUNCATED).is_some_and(|v| v == "true");
        let size = metadata.remove(BYTES).and_then(|v| v.parse().ok());
        let hash = metadata.remove(HASH);
        let schema = Arc::new(Schema::new_with_metadata(reader.schema().fields().clone(), metadata));
        let batches = reader
            .map(|batch| {
                // The batch's own metadata can only be shed by building it anew.
                let batch = batch?;
                let rows = datafusion::arrow::array::RecordBatchOptions::new()
                    .with_row_count(Some(batch.num_rows()));
                datafusion::arrow::array::RecordBatch::try_new_with_options(
                    schema.clone(),
                    batch.columns().to_vec(),
                    &rows,
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut answer = Self::new(schema, batches, truncated)?;
        if hash.is_some_and(|hash| hash != answer.hash) {
            return Err(EncodeError("these are not the rows that were written".to_owned()));
        }
        answer.bytes = size.unwrap_or(answer.bytes);
        Ok(answer)
    }
}
