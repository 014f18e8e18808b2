//! Blocking ends of the blob store: a file to read from front to back, a file to write part by part.
//!
//! Both are for threads that may block. They wait on the runtime's handle while the store works on
//! its threads, and keep one request under way while the caller is busy with the last one's bytes.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::text::StoreError;

/// Bytes per request when reading.
const READ: u64 = 4 << 20;

/// Bytes per request when reading here and there.
const SEEK: u64 = 1 << 20;

/// Bytes per part when writing; stores want at least 5 MiB.
const PART: usize = 8 << 20;

fn store_error(e: impl std::fmt::Display) -> io::Error {
    io::Error::other(StoreError(e.to_string()))
}

/// A stored file.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) handle: Handle,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    pub(super) size: u64,
    /// Set when nobody waits for the outcome any more.
    pub(super) stopped: Arc<AtomicBool>,
}

impl Source {
    /// Some of its bytes, which must be there.
    pub(super) fn range(&self, range: Range<u64>) -> io::Result<Bytes> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(store_error("stopped"));
        }
        self.handle.block_on(self.store.get_range(&self.path, range)).map_err(store_error)
    }
}

/// A stored file, read in order.
pub(super) struct Reader {
    source: Source,
    /// Where the request after the one under way begins.
    next: u64,
    coming: Option<JoinHandle<object_store::Result<Bytes>>>,
    chunk: Bytes,
    /// Counts what was consumed, for progress.
    consumed: Arc<AtomicU64>,
}

impl Reader {
    pub(super) fn new(source: &Source, consumed: Arc<AtomicU64>) -> Self {
        consumed.store(0, Ordering::Relaxed);
        let mut reader =
            Self { source: source.clone(), next: 0, coming: None, chunk: Bytes::new(), consumed };
        reader.request();
        reader
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    fn request(&mut self) {
        if self.next >= self.source.size {
            return;
        }
        let range = self.next..(self.next + READ).min(self.source.size);
        self.next = range.end;
        let (store, path) = (self.source.store.clone(), self.source.path.clone());
        self.coming = Some(self.source.handle.spawn(async move { store.get_range(&path, range).await }));
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() {
            if self.source.stopped.load(Ordering::Relaxed) {
                return Err(store_error("stopped"));
            }
            if let Some(coming) = self.coming.take() {
                self.chunk =
                    self.source.handle.block_on(coming).map_err(store_error)?.map_err(store_error)?;
                self.request();
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        let _ = self.chunk.split_to(amount);
        self.consumed.fetch_add(amount as u64, Ordering::Relaxed);
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(out.len());
        out[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(coming) = self.coming.take() {
            coming.abort();
        }
    }
}

/// A stored file, read wherever its reader wants to, a piece at a time.
pub(super) struct Seekable {
    source: Source,
    position: u64,
    /// The piece at hand, and where it begins.
    piece: Bytes,
    begins: u64,
}

impl Seekable {
    pub(super) fn new(source: &Source) -> Self {
        Self { source: source.clone(), position: 0, piece: Bytes::new(), begins: 0 }
    }

    /// What is there at the position.
    fn at_hand(&self) -> &[u8] {
        let within = self.position.checked_sub(self.begins).and_then(|at| usize::try_from(at).ok());
        within.and_then(|at| self.piece.get(at..)).unwrap_or_default()
    }
}

impl Read for Seekable {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at_hand().is_empty() && self.position < self.source.size {
            // From a multiple on, so that a reader that steps back a little finds the piece still there.
            let begins = self.position / SEEK * SEEK;
            self.piece = self.source.range(begins..(begins + SEEK).min(self.source.size))?;
            self.begins = begins;
        }
        let there = self.at_hand();
        let amount = there.len().min(out.len());
        out[..amount].copy_from_slice(&there[..amount]);
        self.position += amount as u64;
        Ok(amount)
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.source.size.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// A file being written. It appears under its path when [`Writer::finish`] succeeds, and never when
/// the writer is dropped before.
pub(super) struct Writer {
    handle: Handle,
    upload: Option<Box<dyn MultipartUpload>>,
    buffer: Vec<u8>,
    going: Option<JoinHandle<object_store::Result<()>>>,
    written: u64,
    stopped: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn create(source: &Source, path: &Path) -> io::Result<Self> {
        let (handle, stopped) = (source.handle.clone(), source.stopped.clone());
        let upload = handle.block_on(source.store.put_multipart(path)).map_err(store_error)?;
        let buffer = Vec::with_capacity(PART);
        Ok(Self { handle, upload: Some(upload), buffer, going: None, written: 0, stopped })
    }

    fn settle(&mut self) -> io::Result<()> {
        if let Some(going) = self.going.take() {
            self.handle.block_on(going).map_err(store_error)?.map_err(store_error)?;
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(store_error("stopped"));
        }
        self.settle()?;
        let part = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART));
        let Some(upload) = &mut self.upload else { return Err(store_error("already finished")) };
        let part = {
            // Some stores start timers when a part is made.
            let _entered = self.handle.enter();
            upload.put_part(PutPayload::from(part))
        };
        self.going = Some(self.handle.spawn(part));
        Ok(())
    }

    /// Makes the file appear, and says how many bytes it has.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        if !self.buffer.is_empty() {
            self.send()?;
        }
        self.settle()?;
        if let Some(upload) = &mut self.upload {
            self.handle.block_on(upload.complete()).map_err(store_error)?;
        }
        self.upload = None;
        Ok(self.written)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Parts have one size all through, which some stores insist on.
        let amount = bytes.len().min(PART - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..amount]);
        self.written += amount as u64;
        if self.buffer.len() == PART {
            self.send()?;
        }
        Ok(amount)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        let going = self.going.take();
        self.handle.spawn(async move {
            if let Some(going) = going {
                let _ = going.await;
            }
            if let Err(e) = upload.abort().await {
                tracing::warn!(error = %e, "an unfinished table could not be taken away");
            }
        });
    }
}
