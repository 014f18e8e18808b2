//! `/api/v1/datasets`: what was uploaded.

pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod versions;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::{Row, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::{Code, Problem};

use crate::{reader::Decoded, words::words};

/// A dataset.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Dataset {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its unique name, which is its table name in SQL.
    pub(crate) name: String,
    /// What people said about it.
    pub(crate) description: Option<String>,
    /// Where it is on its way.
    pub(crate) status: Status,
    /// The version that can be queried; null until there is one.
    pub(crate) version: Option<i32>,
    /// What the file turned out to be, such as `csv`; null until it was read.
    pub(crate) format: Option<String>,
    /// The size of the newest upload, as it was received.
    pub(crate) bytes: i64,
    /// The size of the table that it became; null until it was read.
    pub(crate) table_bytes: Option<i64>,
    /// The rows that can be queried; null until it was read.
    pub(crate) rows: Option<i64>,
    /// The columns, in order; empty until it was read.
    pub(crate) columns: Vec<Column>,
    /// All sheets of a workbook; `options` of its versions say which one was read. Empty for other files.
    pub(crate) sheets: Vec<Sheet>,
    /// Why the newest upload could not be read, where it could not.
    pub(crate) rejection: Option<Rejection>,
    /// The name of the newest upload's file, where it was given.
    pub(crate) file_name: Option<String>,
    /// When it was first uploaded.
    pub(crate) created_at: DateTime<Utc>,
    /// Who uploaded it first.
    pub(crate) created_by: Option<Uuid>,
    /// When anything about it last changed.
    pub(crate) updated_at: DateTime<Utc>,
    /// The queries that read it today and on the six days before.
    pub(crate) queries_7d: i64,
    /// When a query last read it.
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    /// When it was deleted, if it is.
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    /// The last event of the dataset itself.
    pub(crate) position: i64,
}

words! {
    /// Where a dataset is on its way.
    #[schema(as = DatasetStatus)]
    enum Status {
        /// Its newest file is being read.
        Ingesting = "ingesting",
        /// It can be queried.
        Ready = "ready",
        /// Its file could not be read.
        Rejected = "rejected",
        /// It was deleted and can be restored.
        Deleted = "deleted",
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = DatasetColumn)]
pub(crate) struct Column {
    /// Unique within the dataset.
    pub(crate) name: String,
    /// `int`, `float`, `bool`, `date`, `timestamp`, `timestamptz` or `text`.
    #[serde(rename = "type")]
    pub(crate) data_type: String,
    /// Whether any cell is missing.
    pub(crate) nullable: bool,
    /// How many cells each marker took as missing, by marker.
    #[serde(default)]
    pub(crate) missing: BTreeMap<String, u64>,
    /// How many values did not fit the type that was asked for, and are missing.
    #[serde(default)]
    pub(crate) unfit: u64,
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = DatasetSheet)]
pub(crate) struct Sheet {
    /// Its name, for the option `sheet`.
    pub(crate) name: String,
    /// Its rows, as far as the workbook says; those of the sheet that was read were counted.
    pub(crate) rows: u64,
    /// Its columns, likewise.
    pub(crate) columns: u64,
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rejection {
    /// A stable code, such as `ragged_row`.
    pub(crate) code: String,
    /// A sentence for people.
    pub(crate) detail: String,
    /// The row in the file, 1 being its first line.
    #[serde(default)]
    pub(crate) row: Option<u64>,
    /// The column's name, or its number where it has none.
    #[serde(default)]
    pub(crate) column: Option<String>,
    /// What was found there.
    #[serde(default)]
    pub(crate) found: Option<String>,
}

impl Dataset {
    pub(crate) fn from_row(row: &Row) -> Decoded<Self> {
        let columns: Option<Json<Vec<Column>>> = row.try_get("columns")?;
        let sheets: Option<Json<Vec<Sheet>>> = row.try_get("sheets")?;
        let rejection: Option<Json<Rejection>> = row.try_get("reason")?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            status: row.try_get("status")?,
            version: row.try_get("version")?,
            format: row.try_get("format")?,
            bytes: row.try_get("upload_bytes")?,
            table_bytes: row.try_get("table_bytes")?,
            rows: row.try_get("rows")?,
            columns: columns.map(|c| c.0).unwrap_or_default(),
            sheets: sheets.map(|s| s.0).unwrap_or_default(),
            rejection: rejection.map(|r| r.0),
            file_name: row.try_get("file_name")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
            updated_at: row.try_get("updated_at")?,
            queries_7d: row.try_get("queries_7d")?,
            last_used_at: row.try_get("last_used_at")?,
            deleted_at: row.try_get("deleted_at")?,
            position: row.try_get("position")?,
        })
    }
}

/// One version of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = DatasetVersion)]
pub(crate) struct Version {
    /// Its number; 1 is the first.
    pub(crate) version: i32,
    /// Where it is on its way.
    pub(crate) status: Status,
    /// Whether queries read this version.
    pub(crate) current: bool,
    /// When its file arrived, or was to be read again.
    pub(crate) uploaded_at: DateTime<Utc>,
    /// Who sent it.
    pub(crate) uploaded_by: Option<Uuid>,
    /// What the file turned out to be; null until it was read.
    pub(crate) format: Option<String>,
    /// The size of the file, as it was received.
    pub(crate) bytes: i64,
    /// The SHA-256 of the file, in hex.
    pub(crate) sha256: String,
    /// The file's name, where it was given.
    pub(crate) file_name: Option<String>,
    /// Its rows.
    pub(crate) rows: Option<i64>,
    /// The size of the table that it became.
    pub(crate) table_bytes: Option<i64>,
    /// Its columns, in order.
    pub(crate) columns: Vec<Column>,
    /// All sheets of a workbook; empty for other files.
    pub(crate) sheets: Vec<Sheet>,
    /// How the file was, or is to be, read.
    pub(crate) options: Value,
    /// When it became readable.
    pub(crate) ingested_at: Option<DateTime<Utc>>,
    /// What is different from the version before, where there was one.
    pub(crate) diff: Option<Diff>,
    /// The version that this one is the same as, where the dataset was taken back to that.
    pub(crate) restored_from: Option<i32>,
    /// Why it could not be read, where it could not.
    pub(crate) rejection: Option<Rejection>,
}

/// How a version differs from the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = DatasetDiff)]
pub(crate) struct Diff {
    /// The version that it is compared with.
    pub(crate) from: i32,
    /// Columns that are new.
    #[serde(default)]
    pub(crate) added: Vec<String>,
    /// Columns that are gone.
    #[serde(default)]
    pub(crate) removed: Vec<String>,
    /// Columns of another type than before.
    #[serde(default)]
    pub(crate) retyped: Vec<Retyped>,
    /// How many rows more; below zero where there are fewer.
    pub(crate) rows: i64,
}

/// A column whose type is another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = DatasetRetyped)]
pub(crate) struct Retyped {
    /// The column.
    pub(crate) name: String,
    /// The type it had.
    pub(crate) from: String,
    /// The type it has.
    pub(crate) to: String,
}

pub(crate) fn not_found(id: Uuid) -> Problem {
    Problem::new(Code::DatasetNotFound, format!("There is no dataset {id} in this workspace."))
}
