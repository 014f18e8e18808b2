//! Datasets: files that became tables. Subject `weir.<workspace>.dataset.<dataset>`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

events! {
    /// What can happen to a dataset.
    pub enum Event {
        /// A file arrived and waits to be read.
        Uploaded = "weir.dataset.uploaded.v2",
        /// Its file is to be read again, in another way.
        Reread = "weir.dataset.reread.v1",
        /// An older version became the newest again.
        RolledBack = "weir.dataset.rolled_back.v1",
        /// The file was read and can be queried.
        Ingested = "weir.dataset.ingested.v1",
        /// The file could not be read.
        Rejected = "weir.dataset.rejected.v1",
        /// It got another name.
        Renamed = "weir.dataset.renamed.v1",
        /// It got another description.
        Described = "weir.dataset.described.v1",
        /// It was deleted; the data stay until they are erased.
        Deleted = "weir.dataset.deleted.v1",
        /// It came back after a deletion.
        Restored = "weir.dataset.restored.v1",
    }
}

/// A file as it was received, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Upload {
    /// Its key in the blob store.
    pub blob: String,
    /// Its size in bytes, as received (compressed, if it came so).
    pub bytes: u64,
    /// SHA-256 of those bytes, in hex.
    pub sha256: String,
    /// The name that the file had at the caller's, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The media type that the caller gave, if any. A hint: the content decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Where it was fetched from, if it was: the address without what may be secret in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// How to read a file; what is `None` is found out from the content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The texts that mean 'missing' in text columns too; `None` leaves it to the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_in_text: Option<Vec<String>>,
    /// The character encoding by its WHATWG label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Whether rows with too few fields are filled up and surplus fields dropped.
    pub allow_ragged: bool,
    /// The sheet of a workbook, by name or by number, the first being 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Where the rows are in a JSON document: the keys that lead to an array, with dots between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// The type that a column shall have, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, String>,
    /// Whether values that do not fit their column in `types` become missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_unfit: bool,
}

/// A file arrived. Reading it is the ingest worker's business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Uploaded {
    /// The dataset's unique name, also its table name in SQL.
    pub name: String,
    /// What the uploader said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The version that this file becomes; 1 is the first.
    pub version: u32,
    /// The file.
    pub upload: Upload,
    /// How to read it.
    #[serde(default)]
    pub options: ReadOptions,
    /// What the request that brought the file is recognised by when it comes again, for versions after
    /// the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Uuid>,
}

/// The newest file is to be read again, in another way; what comes of it is a new version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reread {
    /// The version that the file becomes.
    pub version: u32,
    /// The file, as it was uploaded before.
    pub upload: Upload,
    /// How to read it now.
    pub options: ReadOptions,
}

/// A column of a readable dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// Unique within the dataset.
    pub name: String,
    /// `int`, `float`, `bool`, `date`, `timestamp`, `timestamptz` or `text`; from files that have such types
    /// also `decimal`, `time`, `interval`, `list`, `struct` and `binary`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether any cell is missing.
    pub nullable: bool,
    /// How many cells each marker took as missing, by marker.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, u64>,
    /// How many values did not fit the type that was asked for, and are missing.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unfit: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// Its rows, as far as the workbook says; those of the sheet that was read were counted.
    pub rows: u64,
    /// Its columns, likewise.
    pub columns: u64,
}

/// The file was read: every row is in a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ingested {
    /// The version that can now be queried.
    pub version: u32,
    /// The table's key in the blob store (Parquet).
    pub table: String,
    /// The table's size in bytes.
    pub table_bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// What the file turned out to be: `csv`, ...
    pub format: String,
    /// How it was read, everything found out filled in.
    pub options: ReadOptions,
    /// All sheets of a workbook; none for other files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sheets: Vec<Sheet>,
    /// How long that took, in milliseconds.
    pub elapsed_ms: u64,
    /// The key in the blob store under which lies what the columns hold; none for versions that were read
    /// before that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What is different from the version that could be queried before, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
}

/// How a version differs from the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// The version that it is compared with.
    pub from: u32,
    /// Columns that are new, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// Columns that are gone, in the order that they had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Columns of another type than before, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retyped: Vec<Retyped>,
    /// How many rows more than before; below zero where there are fewer.
    pub rows: i64,
}

/// A column whose type is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retyped {
    /// The column.
    pub name: String,
    /// The type it had.
    pub from: String,
    /// The type it has.
    pub to: String,
}

/// An older version became the newest again, as a version of its own: nothing was read for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBack {
    /// The version that it is the same as.
    pub from: u32,
    /// The file of that version.
    pub upload: Upload,
    /// What that file had become, under the number of the new version.
    pub ingested: Box<Ingested>,
}

/// The file could not be read, and why, so that a person can mend it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// The version that did not come to be.
    pub version: u32,
    /// A stable code, such as `ragged_row`.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// The row in the file, 1 being its first line of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The column's name, or its number where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What was found there, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// It got another name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Renamed {
    /// The new name.
    pub name: String,
}

/// It got another description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Described {
    /// The new description; empty takes it away.
    pub description: String,
}

/// It was deleted and its name is free again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {}

/// It came back after a deletion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Restored {
    /// Its name from now on: the old one where that was still free.
    pub name: String,
}

impl From<Event> for crate::Event {
    fn from(e: Event) -> Self {
        Self::Dataset(e)
    }
}
