//! One file on its way to a table: what every format's reader shares.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::Encoding;
use object_store::path::Path;

use super::blob::{Reader, Source};
use super::cells::excerpt;
use super::detect::{self, Kind};
use super::text::{Stop, by_mark, read_error};
use super::types::{Misfits, Wanted};
use super::unpack::{Packing, Unpacked};
use super::{Ingested, Limits, Phase, Progress, ReadOptions, Rejection, arrow, csv, excel, json, parquet};

/// Rows between two reports of progress.
pub(super) const REPORT: u64 = 16 << 10;

/// A file to be turned into a table, or only to be tried where there is none to write.
pub(super) struct Job {
    pub(super) source: Source,
    pub(super) table: Option<Path>,
    pub(super) options: ReadOptions,
    pub(super) limits: Limits,
    progress: Box<dyn Fn(Progress) + Send + Sync>,
    /// What did not fit, where that is allowed.
    misfits: Mutex<Vec<super::Misfit>>,
}

impl Job {
    pub(super) fn new(
        source: Source,
        table: Option<Path>,
        options: ReadOptions,
        limits: Limits,
        progress: Box<dyn Fn(Progress) + Send + Sync>,
    ) -> Self {
        Self { source, table, options, limits, progress, misfits: Mutex::default() }
    }

    /// Does it all, on a thread that may block.
    pub(super) fn run(&self) -> Result<Ingested, Stop> {
        if self.source.size == 0 {
            return Err(Rejection::new("empty_file", "The file is empty.").into());
        }
        // Before anything is read, so that a misspelled type costs nothing.
        Wanted::check(&self.options)?;
        let found = detect::detect(self)?;
        match found.kind {
            Kind::Delimited => csv::read(self, found.packing),
            Kind::Json => json::read(self, found.packing),
            Kind::Xlsx => excel::xlsx::read(self),
            Kind::Xls => excel::xls::read(self),
            Kind::Parquet => parquet::read(self),
            Kind::Arrow(form) => arrow::read(self, form),
        }
    }

    /// The file from its beginning, unpacked.
    pub(super) fn open(&self, packing: Packing, consumed: &Arc<AtomicU64>) -> Result<Unpacked, Stop> {
        Ok(packing.open(Reader::new(&self.source, consumed.clone())))
    }

    /// The encoding of a text that was asked for, or that the file's mark names.
    pub(super) fn encoding(&self, packing: Packing) -> Result<Option<&'static Encoding>, Stop> {
        if let Some(label) = &self.options.encoding {
            let encoding = Encoding::for_label(label.as_bytes()).ok_or_else(|| {
                Rejection::new("unknown_encoding", "There is no encoding of this name.")
                    .found(excerpt(label.as_bytes()))
            })?;
            return Ok(Some(encoding));
        }
        let mut head = Vec::new();
        self.open(packing, &Arc::default())?.take(3).read_to_end(&mut head).map_err(read_error)?;
        Ok(by_mark(&head))
    }

    /// Tells how far it has come, and stops where nobody waits any more.
    pub(super) fn report(&self, phase: Phase, consumed: &AtomicU64, rows: u64) -> Result<(), Stop> {
        self.report_bytes(phase, consumed.load(Ordering::Relaxed), rows)
    }

    /// The same, where the bytes are not counted by a reader.
    pub(super) fn report_bytes(&self, phase: Phase, bytes: u64, rows: u64) -> Result<(), Stop> {
        if self.source.stopped.load(Ordering::Relaxed) {
            return Err(Stop::Failed("stopped".into()));
        }
        (self.progress)(Progress { phase, bytes, total_bytes: self.source.size, rows });
        Ok(())
    }

    /// Keeps what did not fit, for [`Job::misfits`].
    pub(super) fn note(&self, misfits: Vec<super::Misfit>) {
        *self.misfits.lock().unwrap_or_else(PoisonError::into_inner) = misfits;
    }

    /// What did not fit in a file of so many rows.
    pub(super) fn misfits(&self, rows: u64) -> Misfits {
        let columns = std::mem::take(&mut *self.misfits.lock().unwrap_or_else(PoisonError::into_inner));
        Misfits { rows, columns }
    }

    /// That a file has more columns than are allowed.
    pub(super) fn check_columns(&self, columns: usize) -> Result<(), Rejection> {
        let most = self.limits.columns;
        if columns > most {
            let detail = format!("The file has {columns} columns; at most {most} are allowed.");
            return Err(Rejection::new("too_many_columns", detail));
        }
        Ok(())
    }
}

/// What a writer or the store says goes into the log, not to the uploader.
pub(super) fn failed(e: impl std::fmt::Display) -> Stop {
    Stop::Failed(e.to_string())
}
