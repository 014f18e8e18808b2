//! Saved charts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{Event, Recorded, visualization};

use super::{json, keys, person, position};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Visualizations;

#[derive(Default)]
pub(crate) struct Delta(HashMap<(Uuid, Uuid), Row>);

/// What a batch changes in a row; `None` leaves things as they are.
#[derive(Default)]
struct Row {
    /// When and by whom it was first saved in this batch; before it, perhaps, as well.
    saved: Option<(DateTime<Utc>, Option<Uuid>)>,
    saves: i32,
    name: Option<String>,
    /// Empty takes it away.
    description: Option<String>,
    content: Option<Content>,
    /// `Some(None)` for a chart that came back.
    deleted_at: Option<Option<DateTime<Utc>>>,
    updated: Option<(DateTime<Utc>, Option<Uuid>)>,
    position: i64,
}

struct Content {
    sql: String,
    query: Uuid,
    run: Option<Uuid>,
    spec: String,
    chart: Option<String>,
}

impl Row {
    fn fold(&mut self, event: &Recorded, happened: &visualization::Event) {
        let now = (event.meta.time, person(event));
        match happened {
            visualization::Event::Saved(e) => {
                self.saved.get_or_insert(now);
                self.saves += 1;
                self.name = Some(e.name.clone());
                // Saving replaces all of it, a description that is not there any more included.
                self.description = Some(e.description.clone().unwrap_or_default());
                self.content = Some(Content {
                    sql: e.sql.clone(),
                    query: e.query_id.0,
                    run: e.run_id.map(|r| r.0),
                    spec: json(&e.spec),
                    chart: e.chart.as_ref().map(json),
                });
            }
            visualization::Event::Renamed(e) => self.name = Some(e.name.clone()),
            visualization::Event::Described(e) => self.description = Some(e.description.clone()),
            visualization::Event::Deleted(_) => self.deleted_at = Some(Some(event.meta.time)),
            visualization::Event::Restored(e) => {
                self.deleted_at = Some(None);
                self.name = Some(e.name.clone());
            }
        }
        self.updated = Some(now);
        self.position = position(event);
    }
}

impl Projection for Visualizations {
    const NAME: &'static str = "visualizations";
    const VERSION: i32 = 2;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let Event::Visualization(happened) = &event.event else { return };
        let Some(key) = keys(event) else { return };
        delta.0.entry(key).or_default().fold(event, happened);
    }

    async fn write(tx: &Tx<'_>, Delta(rows): Delta) -> Result<(), tokio_postgres::Error> {
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
        let sql = column(&rows, |r| r.content.as_ref().map(|c| c.sql.as_str()));
        let queries = column(&rows, |r| r.content.as_ref().map(|c| c.query));
        let runs = column(&rows, |r| r.content.as_ref().and_then(|c| c.run));
        let specs = column(&rows, |r| r.content.as_ref().map(|c| c.spec.as_str()));
        let charts = column(&rows, |r| r.content.as_ref().and_then(|c| c.chart.as_deref()));
        let saves = column(&rows, |r| r.saves);
        let saved_at = column(&rows, |r| r.saved.map(|s| s.0));
        let saved_by = column(&rows, |r| r.saved.and_then(|s| s.1));
        let updated_at = column(&rows, |r| r.updated.map(|u| u.0));
        let updated_by = column(&rows, |r| r.updated.and_then(|u| u.1));
        let deletions = column(&rows, |r| r.deleted_at.map(|d| d.is_some()));
        let deleted = column(&rows, |r| r.deleted_at.flatten());
        let positions = column(&rows, |r| r.position);
        let params: &[&(dyn ToSql + Sync)] = &[
            &workspaces,
            &ids,
            &names,
            &descriptions,
            &sql,
            &queries,
            &runs,
            &specs,
            &charts,
            &saves,
            &saved_at,
            &saved_by,
            &updated_at,
            &updated_by,
            &deletions,
            &deleted,
            &positions,
        ];
        execute(tx, include_str!("write.sql"), params).await
    }
}
