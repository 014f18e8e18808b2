//! The table that every file ends in: one Parquet file.
//!
//! The only place that knows how tables are written. Every batch of every format goes through
//! [`Table::write`], in order. Profile and file are made on a thread of their own while the next batch
//! is being read.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};

use super::Rejection;
use super::blob::Writer;
use super::groups::TableWriter;
use super::job::{Job, failed};
use super::text::Stop;
use crate::profile::{Profile, Profiler};

/// Bytes of values that the writer gets at a time; it looks at a row group's size only in between.
const PIECE_BYTES: usize = 16 << 20;
/// Bytes of values in one row, which the writer cannot get in pieces.
const ROW_BYTES: usize = 256 << 20;
/// Batches that wait for the writer. Each has at most some tens of megabytes, and mostly far less.
const WAITING: usize = 1;

/// A table in the making. It appears when [`Table::finish`] succeeds, and never when it is dropped before.
/// Where a job has no table to write, the rows are counted and that is all.
pub(super) struct Table {
    writing: Option<Writing>,
    rows: u64,
}

/// The thread that writes. It ends when there is nobody who could send it more.
struct Writing {
    batches: Option<SyncSender<RecordBatch>>,
    thread: Option<JoinHandle<Result<Unfinished, Stop>>>,
}

/// A table that has all its rows, and does not appear yet.
struct Unfinished {
    writer: TableWriter<Writer>,
    profiler: Profiler,
}

/// A table that was written.
pub(super) struct Written {
    pub(super) rows: u64,
    /// Its bytes in the store.
    pub(super) bytes: u64,
    /// What its columns hold.
    pub(super) profile: Profile,
}

impl Table {
    pub(super) fn create(job: &Job, schema: SchemaRef) -> Result<Self, Stop> {
        let Some(path) = &job.table else { return Ok(Self { writing: None, rows: 0 }) };
        let writer = Writer::create(&job.source, path).map_err(failed)?;
        let profiler = Profiler::new(&schema);
        let writer = TableWriter::new(writer, schema).map_err(failed)?;
        let (batches, coming) = sync_channel(WAITING);
        let table = Unfinished { writer, profiler };
        let thread = std::thread::Builder::new().name("weir-table".into());
        let thread = thread.spawn(move || table.write_all(&coming)).map_err(failed)?;
        Ok(Self { writing: Some(Writing { batches: Some(batches), thread: Some(thread) }), rows: 0 })
    }

    /// Takes in the next rows. That they could not be written shows with the ones after them.
    pub(super) fn write(&mut self, batch: RecordBatch) -> Result<(), Stop> {
        self.rows += batch.num_rows() as u64;
        let Some(writing) = &mut self.writing else { return Ok(()) };
        match writing.batches.as_ref().map(|batches| batches.send(batch)) {
            Some(Ok(())) => Ok(()),
            // It is gone, because it failed.
            _ => writing.end().and_then(|_| Err(Stop::Failed("the table was written already".into()))),
        }
    }

    /// Makes the table appear.
    pub(super) fn finish(self) -> Result<Written, Stop> {
        let (bytes, profile) = match self.writing {
            Some(mut writing) => {
                let Unfinished { writer, profiler } = writing.end()?;
                (writer.finish().map_err(failed)?.finish().map_err(failed)?, profiler.finish())
            }
            None => (0, Profiler::new(&Schema::empty()).finish()),
        };
        Ok(Written { rows: self.rows, bytes, profile })
    }
}

impl Writing {
    /// Waits until all that was sent is written.
    fn end(&mut self) -> Result<Unfinished, Stop> {
        self.batches = None;
        let Some(thread) = self.thread.take() else { return Err(Stop::Failed("nothing is written".into())) };
        match thread.join() {
            Ok(written) => written,
            // What is behind it is the engine's fault, as it would be on the thread that reads.
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // Nothing of it may be there any more when the job has ended.
            let _ = thread.join();
        }
    }
}

impl Unfinished {
    fn write_all(mut self, coming: &Receiver<RecordBatch>) -> Result<Self, Stop> {
        while let Ok(batch) = coming.recv() {
            self.profiler.add(&batch);
            write_pieces(&mut self.writer, &batch)?;
        }
        Ok(self)
    }
}

fn write_pieces(writer: &mut TableWriter<Writer>, batch: &RecordBatch) -> Result<(), Stop> {
    let rows = batch.num_rows();
    let bytes: usize = batch.columns().iter().map(value_bytes).sum();
    if bytes <= PIECE_BYTES {
        return writer.write(batch).map_err(failed);
    }
    if rows == 1 {
        // A few bytes of a file can stand for a list of any number of large texts.
        if bytes > ROW_BYTES {
            let detail = format!("A row takes more than {ROW_BYTES} bytes as columns.");
            return Err(Rejection::new("row_too_large", detail).into());
        }
        return writer.write(batch).map_err(failed);
    }
    let half = rows / 2;
    write_pieces(writer, &batch.slice(0, half))?;
    write_pieces(writer, &batch.slice(half, rows - half))
}

/// Bytes of all values, as often as they come. A view or a slice takes far less memory than that, which is
/// why Arrow's own figures do not do here.
pub(super) fn value_bytes(array: &Arc<dyn Array>) -> usize {
    let rows = array.len();
    let spread = |offsets: &[i32]| match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => (*first as usize, (last - first) as usize),
        _ => (0, 0),
    };
    match array.data_type() {
        DataType::Utf8 => spread(array.as_string::<i32>().value_offsets()).1 + 4 * rows,
        DataType::Binary => spread(array.as_binary::<i32>().value_offsets()).1 + 4 * rows,
        DataType::Utf8View => array.as_string_view().lengths().map(|n| n as usize).sum::<usize>() + 16 * rows,
        DataType::BinaryView => {
            array.as_binary_view().lengths().map(|n| n as usize).sum::<usize>() + 16 * rows
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (first, length) = spread(list.value_offsets());
            value_bytes(&list.values().slice(first, length)) + 4 * rows
        }
        DataType::Struct(_) => rows + array.as_struct().columns().iter().map(value_bytes).sum::<usize>(),
        other => other.primitive_width().unwrap_or(16) * rows,
    }
}
