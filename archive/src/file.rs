//! One Parquet file: written row by row, read batch by batch.

use std::{io, ops::Range, sync::Arc};

use bytes::Bytes;
use datafusion::{
    arrow::array::RecordBatch,
    parquet::{
        arrow::{
            ArrowWriter, ParquetRecordBatchStreamBuilder,
            arrow_reader::ArrowReaderOptions,
            async_reader::{AsyncFileReader, ParquetRecordBatchStream},
            async_writer::AsyncArrowWriter,
        },
        basic::Compression,
        errors::{ParquetError, Result},
        file::{
            metadata::{ParquetMetaData, ParquetMetaDataReader},
            properties::WriterProperties,
        },
    },
};
use futures::{FutureExt, future::BoxFuture};
use object_store::{ObjectStoreExt, buffered::BufWriter, path::Path};
use weir_events::Stored;
use weir_infra::blob::Blobs;

use crate::rows::{SCHEMA, batch};

/// Rows of a row group: what a reader has of a file in memory at a time, besides what it was read for.
const GROUP: usize = 8_192;

fn properties() -> WriterProperties {
    // As the engine's tables: LZ4 costs next to nothing, and every part that reads Parquet knows it.
    WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_max_row_group_row_count(Some(GROUP))
        .build()
}

/// Writes events into a Parquet file as they come. Memory is one row group's.
pub struct Writer<W: io::Write + Send>(ArrowWriter<W>);

impl<W: io::Write + Send> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn new(out: W) -> Result<Self> {
        ArrowWriter::try_new(out, SCHEMA.clone(), Some(properties())).map(Self)
    }

    /// Adds events.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, events: &[Stored]) -> Result<()> {
        self.0.write(&batch(events)?)
    }

    /// Ends the file, without which it is none.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn finish(self) -> Result<W> {
        self.0.into_inner()
    }
}

/// A file in the blob store in the making; dropped before its end, it never is there.
pub(crate) struct Upload(AsyncArrowWriter<BufWriter>);

impl Upload {
    pub(crate) fn new(blobs: &Blobs, key: &Path) -> Result<Self> {
        let out = BufWriter::new(Arc::clone(blobs), key.clone());
        AsyncArrowWriter::try_new(out, SCHEMA.clone(), Some(properties())).map(Self)
    }

    pub(crate) async fn write(&mut self, events: &[Stored]) -> Result<()> {
        self.0.write(&batch(events)?).await
    }

    /// Ends it; its size in bytes.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        self.0.finish().await?;
        Ok(self.0.bytes_written() as u64)
    }
}

/// A file of the store, for the Parquet reader.
pub(crate) struct Object {
    blobs: Blobs,
    key: Path,
}

fn store(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for Object {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.blobs.get_range(&self.key, range).await.map_err(store) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.blobs.get_ranges(&self.key, &ranges).await.map_err(store) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let size = self.blobs.head(&self.key).await.map_err(store)?.size;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

/// Opens a file of the store.
pub(crate) async fn open(blobs: &Blobs, key: &str, rows: usize) -> Result<ParquetRecordBatchStream<Object>> {
    let reader = Object { blobs: Arc::clone(blobs), key: Path::from(key) };
    ParquetRecordBatchStreamBuilder::new(reader).await?.with_batch_size(rows).build()
}

/// What a stream of batches gives.
pub(crate) type Batches = ParquetRecordBatchStream<Object>;

/// The events of a batch.
pub(crate) fn events(batch: &RecordBatch) -> std::result::Result<Vec<Stored>, crate::Error> {
    Ok(crate::rows::events(batch)?)
}
