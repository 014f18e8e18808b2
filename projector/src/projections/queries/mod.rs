//! Query patterns: how often and how fast they run, and what people saved.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures::future::try_join;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{Event, Recorded, query};

use super::{keys, latency::Latency, person, position};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Queries;

#[derive(Default)]
pub(crate) struct Delta {
    rows: HashMap<(Uuid, Uuid), Row>,
    latency: HashMap<(Uuid, Uuid), Latency>,
}

/// What a batch changes in a row.
#[derive(Default)]
struct Row {
    pattern: Option<String>,
    last_sql: Option<String>,
    saved: Change<Saved>,
    /// A new name for what had been saved before this batch.
    renamed: Option<String>,
    runs: i64,
    failures: i64,
    cache_hits: i64,
    first_run_at: Option<DateTime<Utc>>,
    last_run_at: Option<DateTime<Utc>>,
    position: i64,
    /// Of the event that the row begins with, if it is not there yet.
    first_position: i64,
}

#[derive(Default)]
enum Change<T> {
    #[default]
    Unchanged,
    To(T),
    Gone,
}

struct Saved {
    name: String,
    sql: String,
    at: DateTime<Utc>,
    by: Option<Uuid>,
}

impl Row {
    /// An event that a row can begin with. Others find none where the one before them could not be read.
    fn begin(&mut self, pattern: &str) {
        if self.pattern.is_none() {
            self.pattern = Some(pattern.to_owned());
            self.first_position = self.position;
        }
    }

    fn ran(&mut self, at: DateTime<Utc>, pattern: &str, sql: &String) {
        self.begin(pattern);
        // Mostly the same text again, or one of the same length: the buffer is used again.
        self.last_sql.get_or_insert_default().clone_from(sql);
        self.runs += 1;
        self.first_run_at = Some(self.first_run_at.map_or(at, |first| first.min(at)));
        self.last_run_at = self.last_run_at.max(Some(at));
    }

    fn fold(&mut self, event: &Recorded, happened: &query::Event) {
        let at = event.meta.time;
        self.position = position(event);
        match happened {
            query::Event::Executed(e) => {
                self.ran(at, &e.pattern, &e.sql);
                self.cache_hits += i64::from(e.cache_tier.is_some());
            }
            query::Event::Failed(e) => {
                self.ran(at, &e.pattern, &e.sql);
                self.failures += 1;
            }
            query::Event::Saved(e) => {
                self.begin(&e.pattern);
                self.renamed = None;
                self.saved =
                    Change::To(Saved { name: e.name.clone(), sql: e.sql.clone(), at, by: person(event) });
            }
            query::Event::Renamed(e) => match &mut self.saved {
                Change::To(saved) => saved.name.clone_from(&e.name),
                Change::Unchanged => self.renamed = Some(e.name.clone()),
                Change::Gone => {}
            },
            query::Event::Unsaved(_) => {
                self.renamed = None;
                self.saved = Change::Gone;
            }
        }
    }

    fn saved(&self) -> Option<&Saved> {
        if let Change::To(saved) = &self.saved { Some(saved) } else { None }
    }
}

impl Projection for Queries {
    const NAME: &'static str = "queries";
    const VERSION: i32 = 4;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let Event::Query(happened) = &event.event else { return };
        let Some(key) = keys(event) else { return };
        delta.rows.entry(key).or_default().fold(event, happened);
        if let query::Event::Executed(run) = happened {
            delta.latency.entry(key).or_default().count(run.elapsed_ms);
        }
    }

    async fn write(tx: &Tx<'_>, Delta { rows, latency }: Delta) -> Result<(), tokio_postgres::Error> {
        try_join(write_rows(tx, rows), write_latency(tx, latency)).await.map(drop)
    }
}

async fn write_rows(tx: &Tx<'_>, rows: HashMap<(Uuid, Uuid), Row>) -> Result<(), tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let workspaces: Vec<_> = rows.keys().map(|k| k.0).collect();
    let ids: Vec<_> = rows.keys().map(|k| k.1).collect();
    let patterns: Vec<_> = rows.values().map(|r| r.pattern.as_deref()).collect();
    let last: Vec<_> = rows.values().map(|r| r.last_sql.as_deref()).collect();
    // True for saved, false for given up, null for neither.
    let saving: Vec<_> = rows
        .values()
        .map(|r| match r.saved {
            Change::Unchanged => None,
            Change::To(_) => Some(true),
            Change::Gone => Some(false),
        })
        .collect();
    let names: Vec<_> =
        rows.values().map(|r| r.saved().map(|s| s.name.as_str()).or(r.renamed.as_deref())).collect();
    let saved_sql: Vec<_> = rows.values().map(|r| r.saved().map(|s| s.sql.as_str())).collect();
    let saved_at: Vec<_> = rows.values().map(|r| r.saved().map(|s| s.at)).collect();
    let saved_by: Vec<_> = rows.values().map(|r| r.saved().and_then(|s| s.by)).collect();
    let runs: Vec<_> = rows.values().map(|r| r.runs).collect();
    let failures: Vec<_> = rows.values().map(|r| r.failures).collect();
    let hits: Vec<_> = rows.values().map(|r| r.cache_hits).collect();
    let first_at: Vec<_> = rows.values().map(|r| r.first_run_at).collect();
    let last_at: Vec<_> = rows.values().map(|r| r.last_run_at).collect();
    let positions: Vec<_> = rows.values().map(|r| r.position).collect();
    let first: Vec<_> = rows.values().map(|r| r.first_position).collect();
    let params: &[&(dyn ToSql + Sync)] = &[
        &workspaces,
        &ids,
        &patterns,
        &last,
        &saving,
        &names,
        &saved_sql,
        &saved_at,
        &saved_by,
        &runs,
        &failures,
        &hits,
        &first_at,
        &last_at,
        &positions,
        &first,
    ];
    execute(tx, include_str!("write.sql"), params).await
}

async fn write_latency(
    tx: &Tx<'_>,
    latency: HashMap<(Uuid, Uuid), Latency>,
) -> Result<(), tokio_postgres::Error> {
    if latency.is_empty() {
        return Ok(());
    }
    let workspaces: Vec<_> = latency.keys().map(|k| k.0).collect();
    let ids: Vec<_> = latency.keys().map(|k| k.1).collect();
    let (buckets, counts): (Vec<_>, Vec<_>) = latency.values().map(Latency::arrays).unzip();
    execute(tx, include_str!("write_latency.sql"), &[&workspaces, &ids, &buckets, &counts]).await
}
