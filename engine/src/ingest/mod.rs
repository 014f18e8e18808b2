//! Any file of rows to a typed table.
//!
//! What a file is decides its content, never its name (`detect`). Each format has a folder of its own and
//! ends in the same place: batches that go through one writer (`table`). Nothing holds more than a few
//! batches of a file, and nothing trusts a number that a file says about itself.
//!
//! To add a format: a folder with a `read(&Job, ...) -> Result<Ingested, Stop>`, a line in `detect`
//! and one in [`Engine::ingest`]'s job.
//!
//! # What a cell can be
//!
//! In delimited text, in sheets, and for the texts of JSON that are dates:
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
//! [`ReadOptions::missing_in_text`] corrects that. [`Column::missing`](crate::Column::missing) says how
//! many cells each took. Formats that know a missing value themselves count it as `null`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::profile::Profile;
use crate::{Column, Engine};

mod arrow;
mod blob;
mod cells;
mod columnar;
mod csv;
mod detect;
mod excel;
mod groups;
mod job;
mod json;
mod parquet;
mod table;
mod text;
mod types;
mod unpack;

pub use groups::TableWriter;
pub use types::{Misfit, Misfits, Unfit};

use job::Job;
use text::Stop;

/// How to read a file; what is `None` is found out from the content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// The field separator, one byte of ASCII. Says that the file is delimited text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first row names the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// The texts that mean 'missing'; `None` is the default set (empty, NA, N/A, NULL), and for JSON none.
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
    /// The sheet of a workbook, by name, or by number where no sheet has that name, the first being 1.
    /// `None` is the first with anything on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Where the rows are in a JSON document: the keys that lead to an array, with dots between them; `.`
    /// is the document itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// The type that a column shall have, by its name: `int`, `float`, `bool`, `date`, `timestamp`,
    /// `timestamptz` or `text`. Columns that are not named keep the type that was found.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, String>,
    /// Whether values that do not fit their column in `types` become missing; otherwise the file is rejected.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_unfit: bool,
}

/// The markers that count where the caller names none.
pub const DEFAULT_MISSING: [&str; 4] = ["", "NA", "N/A", "NULL"];

/// How much a file may ask for. Over any of these it is rejected, never cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Columns, those inside of nested ones counted too.
    pub columns: usize,
    /// Bytes in one cell.
    pub cell_bytes: usize,
    /// Bytes in one row.
    pub row_bytes: usize,
    /// Bytes of text once unpacked; of tables, once decompressed.
    pub unpacked_bytes: u64,
    /// Bytes of a workbook once unpacked. What of it has to be in memory is bounded apart.
    pub workbook_bytes: u64,
}

impl Default for Limits {
    /// 2,000 columns, 1 MiB a cell, 16 MiB a row, 64 GiB of text, 4 GiB of workbook.
    fn default() -> Self {
        Self {
            columns: 2000,
            cell_bytes: 1 << 20,
            row_bytes: 16 << 20,
            unpacked_bytes: 64 << 30,
            workbook_bytes: 4 << 30,
        }
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
    /// A stable code.
    ///
    /// - Of any file: `empty_file`, `no_rows`, `binary_file`, `invalid_option`, `too_many_columns`,
    ///   `cell_too_large`, `row_too_large`, `file_too_large`, `unknown_column` (in `types`), `type_mismatch`.
    /// - Of text: `ragged_row`, `unterminated_quote`, `stray_quote`, `corrupt_gzip`, `corrupt_zstd`,
    ///   `invalid_encoding`, `unknown_encoding`.
    /// - Of JSON: `invalid_json`, `too_deep`, `duplicate_key`, `mixed_rows`, `ambiguous_records`,
    ///   `unknown_records`.
    /// - Of workbooks: `corrupt_file`, `encrypted_file`, `unknown_sheet`.
    /// - Of Parquet and Arrow: `corrupt_file`, `encrypted_file`, `unsupported_type`, `too_deep`,
    ///   `row_group_too_large`.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// The line in the file, 1 being the first; the row's number where a file has no lines.
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

    pub(crate) fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    pub(crate) fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
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
    /// What the file turned out to be: `csv`, `tsv` (with tabs), `json`, `ndjson`, `xlsx`, `xls`,
    /// `parquet` or `arrow`; with `.gz` or `.zst` behind for packed text.
    pub format: String,
    /// How it was read, everything found out filled in.
    pub options: ReadOptions,
    /// All sheets of a workbook, in order; empty for other files.
    pub sheets: Vec<Sheet>,
    /// What the columns hold.
    pub profile: Profile,
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// Its rows, as far as the workbook says; those of the sheet that was read were counted. With header.
    pub rows: u64,
    /// Its columns, likewise.
    pub columns: u64,
}

impl Engine {
    /// Reads a file of any known format from `source_key` and writes the typed table to `table_key`. The
    /// table appears whole or not at all. Memory stays bounded whatever the file's size. Dropping the
    /// future stops the work and leaves nothing behind.
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
        let table = Path::parse(table_key).map_err(|e| IngestError::Failed(e.to_string()))?;
        self.job(source_key, options, Some(table), progress, |job| job.run()).await
    }

    /// Reads the file once as [`Engine::ingest`] would with these options, and says which values do not fit
    /// the types that `options.types` asks for. Nothing is written.
    ///
    /// # Errors
    ///
    /// As for [`Engine::ingest`]; values that do not fit are no error here.
    pub async fn try_types(&self, source_key: &str, options: &ReadOptions) -> Result<Misfits, IngestError> {
        let options = ReadOptions { allow_unfit: true, ..options.clone() };
        self.job(
            source_key,
            &options,
            None,
            |_| {},
            |job| {
                let ingested = job.run()?;
                Ok(job.misfits(ingested.rows))
            },
        )
        .await
    }

    async fn job<T: Send + 'static>(
        &self,
        source_key: &str,
        options: &ReadOptions,
        table: Option<Path>,
        progress: impl Fn(Progress) + Send + Sync + 'static,
        work: impl FnOnce(&Job) -> Result<T, Stop> + Send + 'static,
    ) -> Result<T, IngestError> {
        let failed = |e: &dyn std::fmt::Display| IngestError::Failed(e.to_string());
        let path = Path::parse(source_key).map_err(|e| failed(&e))?;
        let store = self.shared.blobs.clone();
        let size = store.head(&path).await.map_err(|e| failed(&e))?.size;
        let handle = self.shared.runtime.handle().ok_or_else(|| failed(&"the engine is shutting down"))?;
        let stopped = Arc::new(AtomicBool::new(false));
        let _stop = StopOnDrop(stopped.clone());
        let source = blob::Source { handle: handle.clone(), store, path, size, stopped };
        let job =
            Job::new(source, table, options.clone(), self.shared.config.files.clone(), Box::new(progress));
        // A panic is the engine's fault and ends this file's reading, not the process.
        match handle.spawn_blocking(move || work(&job)).await.map_err(|e| failed(&e))? {
            Ok(done) => Ok(done),
            Err(Stop::Rejected(rejection)) => Err((*rejection).into()),
            Err(Stop::Failed(detail)) => Err(IngestError::Failed(detail)),
            Err(Stop::NotUtf8) => Err(failed(&"the file changed while it was read")),
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
