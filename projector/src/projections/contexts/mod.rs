//! Contexts, and every version of them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures::future::try_join;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{Event, Recorded, context};

use super::{keys, person, position};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Contexts;

#[derive(Default)]
pub(crate) struct Delta {
    rows: HashMap<(Uuid, Uuid), Row>,
    versions: HashMap<(Uuid, Uuid, String), Version>,
}

/// What a batch changes in a row; `None` leaves things as they are.
#[derive(Default)]
struct Row {
    saved: Option<Saved>,
    /// When and by whom it was first saved in this batch; before it, perhaps, as well.
    first: Option<(DateTime<Utc>, Option<Uuid>)>,
    /// `Some(None)` for a context that came back.
    deleted_at: Option<Option<DateTime<Utc>>>,
    updated: Option<(DateTime<Utc>, Option<Uuid>)>,
    position: i64,
}

struct Saved {
    name: String,
    version: String,
    status: String,
    description: String,
    datasets: Vec<String>,
    metrics: Vec<String>,
    relationships: i32,
}

/// A version; one that is saved again, because it is to count again, stays as it was.
struct Version {
    status: String,
    text: String,
    sha256: String,
    saved_at: DateTime<Utc>,
    saved_by: Option<Uuid>,
    position: i64,
}

impl Row {
    fn fold(&mut self, event: &Recorded, happened: &context::Event) {
        let now = (event.meta.time, person(event));
        match happened {
            context::Event::Saved(e) => {
                self.first.get_or_insert(now);
                self.saved = Some(Saved {
                    name: e.name.clone(),
                    version: e.version.clone(),
                    status: e.status.clone(),
                    description: e.description.clone(),
                    datasets: e.datasets.iter().map(ToString::to_string).collect(),
                    metrics: e.metrics.clone(),
                    relationships: i32::try_from(e.relationships).unwrap_or(i32::MAX),
                });
            }
            context::Event::Deleted(_) => self.deleted_at = Some(Some(event.meta.time)),
            context::Event::Restored(_) => self.deleted_at = Some(None),
        }
        self.updated = Some(now);
        self.position = position(event);
    }
}

impl Projection for Contexts {
    const NAME: &'static str = "contexts";
    const VERSION: i32 = 2;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let Event::Context(happened) = &event.event else { return };
        let Some(key) = keys(event) else { return };
        delta.rows.entry(key).or_default().fold(event, happened);
        if let context::Event::Saved(e) = happened {
            delta.versions.entry((key.0, key.1, e.version.clone())).or_insert_with(|| Version {
                status: e.status.clone(),
                text: e.text.clone(),
                sha256: e.sha256.clone(),
                saved_at: event.meta.time,
                saved_by: person(event),
                position: position(event),
            });
        }
    }

    async fn write(tx: &Tx<'_>, Delta { rows, versions }: Delta) -> Result<(), tokio_postgres::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        try_join(write_rows(tx, rows), write_versions(tx, versions)).await.map(drop)
    }
}

async fn write_rows(tx: &Tx<'_>, rows: HashMap<(Uuid, Uuid), Row>) -> Result<(), tokio_postgres::Error> {
    fn column<'a, T>(rows: &'a HashMap<(Uuid, Uuid), Row>, f: impl Fn(&'a Row) -> T) -> Vec<T> {
        rows.values().map(f).collect()
    }
    let workspaces: Vec<_> = rows.keys().map(|k| k.0).collect();
    let ids: Vec<_> = rows.keys().map(|k| k.1).collect();
    let names = column(&rows, |r| r.saved.as_ref().map(|s| s.name.as_str()));
    let versions = column(&rows, |r| r.saved.as_ref().map(|s| s.version.as_str()));
    let statuses = column(&rows, |r| r.saved.as_ref().map(|s| s.status.as_str()));
    let descriptions = column(&rows, |r| r.saved.as_ref().map(|s| s.description.as_str()));
    let datasets = column(&rows, |r| r.saved.as_ref().map(|s| super::json(&s.datasets)));
    let metrics = column(&rows, |r| r.saved.as_ref().map(|s| super::json(&s.metrics)));
    let relationships = column(&rows, |r| r.saved.as_ref().map(|s| s.relationships));
    let created_at = column(&rows, |r| r.first.map(|f| f.0));
    let created_by = column(&rows, |r| r.first.and_then(|f| f.1));
    let updated_at = column(&rows, |r| r.updated.map(|u| u.0));
    let updated_by = column(&rows, |r| r.updated.and_then(|u| u.1));
    let deletions = column(&rows, |r| r.deleted_at.map(|d| d.is_some()));
    let deleted = column(&rows, |r| r.deleted_at.flatten());
    let positions = column(&rows, |r| r.position);
    let params: &[&(dyn ToSql + Sync)] = &[
        &workspaces,
        &ids,
        &names,
        &versions,
        &statuses,
        &descriptions,
        &datasets,
        &metrics,
        &relationships,
        &created_at,
        &created_by,
        &updated_at,
        &updated_by,
        &deletions,
        &deleted,
        &positions,
    ];
    execute(tx, include_str!("write.sql"), params).await
}

async fn write_versions(
    tx: &Tx<'_>,
    versions: HashMap<(Uuid, Uuid, String), Version>,
) -> Result<(), tokio_postgres::Error> {
    if versions.is_empty() {
        return Ok(());
    }
    let workspaces: Vec<_> = versions.keys().map(|k| k.0).collect();
    let contexts: Vec<_> = versions.keys().map(|k| k.1).collect();
    let numbers: Vec<_> = versions.keys().map(|k| k.2.as_str()).collect();
    let statuses: Vec<_> = versions.values().map(|v| v.status.as_str()).collect();
    let texts: Vec<_> = versions.values().map(|v| v.text.as_str()).collect();
    let hashes: Vec<_> = versions.values().map(|v| v.sha256.as_str()).collect();
    let saved_at: Vec<_> = versions.values().map(|v| v.saved_at).collect();
    let saved_by: Vec<_> = versions.values().map(|v| v.saved_by).collect();
    let positions: Vec<_> = versions.values().map(|v| v.position).collect();
    let params: &[&(dyn ToSql + Sync)] =
        &[&workspaces, &contexts, &numbers, &statuses, &texts, &hashes, &saved_at, &saved_by, &positions];
    execute(tx, include_str!("write_versions.sql"), params).await
}
