//! Arrow IPC: streams, and files, which hold a stream between two marks.
//!
//! Messages are read in order, one in memory at a time. Each is checked before the library gets it
//! (`message`), since it makes room for what a message announces. A file's footer says where its messages
//! are; it is passed over, since they come in the same order without it.

use std::any::Any;
use std::io::{BufRead, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamDecoder;

use super::blob::Reader;
use super::columnar::{Columns, longest};
use super::job::Job;
use super::text::Stop;
use super::{Ingested, Phase, Rejection};

mod message;

/// How messages are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// With marks and a footer.
    File,
    /// One after the other.
    Stream,
}

/// What a file begins with, padded.
const MARK: u64 = 8;
/// What it is padded to at most.
const PADDING: u64 = 64;
/// What stands in front of a message's length.
const GOES_ON: [u8; 4] = [0xff; 4];
/// Rows that are worked on at a time, and bytes where one text comes in all of them.
const ROWS: usize = 8 << 10;
const BYTES: usize = 64 << 20;

pub(super) fn read(job: &Job, form: Form) -> Result<Ingested, Stop> {
    // The library panics on some files that contradict themselves: the file's fault, now and later.
    catch_unwind(AssertUnwindSafe(|| Messages::new(job, form)?.run()))
        .unwrap_or_else(|_: Box<dyn Any + Send>| Err(damaged("The file contradicts itself.")))
}

fn damaged(detail: &str) -> Stop {
    Rejection::new("corrupt_file", detail).into()
}

fn cut() -> Stop {
    damaged("The file ends too early; it was probably not uploaded whole.")
}

struct Messages<'a> {
    job: &'a Job,
    form: Form,
    stored: Reader,
    consumed: Arc<AtomicU64>,
    limits: message::Limits,
    decoder: StreamDecoder,
    columns: Option<Columns<'a>>,
}

impl<'a> Messages<'a> {
    fn new(job: &'a Job, form: Form) -> Result<Self, Stop> {
        let consumed = Arc::<AtomicU64>::default();
        let mut stored = Reader::new(&job.source, consumed.clone());
        if form == Form::File {
            let mut mark = [0; MARK as usize];
            exact(&mut stored, &mut mark)?;
            // Some put more blanks behind it, so that messages begin at a round place.
            for _ in 0..PADDING / MARK {
                let next = stored.fill_buf().map_err(store_error)?;
                if !next.starts_with(&[0; MARK as usize]) {
                    break;
                }
                stored.consume(MARK as usize);
            }
        }
        let limits = message::Limits::default();
        Ok(Self { job, form, stored, consumed, limits, decoder: StreamDecoder::new(), columns: None })
    }

    fn run(mut self) -> Result<Ingested, Stop> {
        while let Some(message) = self.next()? {
            self.decode(message)?;
        }
        // A message without body is not looked at before more follows.
        self.decode([GOES_ON, [0; 4]].concat())?;
        let columns = self.columns.ok_or_else(|| damaged("The file does not say which columns it has."))?;
        self.job.report(Phase::Writing, &self.consumed, columns.rows())?;
        columns.finish("arrow")
    }

    fn decode(&mut self, message: Vec<u8>) -> Result<(), Stop> {
        let mut buffer = Buffer::from_vec(message);
        while !buffer.is_empty() {
            let batch = self.decoder.decode(&mut buffer).map_err(|e| arrow_error(&e))?;
            if let Some(schema) = self.decoder.schema()
                && self.columns.is_none()
            {
                self.columns = Some(Columns::new(self.job, &schema)?);
            }
            if let Some(batch) = batch {
                self.write(&batch)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Stop> {
        let Some(columns) = &mut self.columns else { return Err(damaged("Rows come before the columns.")) };
        let text = batch.columns().iter().map(longest).max().unwrap_or(0).max(1);
        let most = (BYTES / text).clamp(1, ROWS);
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = most.min(batch.num_rows() - at);
            columns.write(&batch.slice(at, rows))?;
            self.job.report(Phase::Writing, &self.consumed, columns.rows())?;
            at += rows;
        }
        Ok(())
    }

    /// The next message, checked, with what stands in front of it; nothing at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let mut head = [0; 4];
        if self.stored.fill_buf().map_err(store_error)?.is_empty() {
            // A stream may simply end; a file says so.
            return if self.form == Form::Stream { Ok(None) } else { Err(cut()) };
        }
        exact(&mut self.stored, &mut head)?;
        if head == GOES_ON {
            exact(&mut self.stored, &mut head)?;
        }
        let length = u64::from(u32::from_le_bytes(head));
        if length == 0 {
            return self.end().map(|()| None);
        }
        let left = self.left();
        if length > left {
            return Err(cut());
        }
        message::check_length(length)?;
        let mut message = [GOES_ON.as_slice(), &head].concat();
        append(&mut self.stored, &mut message, length)?;
        let body = self.limits.body(&message[8..], self.left())?;
        let begins = message.len();
        append(&mut self.stored, &mut message, body)?;
        self.limits.check(&message[8..begins], &message[begins..])?;
        Ok(Some(message))
    }

    fn left(&self) -> u64 {
        self.job.source.size.saturating_sub(self.stored.position())
    }

    /// That a file goes on after its last message as it should.
    fn end(&mut self) -> Result<(), Stop> {
        if self.form == Form::Stream {
            return Ok(());
        }
        let size = self.job.source.size;
        let mark = self.job.source.range(size.saturating_sub(6)..size).map_err(store_error)?;
        if mark.as_ref() == b"ARROW1" && self.left() >= 6 { Ok(()) } else { Err(cut()) }
    }
}

fn store_error(e: std::io::Error) -> Stop {
    if e.kind() == ErrorKind::UnexpectedEof { cut() } else { Stop::Failed(e.to_string()) }
}

fn exact(stored: &mut Reader, out: &mut [u8]) -> Result<(), Stop> {
    stored.read_exact(out).map_err(store_error)
}

/// Reads so many bytes, making room for no more than there are.
fn append(stored: &mut Reader, out: &mut Vec<u8>, bytes: u64) -> Result<(), Stop> {
    let read = stored.take(bytes).read_to_end(out).map_err(store_error)?;
    if read as u64 == bytes { Ok(()) } else { Err(cut()) }
}

fn arrow_error(e: &ArrowError) -> Stop {
    tracing::debug!(error = %e, "an Arrow file could not be read");
    damaged("A message of the file is damaged, or speaks of things that are not known.")
}
