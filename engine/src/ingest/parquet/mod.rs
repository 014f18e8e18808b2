//! Parquet: read, and written again.
//!
//! A file from elsewhere is never queried as it is: it can be written in any way, and say anything of
//! itself. It is read a batch at a time and goes through the same writer as every other format, so that what
//! is queried later is the engine's own.
//!
//! What the file says is checked before anything makes room for it: the footer's structure (`thrift`),
//! where its columns lie, how many rows and values it announces, and every page (`pages`).

use std::any::Any;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::basic::{Compression, Type as Physical};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use datafusion::parquet::file::reader::{ChunkReader, Length};

use super::blob::Source;
use super::cells::excerpt;
use super::columnar::{Columns, DEPTH};
use super::job::Job;
use super::text::Stop;
use super::{Ingested, Phase, Rejection};

mod pages;
mod thrift;

/// The largest footer.
const FOOTER: u64 = 32 << 20;
/// Rows of a batch at most, and bytes of one as far as can be told before.
const ROWS: u64 = 8 << 10;
const BYTES: u64 = 8 << 20;

pub(super) fn read(job: &Job) -> Result<Ingested, Stop> {
    // The library panics on some files that contradict themselves: the file's fault, now and later.
    catch_unwind(AssertUnwindSafe(|| guarded(job)))
        .unwrap_or_else(|_: Box<dyn Any + Send>| Err(damaged("The file contradicts itself.")))
}

fn guarded(job: &Job) -> Result<Ingested, Stop> {
    let ranges = Ranges::new(job.source.clone());
    let (metadata, data_end) = footer(job, &ranges)?;
    check(job, &metadata)?;
    let metadata = Arc::new(metadata);
    let read = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ArrowReaderMetadata::try_new(metadata.clone(), read).map_err(|e| parquet_error(&e))?;
    let schema = viewed(plain.schema(), &metadata);
    let read = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_schema(Arc::new(schema));
    let as_views = ArrowReaderMetadata::try_new(metadata.clone(), read).map_err(|e| parquet_error(&e))?;

    let mut columns = Columns::new(job, as_views.schema())?;
    let mut unpacked = 0u64;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() == 0 {
            continue;
        }
        let measured = pages::check(&ranges, group, data_end)?;
        unpacked = unpacked.saturating_add(measured.unpacked);
        let most = job.limits.unpacked_bytes;
        if unpacked > most {
            let detail = format!("The file unpacks to more than {most} bytes.");
            return Err(Rejection::new("file_too_large", detail).into());
        }
        let before = columns.rows();
        let rows = group.num_rows().unsigned_abs();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(ranges.clone(), as_views.clone())
            .with_row_groups(vec![index])
            .with_batch_size(batch_rows(rows, &measured))
            .build()
            .map_err(|e| parquet_error(&e))?;
        for batch in reader {
            let batch: RecordBatch = batch.map_err(|e| match ranges.failure() {
                Some(stop) => stop,
                None => {
                    tracing::debug!(error = %e, "a Parquet file could not be read");
                    damaged("A page of the file is damaged.")
                }
            })?;
            columns.write(&batch)?;
            job.report_bytes(Phase::Writing, 0, columns.rows())?;
        }
        if columns.rows() - before != rows {
            return Err(damaged("A row group does not have as many rows as the file says."));
        }
    }
    job.report_bytes(Phase::Writing, job.source.size, columns.rows())?;
    columns.finish("parquet")
}

/// Rows of a batch, so that it takes a few megabytes as far as that can be told.
fn batch_rows(rows: u64, measured: &pages::Measured) -> usize {
    let average = (measured.unpacked / rows.max(1)).max(1);
    let mut most = (BYTES / average).clamp(64, ROWS);
    if let Some(few) = (BYTES * 8).checked_div(measured.longest) {
        most = most.min(few.max(1));
    }
    usize::try_from(most).unwrap_or(64)
}

