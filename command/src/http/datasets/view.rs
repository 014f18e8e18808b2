//! A dataset as it is right after a command, in the form that reads have it in.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::directory::Dataset;

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

impl From<&Dataset> for DatasetView {
    fn from(d: &Dataset) -> Self {
        let ready = d.ready.as_ref();
        let columns = ready.into_iter().flat_map(|r| &r.columns).map(|c| ColumnView {
            name: c.name.clone(),
            data_type: c.data_type.clone(),
            nullable: c.nullable,
            missing: c.missing.clone(),
        });
        Self {
            id: d.id.0,
            name: d.name.clone(),
            description: d.description.clone(),
            status: d.status().as_str(),
            version: ready.map(|r| r.version),
            format: ready.map(|r| r.format.clone()),
            bytes: d.upload.bytes,
            table_bytes: ready.map(|r| r.table_bytes),
            rows: ready.map(|r| r.rows),
            columns: columns.collect(),
            file_name: d.upload.file_name.clone(),
            created_at: d.created_at,
            created_by: d.created_by.map(|u| u.0),
            updated_at: d.updated_at,
            queries_7d: 0,
            last_used_at: None,
            position: d.position.0,
        }
    }
}
