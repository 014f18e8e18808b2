//! Delimited text to a typed table.
//!
//! The file is streamed twice from the blob store. The first pass looks at every cell and finds the
//! types, the second writes the Parquet table; neither holds more than a few megabytes of it.
//!
//! # What a cell can be
//!
//! - `int`: decimal digits with an optional minus that fit 64 bits. A leading zero (`02134`) or plus
//!   (`+49151...`) makes the whole column text, as would digits beyond 64 bits: nothing is lost.
//! - `float`: also `.5`, `1.`, `1e-5`; `NaN`, `Inf` and `Infinity` where the column holds a number
//!   too. Integers beyond 64 bits are floats only in a column that has fractions.
//! - `bool`: `true` and `false` in any case. `0` and `1` are integers.
//! - `date`: `2013-01-31` or `2013/01/31`.
//! - `timestamp`: a date, `T` or a space, `05:00`, `05:00:00` or `05:00:00.123456789`; dates in such a
//!   column are midnight. `timestamptz`: with `Z`, `UTC`, `+01`, `+0100` or `+01:00` behind it.
//! - `text`: everything else, byte for byte. Blanks around an unquoted cell are ignored for the types
//!   above and kept in text.
//!
//! # What is missing
//!
//! In a column of another type than text every marker is missing. In a text column the unquoted empty
//! cell is; any other marker counts only where the file uses it so, written the same way (quoted or
//! not), in a column of another type, since otherwise it may well be a value: Namibia's `NA`.
//! [`ReadOptions::missing_in_text`] corrects that. [`Column::missing`] says how many cells each took.
//!
//! # Lines
//!
//! Records end in LF, CRLF or CR. A quoted field may span lines. A blank line is skipped where the
//! file has several columns, and is an empty cell where it has one. Row numbers in a [`Rejection`]
//! are lines of text, the first being 1; a record that spans lines goes by its first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{Column, Engine};

mod blob;
mod build;
mod cell;
mod gzip;
mod infer;
mod read;
mod sniff;
mod text;
mod tokenizer;

pub use read::table_properties;

/// How to read a delimited file; what is `None` is found out from the content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// The field separator, one byte of ASCII.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first row names the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// The texts that mean 'missing'; `None` is the default set (empty, NA, N/A, NULL).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// The markers that mean 'missing' in text columns too; `None` leaves it to the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_in_text: Option<Vec<String>>,
    /// The character encoding by its WHATWG label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Whether rows with too few fields are filled up and surplus fields dropped.
    pub allow_ragged: bool,
}

/// The markers that count where the caller names none.
pub const DEFAULT_MISSING: [&str; 4] = ["", "NA", "N/A", "NULL"];

/// How much a file may ask for. Over any of these it is rejected, never cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Columns.
    pub columns: usize,
    /// Bytes in one cell.
    pub cell_bytes: usize,
    /// Bytes in one row.
    pub row_bytes: usize,
    /// Bytes of text once unpacked.
    pub unpacked_bytes: u64,
}

impl Default for Limits {
    /// 2,000 columns, 1 MiB a cell, 16 MiB a row, 64 GiB of text.
    fn default() -> Self {
        Self { columns: 2000, cell_bytes: 1 << 20, row_bytes: 16 << 20, unpacked_bytes: 64 << 30 }
    }
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of the stored file read in this phase.
    pub bytes: u64,
    /// All bytes of the stored file.
    pub total_bytes: u64,
    /// Rows seen in this phase.
    pub rows: u64,
}

/// What is being done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Every cell is looked at to find the types.
    Reading,
    /// The table is written.
    Writing,
}

/// A file that cannot be read as it is, and why, so that a person can mend it. Trying again is no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Rejection {
    /// A stable code: `empty_file`, `no_rows`, `binary_file`, `ragged_row`, `unterminated_quote`,
    /// `stray_quote`, `corrupt_gzip`, `invalid_encoding`, `unknown_encoding`, `invalid_option`, `too_many_columns`,
    /// `cell_too_large`, `row_too_large` or `file_too_large`.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// The line in the file, 1 being the first.
    pub row: Option<u64>,
    /// The column's name, or its number where it has none.
    pub column: Option<String>,
    /// What was found there, shortened.
    pub found: Option<String>,
}

impl Rejection {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), row: None, column: None, found: None }
    }

    pub(crate) fn at(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }
}

/// Why a file did not become a table. Nothing is left under the table's key.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The file is at fault; it stays so however often it is tried.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The machine or the blob store is at fault; worth another try.
    #[error("the file could not be processed: {0}")]
    Failed(String),
}

/// A file became a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    /// Rows, without the header.
    pub rows: u64,
    /// Columns, in order.
    pub columns: Vec<Column>,
    /// Size of the Parquet file in bytes.
    pub table_bytes: u64,
    /// What the file turned out to be: `csv`, or `csv.gz`.
    pub format: String,
    /// How it was read, everything found out filled in.
    pub options: ReadOptions,
}

impl Engine {
    /// Reads a delimited file, plain or gzipped, from `source_key` and writes the typed table to
    /// `table_key`. The table appears whole or not at all. Memory stays bounded whatever the file's
    /// size. Dropping the future stops the work and leaves nothing behind.
    ///
    /// `progress` is called every few megabytes, on a thread of the engine: it must not block.
    ///
    /// # Errors
    ///
    /// [`IngestError::Rejected`] when the file is at fault, [`IngestError::Failed`] otherwise.
    pub async fn ingest(
        &self,
        source_key: &str,
        table_key: &str,
        options: &ReadOptions,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Ingested, IngestError> {
        let failed = |e: &dyn std::fmt::Display| IngestError::Failed(e.to_string());
        let source = Path::parse(source_key).map_err(|e| failed(&e))?;
        let table = Path::parse(table_key).map_err(|e| failed(&e))?;
        let store = self.shared.blobs.clone();
        let size = store.head(&source).await.map_err(|e| failed(&e))?.size;
        let handle = self.shared.runtime.handle().ok_or_else(|| failed(&"the engine is shutting down"))?;
        let stopped = Arc::new(AtomicBool::new(false));
        let _stop = StopOnDrop(stopped.clone());
        let (options, limits) = (options.clone(), self.shared.config.csv.clone());
        let job = read::Job {
            handle: handle.clone(),
            store,
            source,
            table,
            size,
            options,
            limits,
            stopped,
            progress,
        };
        // A panic is the engine's fault and ends this file's reading, not the process.
        match handle.spawn_blocking(move || job.run()).await.map_err(|e| failed(&e))? {
            Ok(ingested) => Ok(ingested),
            Err(text::Stop::Rejected(rejection)) => Err(rejection.into()),
            Err(text::Stop::Failed(detail)) => Err(IngestError::Failed(detail)),
            Err(text::Stop::NotUtf8) => Err(failed(&"the file changed while it was read")),
        }
    }
}

/// Tells the reading thread that nobody waits any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
