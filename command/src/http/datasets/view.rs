//! A dataset as it is right after a command, in the form that reads have it in.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::{
    DatasetId, Position,
    dataset::{self, Column, Sheet},
};

use crate::directory::{Dataset, Status};

/// A column.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadedColumn)]
pub(super) struct ColumnView {
    /// Unique within the dataset.
    name: String,
    /// `int`, `float`, `bool`, `date`, `timestamp`, `timestamptz` or `text`.
    #[serde(rename = "type")]
    data_type: String,
    /// Whether any cell is missing.
    nullable: bool,
    /// How many cells each marker took as missing, by marker.
    missing: BTreeMap<String, u64>,
    /// How many values did not fit the type that was asked for, and are missing.
    unfit: u64,
}

/// A sheet of a workbook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadedSheet)]
pub(super) struct SheetView {
    /// Its name, for the option `sheet`.
    name: String,
    /// Its rows, as far as the workbook says; those of the sheet that was read were counted.
    rows: u64,
    /// Its columns, likewise.
    columns: u64,
}

impl From<&Sheet> for SheetView {
    fn from(s: &Sheet) -> Self {
        Self { name: s.name.clone(), rows: s.rows, columns: s.columns }
    }
}

/// A dataset that was just made, as reads show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadedDataset)]
pub(super) struct DatasetView {
    /// Its id.
    id: Uuid,
    /// Its unique name, which is its table name in SQL.
    name: String,
    /// What its uploader said about it.
    description: Option<String>,
    /// `ready`.
    status: &'static str,
    /// The version that can be queried.
    version: Option<u32>,
    /// What the file turned out to be.
    format: Option<String>,
    /// The size of the file, as it was received.
    bytes: u64,
    /// The size of the table.
    table_bytes: Option<u64>,
    /// The rows.
    rows: Option<u64>,
    /// The columns, in order.
    columns: Vec<ColumnView>,
    /// All sheets of a workbook; empty for other files.
    sheets: Vec<SheetView>,
    /// The file's name, where it was given.
    file_name: Option<String>,
    /// When it was uploaded.
    created_at: DateTime<Utc>,
    /// Who uploaded it.
    created_by: Option<Uuid>,
    /// When anything about it last changed.
    updated_at: DateTime<Utc>,
    /// Queries that read it: none yet.
    queries_7d: u64,
    /// When a query last read it: never yet.
    last_used_at: Option<DateTime<Utc>>,
    /// Where the event log has it.
    position: u64,
}

impl From<&Column> for ColumnView {
    fn from(c: &Column) -> Self {
        Self {
            name: c.name.clone(),
            data_type: c.data_type.clone(),
            nullable: c.nullable,
            missing: c.missing.clone(),
            unfit: c.unfit,
        }
    }
}

impl From<&Dataset> for DatasetView {
    fn from(d: &Dataset) -> Self {
        let ready = d.ready.as_ref();
        let columns = ready.into_iter().flat_map(|r| &r.columns).map(ColumnView::from);
        Self {
            id: d.id.0,
            name: d.name.clone(),
            description: d.description.clone(),
            status: d.status().as_str(),
            version: ready.map(|r| r.version),
            format: ready.map(|r| r.format.clone()),
            bytes: d.served().bytes,
            table_bytes: ready.map(|r| r.table_bytes),
            rows: ready.map(|r| r.rows),
            columns: columns.collect(),
            sheets: ready.into_iter().flat_map(|r| &r.sheets).map(SheetView::from).collect(),
            file_name: d.served().file_name.clone(),
            created_at: d.created_at,
            created_by: d.created_by.map(|u| u.0),
            updated_at: d.updated_at,
            queries_7d: 0,
            last_used_at: None,
            position: d.position.0,
        }
    }
}

/// A version of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadedVersion)]
pub(super) struct VersionView {
    /// The dataset.
    id: Uuid,
    /// Its name.
    name: String,
    /// The version's number.
    version: u32,
    /// `ready`, or `ingesting` while its file is being read.
    #[schema(example = "ready")]
    status: &'static str,
    /// What the file turned out to be; null until it was read.
    format: Option<String>,
    /// The size of the table; null until the file was read.
    table_bytes: Option<u64>,
    /// The rows; null until the file was read.
    rows: Option<u64>,
    /// The columns, in order; empty until the file was read.
    columns: Vec<ColumnView>,
    /// All sheets of a workbook; empty for other files.
    sheets: Vec<SheetView>,
    /// What is different from the version before; null until the file was read.
    diff: Option<DiffView>,
    /// Where the event log has it.
    position: u64,
}

/// How a version differs from the one before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadedDiff)]
pub(super) struct DiffView {
    /// The version that it is compared with.
    from: u32,
    /// Columns that are new.
    added: Vec<String>,
    /// Columns that are gone.
    removed: Vec<String>,
    /// Columns of another type than before.
    retyped: Vec<RetypedView>,
    /// How many rows more; below zero where there are fewer.
    rows: i64,
}

/// A column whose type is another one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadedRetyped)]
pub(super) struct RetypedView {
    /// The column.
    name: String,
    /// The type it had.
    from: String,
    /// The type it has.
    to: String,
}

impl From<&dataset::Diff> for DiffView {
    fn from(d: &dataset::Diff) -> Self {
        let retyped = d.retyped.iter();
        Self {
            from: d.from,
            added: d.added.clone(),
            removed: d.removed.clone(),
            retyped: retyped
                .map(|r| RetypedView { name: r.name.clone(), from: r.from.clone(), to: r.to.clone() })
                .collect(),
            rows: d.rows,
        }
    }
}

impl VersionView {
    /// A version that can be queried; `None` where it cannot.
    pub(super) fn of(dataset: &Dataset, version: u32) -> Option<Self> {
        let ready = dataset.readable.get(&version)?;
        Some(Self {
            id: dataset.id.0,
            name: dataset.name.clone(),
            version,
            status: Status::Ready.as_str(),
            format: Some(ready.format.clone()),
            table_bytes: Some(ready.table_bytes),
            rows: Some(ready.rows),
            columns: ready.columns.iter().map(ColumnView::from).collect(),
            sheets: ready.sheets.iter().map(SheetView::from).collect(),
            diff: ready.diff.as_ref().map(DiffView::from),
            position: dataset.position.0,
        })
    }

    /// A version whose file is being read.
    pub(super) fn ingesting(id: DatasetId, name: &str, version: u32, position: Position) -> Self {
        Self {
            id: id.0,
            name: name.to_owned(),
            version,
            status: Status::Ingesting.as_str(),
            format: None,
            table_bytes: None,
            rows: None,
            columns: Vec::new(),
            sheets: Vec::new(),
            diff: None,
            position: position.0,
        }
    }
}
