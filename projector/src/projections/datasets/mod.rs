//! Datasets, and how much they are used.

mod versions;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use futures::future::try_join3;
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{Event, Recorded, dataset, query};

use super::{int, json, keys, person, position, version};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Datasets;

#[derive(Default)]
pub(crate) struct Delta {
    rows: HashMap<(Uuid, Uuid), Row>,
    versions: versions::Delta,
    uses: HashMap<(Uuid, Uuid, NaiveDate), i64>,
}

/// What a batch changes in a row; `None` leaves things as they are.
#[derive(Default)]
struct Row {
    created: Option<(DateTime<Utc>, Option<Uuid>)>,
    name: Option<String>,
    /// Empty takes it away.
    description: Option<String>,
    upload: Option<Upload>,
    options: Option<String>,
    table: Option<Table>,
    rejected_version: Option<i32>,
    /// Empty takes it away.
    reason: Option<String>,
    /// `Some(None)` for a dataset that came back.
    deleted_at: Option<Option<DateTime<Utc>>>,
    changed: Option<(DateTime<Utc>, i64)>,
    last_used_at: Option<DateTime<Utc>>,
}

struct Upload {
    version: i32,
    file_name: Option<String>,
    key: String,
    bytes: i64,
    sha256: String,
}

impl Upload {
    fn of(number: u32, file: &dataset::Upload) -> Self {
        Self {
            version: version(number),
            file_name: file.file_name.clone(),
            key: file.blob.clone(),
            bytes: int(file.bytes),
            sha256: file.sha256.clone(),
        }
    }
}

struct Table {
    version: i32,
    format: String,
    key: String,
    bytes: i64,
    rows: i64,
    columns: String,
    sheets: Option<String>,
    at: DateTime<Utc>,
}

impl Table {
    fn of(read: &dataset::Ingested, at: DateTime<Utc>) -> Self {
        Self {
            version: version(read.version),
            format: read.format.clone(),
            key: read.table.clone(),
            bytes: int(read.table_bytes),
            rows: int(read.rows),
            columns: json(&read.columns),
            sheets: (!read.sheets.is_empty()).then(|| json(&read.sheets)),
            at,
        }
    }
}

fn reason(e: &dataset::Rejected) -> Value {
    json!({
        "version": e.version, "code": e.code, "detail": e.detail,
        "row": e.row, "column": e.column, "found": e.found,
    })
}

impl Delta {
    fn used(&mut self, event: &Recorded, sources: &[query::Source]) {
        let workspace = event.subject.workspace_id().0;
        let at = event.meta.time;
        for source in sources {
            let row = self.rows.entry((workspace, source.id.0)).or_default();
            row.last_used_at = row.last_used_at.max(Some(at));
            *self.uses.entry((workspace, source.id.0, at.date_naive())).or_default() += 1;
        }
    }
}

impl Row {
    fn fold(&mut self, event: &Recorded, happened: &dataset::Event) {
        let at = event.meta.time;
        match happened {
            dataset::Event::Uploaded(e) => {
                if e.version <= 1 {
                    *self = Self { created: Some((at, person(event))), ..Self::default() };
                }
                self.name = Some(e.name.clone());
                if e.description.is_some() {
                    self.description.clone_from(&e.description);
                }
                self.upload = Some(Upload::of(e.version, &e.upload));
                self.options = Some(json(&e.options));
            }
            dataset::Event::Reread(e) => {
                self.upload = Some(Upload::of(e.version, &e.upload));
                self.options = Some(json(&e.options));
            }
            dataset::Event::RolledBack(e) => {
                self.upload = Some(Upload::of(e.ingested.version, &e.upload));
                self.table = Some(Table::of(&e.ingested, at));
                self.options = Some(json(&e.ingested.options));
                self.reason = Some(String::new());
            }
            dataset::Event::Ingested(e) => {
                self.table = Some(Table::of(e, at));
                self.options = Some(json(&e.options));
                self.reason = Some(String::new());
            }
            dataset::Event::Rejected(e) => {
                self.rejected_version = Some(version(e.version));
                self.reason = Some(json(&reason(e)));
            }
            dataset::Event::Renamed(e) => self.name = Some(e.name.clone()),
            dataset::Event::Described(e) => self.description = Some(e.description.clone()),
            dataset::Event::Deleted(_) => self.deleted_at = Some(Some(at)),
            dataset::Event::Restored(e) => {
                self.deleted_at = Some(None);
                self.name = Some(e.name.clone());
            }
        }
        self.changed = Some((at, position(event)));
    }
}

