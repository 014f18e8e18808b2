//! Every version that a dataset ever had.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{Recorded, dataset};

use super::{Table, Upload, reason};
use crate::{
    projection::{Tx, execute},
    projections::{json, person, version},
};

/// What a batch changes, by workspace, dataset and version.
pub(super) type Delta = HashMap<(Uuid, Uuid, i32), Row>;

/// What a batch changes in a row; `None` leaves things as they are.
#[derive(Default)]
pub(super) struct Row {
    arrived: Option<(DateTime<Utc>, Option<Uuid>, Upload)>,
    options: Option<String>,
    table: Option<Table>,
    diff: Option<String>,
    restored_from: Option<i32>,
    reason: Option<Value>,
}

impl Row {
    fn read(&mut self, e: &dataset::Ingested, at: DateTime<Utc>) {
        self.table = Some(Table::of(e, at));
        self.options = Some(json(&e.options));
        self.diff = e.diff.as_ref().map(json);
    }
}

pub(super) fn fold(delta: &mut Delta, key: (Uuid, Uuid), event: &Recorded, happened: &dataset::Event) {
    let number = match happened {
        dataset::Event::Uploaded(e) => e.version,
        dataset::Event::Reread(e) => e.version,
        dataset::Event::RolledBack(e) => e.ingested.version,
        dataset::Event::Ingested(e) => e.version,
        dataset::Event::Rejected(e) => e.version,
        _ => return,
    };
    let row = delta.entry((key.0, key.1, version(number))).or_default();
    let arrived = |upload| Some((event.meta.time, person(event), Upload::of(number, upload)));
    match happened {
        dataset::Event::Uploaded(dataset::Uploaded { upload, options, .. })
        | dataset::Event::Reread(dataset::Reread { upload, options, .. }) => {
            row.arrived = arrived(upload);
            row.options = Some(json(options));
        }
        dataset::Event::RolledBack(e) => {
            row.arrived = arrived(&e.upload);
            row.restored_from = Some(version(e.from));
            row.read(&e.ingested, event.meta.time);
        }
        dataset::Event::Ingested(e) => row.read(e, event.meta.time),
        dataset::Event::Rejected(e) => row.reason = Some(reason(e)),
        _ => {}
    }
}

pub(super) async fn write(tx: &Tx<'_>, rows: Delta) -> Result<(), tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(rows: &'a Delta, f: impl Fn(&'a Row) -> T) -> Vec<T> {
        rows.values().map(f).collect()
    }
    let workspaces: Vec<_> = rows.keys().map(|k| k.0).collect();
    let datasets: Vec<_> = rows.keys().map(|k| k.1).collect();
    let versions: Vec<_> = rows.keys().map(|k| k.2).collect();
    let uploaded = column(&rows, |r| r.arrived.as_ref().map(|a| a.0));
    let uploaders = column(&rows, |r| r.arrived.as_ref().and_then(|a| a.1));
    let file_names = column(&rows, |r| r.arrived.as_ref().and_then(|a| a.2.file_name.as_deref()));
    let upload_bytes = column(&rows, |r| r.arrived.as_ref().map(|a| a.2.bytes));
    let hashes = column(&rows, |r| r.arrived.as_ref().map(|a| a.2.sha256.as_str()));
    let options = column(&rows, |r| r.options.as_deref());
    let formats = column(&rows, |r| r.table.as_ref().map(|t| t.format.as_str()));
    let table_bytes = column(&rows, |r| r.table.as_ref().map(|t| t.bytes));
    let table_rows = column(&rows, |r| r.table.as_ref().map(|t| t.rows));
    let columns = column(&rows, |r| r.table.as_ref().map(|t| t.columns.as_str()));
    let sheets = column(&rows, |r| r.table.as_ref().and_then(|t| t.sheets.as_deref()));
    let ingested = column(&rows, |r| r.table.as_ref().map(|t| t.at));
    let diffs = column(&rows, |r| r.diff.as_deref());
    let restored = column(&rows, |r| r.restored_from);
    let reasons = column(&rows, |r| r.reason.as_ref());
    let params: &[&(dyn ToSql + Sync)] = &[
        &workspaces,
        &datasets,
        &versions,
        &uploaded,
        &uploaders,
        &file_names,
        &upload_bytes,
        &hashes,
        &options,
        &formats,
        &table_bytes,
        &table_rows,
        &columns,
        &ingested,
        &diffs,
        &restored,
        &reasons,
        &sheets,
    ];
    execute(tx, include_str!("write_versions.sql"), params).await
}