/// The footer, and where the data in front of it end.
fn footer(job: &Job, ranges: &Ranges) -> Result<(ParquetMetaData, u64), Stop> {
    let cut = || damaged("The file does not end as a Parquet file does; it was probably not uploaded whole.");
    let size = job.source.size;
    if size < 12 {
        return Err(cut());
    }
    let tail = ranges.read(size - 8, 8).map_err(store_error)?;
    if tail.ends_with(b"PARE") {
        return Err(Rejection::new("encrypted_file", "The file is encrypted.").into());
    }
    if !tail.ends_with(b"PAR1") {
        return Err(cut());
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if length > size - 12 {
        return Err(damaged("The file says that its description is larger than the file."));
    }
    if length > FOOTER {
        let detail = format!("The file's description of itself is larger than {FOOTER} bytes.");
        return Err(Rejection::new("row_group_too_large", detail).into());
    }
    let data_end = size - 8 - length;
    let footer = ranges.read(data_end, length).map_err(store_error)?;
    // Columns that are too many are told of as such later, when they can be counted.
    let columns = job.limits.columns.saturating_mul(16);
    thrift::check_footer(&footer, DEPTH, columns)
        .map_err(|_| damaged("The file's description of itself is damaged, too deep or too wide."))?;
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(|e| parquet_error(&e))?;
    Ok((metadata, data_end))
}

/// What can be checked without reading any data.
fn check(job: &Job, metadata: &ParquetMetaData) -> Result<(), Stop> {
    let schema = metadata.file_metadata().schema_descr();
    job.check_columns(schema.num_columns())?;
    let mut rows = 0i64;
    for group in metadata.row_groups() {
        if group.num_rows() < 0 || group.num_columns() != schema.num_columns() {
            return Err(damaged("A row group is not as the file says."));
        }
        rows = rows
            .checked_add(group.num_rows())
            .ok_or_else(|| damaged("The file has more rows than can be."))?;
        for chunk in group.columns() {
            let column = chunk.column_descr();
            if chunk.column_type() != column.physical_type() {
                return Err(corrupt("A column is not of the type that the file says.", chunk));
            }
            let most = job.limits.cell_bytes;
            if column.physical_type() == Physical::FIXED_LEN_BYTE_ARRAY
                && usize::try_from(column.type_length()).is_ok_and(|length| length > most)
            {
                let detail = format!("A value is larger than {most} bytes.");
                return Err(Rejection::new("cell_too_large", detail).column(column.path().string()).into());
            }
            if chunk.compression() == Compression::LZO {
                let detail =
                    "The file is compressed with LZO, which is not read: write it with another codec.";
                return Err(Rejection::new("unsupported_type", detail).into());
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err(damaged("The row groups do not have as many rows as the file says."));
    }
    Ok(())
}

/// The schema with texts as views into the pages, where one that comes a million times takes its room once;
/// and old timestamps in microseconds, in which every date can be said.
fn viewed(schema: &Schema, metadata: &ParquetMetaData) -> Schema {
    let root = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let fields = schema.fields().iter().zip(root).map(|(field, column)| {
        if column.is_primitive() && column.get_physical_type() == Physical::INT96 {
            return Arc::new(
                field.as_ref().clone().with_data_type(DataType::Timestamp(TimeUnit::Microsecond, None)),
            );
        }
        view(field)
    });
    Schema::new(fields.collect::<Vec<FieldRef>>())
}

fn view(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(view).collect()),
        DataType::List(item) => DataType::List(view(item)),
        DataType::Map(entries, sorted) => DataType::Map(view(entries), *sorted),
        _ => return field.clone(),
    };
    let changed: Field = field.as_ref().clone().with_data_type(data_type);
    Arc::new(changed)
}

fn damaged(detail: &str) -> Stop {
    Rejection::new("corrupt_file", detail).into()
}

fn corrupt(detail: &str, chunk: &ColumnChunkMetaData) -> Stop {
    let column = excerpt(chunk.column_descr().path().string().as_bytes());
    Rejection::new("corrupt_file", detail).column(column).into()
}

fn parquet_error(e: &ParquetError) -> Stop {
    tracing::debug!(error = %e, "a Parquet file could not be read");
    damaged("The file's description of itself is damaged, or speaks of things that are not known.")
}

fn store_error(e: io::Error) -> Stop {
    Stop::Failed(e.to_string())
}

/// Bytes per request to the store, and pieces that are remembered: pages of many columns are read in turn.
const PIECE: u64 = 1 << 20;
const PIECES: usize = 64;

/// A stored file, read in pieces wherever the library wants to.
#[derive(Clone)]
struct Ranges {
    source: Source,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// The newest last.
    pieces: VecDeque<(u64, Bytes)>,
    /// What the store said when it failed, which the library does not hand on.
    failure: Option<String>,
}

impl Ranges {
    fn new(source: Source) -> Self {
        Self { source, shared: Arc::default() }
    }

    fn failure(&self) -> Option<Stop> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.failure.take().map(Stop::Failed)
    }

    /// The piece that begins here.
    fn piece(&self, begin: u64) -> io::Result<Bytes> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = shared.pieces.iter().position(|(b, _)| *b == begin)
            && let Some(found) = shared.pieces.remove(at)
        {
            shared.pieces.push_back(found.clone());
            return Ok(found.1);
        }
        let end = (begin + PIECE).min(self.source.size);
        let bytes = self.source.range(begin..end).inspect_err(|e| shared.failure = Some(e.to_string()))?;
        if shared.pieces.len() >= PIECES {
            shared.pieces.pop_front();
        }
        shared.pieces.push_back((begin, bytes.clone()));
        Ok(bytes)
    }

    /// Bytes that must be there; more than the file has are refused before room is made for them.
    fn read(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let end = start.checked_add(length).filter(|end| *end <= self.source.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let begin = start / PIECE * PIECE;
        let within = |n: u64| usize::try_from(n).map_err(io::Error::other);
        if end <= begin + PIECE {
            return Ok(self.piece(begin)?.slice(within(start - begin)?..within(end - begin)?));
        }
        let mut out = Vec::with_capacity(within(length)?);
        let mut at = start;
        while at < end {
            let begin = at / PIECE * PIECE;
            let piece = self.piece(begin)?;
            let part = &piece[within(at - begin)?..within((end - begin).min(piece.len() as u64))?];
            out.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(out.into())
    }
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.source.size
    }
}

impl ChunkReader for Ranges {
    type T = From;

    fn get_read(&self, start: u64) -> Result<From, ParquetError> {
        Ok(From { ranges: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.read(start, length as u64).map_err(|e| ParquetError::General(e.to_string()))
    }
}

/// A file from some place on.
struct From {
    ranges: Ranges,
    at: u64,
}

impl Read for From {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.ranges.source.size || out.is_empty() {
            return Ok(0);
        }
        let begin = self.at / PIECE * PIECE;
        let piece = self.ranges.piece(begin)?;
        let there = &piece[usize::try_from(self.at - begin).map_err(io::Error::other)?..];
        let amount = there.len().min(out.len());
        out[..amount].copy_from_slice(&there[..amount]);
        self.at += amount as u64;
        Ok(amount)
    }
}