impl Projection for Datasets {
    const NAME: &'static str = "datasets";
    const VERSION: i32 = 6;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        match &event.event {
            Event::Dataset(happened) => {
                let Some(key) = keys(event) else { return };
                delta.rows.entry(key).or_default().fold(event, happened);
                versions::fold(&mut delta.versions, key, event, happened);
            }
            Event::Query(query::Event::Executed(run)) => delta.used(event, &run.datasets),
            _ => {}
        }
    }

    async fn write(tx: &Tx<'_>, Delta { rows, versions, uses }: Delta) -> Result<(), tokio_postgres::Error> {
        try_join3(write_rows(tx, rows), versions::write(tx, versions), write_uses(tx, uses)).await.map(drop)
    }
}

async fn write_rows(tx: &Tx<'_>, rows: HashMap<(Uuid, Uuid), Row>) -> Result<(), tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(rows: &'a HashMap<(Uuid, Uuid), Row>, f: impl Fn(&'a Row) -> T) -> Vec<T> {
        rows.values().map(f).collect()
    }
    let workspaces: Vec<_> = rows.keys().map(|k| k.0).collect();
    let ids: Vec<_> = rows.keys().map(|k| k.1).collect();
    let names = column(&rows, |r| r.name.as_deref());
    let descriptions = column(&rows, |r| r.description.as_deref());
    let uploaded = column(&rows, |r| r.upload.as_ref().map(|u| u.version));
    let file_names = column(&rows, |r| r.upload.as_ref().and_then(|u| u.file_name.as_deref()));
    let upload_keys = column(&rows, |r| r.upload.as_ref().map(|u| u.key.as_str()));
    let upload_bytes = column(&rows, |r| r.upload.as_ref().map(|u| u.bytes));
    let hashes = column(&rows, |r| r.upload.as_ref().map(|u| u.sha256.as_str()));
    let options = column(&rows, |r| r.options.as_deref());
    let versions = column(&rows, |r| r.table.as_ref().map(|t| t.version));
    let formats = column(&rows, |r| r.table.as_ref().map(|t| t.format.as_str()));
    let table_keys = column(&rows, |r| r.table.as_ref().map(|t| t.key.as_str()));
    let table_bytes = column(&rows, |r| r.table.as_ref().map(|t| t.bytes));
    let table_rows = column(&rows, |r| r.table.as_ref().map(|t| t.rows));
    let columns = column(&rows, |r| r.table.as_ref().map(|t| t.columns.as_str()));
    let sheets = column(&rows, |r| r.table.as_ref().and_then(|t| t.sheets.as_deref()));
    let ingested = column(&rows, |r| r.table.as_ref().map(|t| t.at));
    let rejected = column(&rows, |r| r.rejected_version);
    let reasons = column(&rows, |r| r.reason.as_deref());
    let deletions = column(&rows, |r| r.deleted_at.map(|d| d.is_some()));
    let deleted = column(&rows, |r| r.deleted_at.flatten());
    let created = column(&rows, |r| r.created.map(|c| c.0));
    let creators = column(&rows, |r| r.created.and_then(|c| c.1));
    let updated = column(&rows, |r| r.changed.map(|c| c.0));
    let positions = column(&rows, |r| r.changed.map(|c| c.1));
    let used = column(&rows, |r| r.last_used_at);
    let params: &[&(dyn ToSql + Sync)] = &[
        &workspaces,
        &ids,
        &names,
        &descriptions,
        &uploaded,
        &file_names,
        &upload_keys,
        &upload_bytes,
        &hashes,
        &options,
        &versions,
        &formats,
        &table_keys,
        &table_bytes,
        &table_rows,
        &columns,
        &ingested,
        &rejected,
        &reasons,
        &deletions,
        &deleted,
        &created,
        &creators,
        &updated,
        &positions,
        &used,
        &sheets,
    ];
    execute(tx, include_str!("write.sql"), params).await
}

async fn write_uses(
    tx: &Tx<'_>,
    uses: HashMap<(Uuid, Uuid, NaiveDate), i64>,
) -> Result<(), tokio_postgres::Error> {
    if uses.is_empty() {
        return Ok(());
    }
    let workspaces: Vec<_> = uses.keys().map(|k| k.0).collect();
    let ids: Vec<_> = uses.keys().map(|k| k.1).collect();
    let days: Vec<_> = uses.keys().map(|k| k.2).collect();
    let counts: Vec<_> = uses.values().collect();
    execute(tx, include_str!("write_use.sql"), &[&workspaces, &ids, &days, &counts]).await
}
