//! The sums at the top of the dashboard.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{Event, Recorded, context, dataset, query, visualization};

use super::{int, json, keys, position};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Overview;

#[derive(Default)]
pub(crate) struct Delta {
    totals: HashMap<Uuid, Total>,
    items: HashMap<(Uuid, &'static str, Uuid), Item>,
}

#[derive(Default)]
struct Total {
    queries: i64,
    failed_queries: i64,
    cache_hits: i64,
    position: i64,
}

/// What becomes of something that is counted; `None` leaves it as it is.
#[derive(Default)]
struct Item {
    made: Option<bool>,
    deleted: Option<bool>,
    /// The bytes of files by version, which count once they are read.
    arrived: BTreeMap<u32, i64>,
    /// Versions of which it is known what became of them.
    settled: BTreeSet<u32>,
    /// The version that was read last, and the bytes of its file where that arrived in this batch.
    read: Option<(u32, Option<i64>)>,
    rows: Option<i64>,
}

impl Item {
    fn arrived(&mut self, version: u32, file: &dataset::Upload) {
        self.settled.remove(&version);
        self.arrived.insert(version, int(file.bytes));
    }

    fn settled(&mut self, version: u32) {
        self.arrived.remove(&version);
        self.settled.insert(version);
    }
}

impl Projection for Overview {
    const NAME: &'static str = "overview";
    const VERSION: i32 = 3;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let Some((workspace, id)) = keys(event) else { return };
        let Delta { totals, items } = delta;
        let total = totals.entry(workspace).or_default();
        total.position = position(event);
        match &event.event {
            Event::Query(query::Event::Executed(run)) => {
                total.queries += 1;
                total.cache_hits += i64::from(run.cache_tier.is_some());
            }
            Event::Query(query::Event::Failed(_)) => {
                total.queries += 1;
                total.failed_queries += 1;
            }
            Event::Dataset(happened) => {
                let item = items.entry((workspace, "dataset", id)).or_default();
                match happened {
                    dataset::Event::Uploaded(e) => item.arrived(e.version, &e.upload),
                    dataset::Event::Reread(e) => item.arrived(e.version, &e.upload),
                    dataset::Event::Ingested(e) => {
                        item.made = Some(true);
                        item.read = Some((e.version, item.arrived.get(&e.version).copied()));
                        item.settled(e.version);
                        item.rows = Some(int(e.rows));
                    }
                    dataset::Event::RolledBack(e) => {
                        item.made = Some(true);
                        item.read = Some((e.ingested.version, Some(int(e.upload.bytes))));
                        item.rows = Some(int(e.ingested.rows));
                    }
                    dataset::Event::Deleted(_) => item.deleted = Some(true),
                    dataset::Event::Restored(_) => item.deleted = Some(false),
                    dataset::Event::Rejected(e) => item.settled(e.version),
                    dataset::Event::Renamed(_) | dataset::Event::Described(_) => {}
                }
            }
            Event::Visualization(happened) => {
                let item = items.entry((workspace, "visualization", id)).or_default();
                match happened {
                    visualization::Event::Saved(_) => item.made = Some(true),
                    visualization::Event::Deleted(_) => item.deleted = Some(true),
                    visualization::Event::Restored(_) => item.deleted = Some(false),
                    visualization::Event::Renamed(_) | visualization::Event::Described(_) => {}
                }
            }
            Event::Context(happened) => {
                let item = items.entry((workspace, "context", id)).or_default();
                match happened {
                    context::Event::Saved(_) => item.made = Some(true),
                    context::Event::Deleted(_) => item.deleted = Some(true),
                    context::Event::Restored(_) => item.deleted = Some(false),
                }
            }
            Event::Query(_) | Event::Workspace(_) | Event::Member(_) | Event::Webhook(_) | Event::Name(_) => {
            }
        }
    }

    async fn write(tx: &Tx<'_>, Delta { totals, items }: Delta) -> Result<(), tokio_postgres::Error> {
        if totals.is_empty() {
            return Ok(());
        }
        let workspaces: Vec<_> = totals.keys().collect();
        let queries: Vec<_> = totals.values().map(|t| t.queries).collect();
        let failed: Vec<_> = totals.values().map(|t| t.failed_queries).collect();
        let hits: Vec<_> = totals.values().map(|t| t.cache_hits).collect();
        let positions: Vec<_> = totals.values().map(|t| t.position).collect();
        let owners: Vec<_> = items.keys().map(|k| k.0).collect();
        let kinds: Vec<_> = items.keys().map(|k| k.1).collect();
        let ids: Vec<_> = items.keys().map(|k| k.2).collect();
        let made: Vec<_> = items.values().map(|i| i.made).collect();
        let deleted: Vec<_> = items.values().map(|i| i.deleted).collect();
        let arrived: Vec<_> = items.values().map(|i| json(&i.arrived)).collect();
        let settled: Vec<_> = items.values().map(|i| json(&i.settled)).collect();
        let read: Vec<_> = items.values().map(|i| i.read.map(|(version, _)| version.to_string())).collect();
        let bytes: Vec<_> = items.values().map(|i| i.read.and_then(|(_, bytes)| bytes)).collect();
        let rows: Vec<_> = items.values().map(|i| i.rows).collect();
        let params: &[&(dyn ToSql + Sync)] = &[
            &workspaces,
            &queries,
            &failed,
            &hits,
            &positions,
            &owners,
            &kinds,
            &ids,
            &made,
            &deleted,
            &bytes,
            &rows,
            &arrived,
            &settled,
            &read,
        ];
        execute(tx, include_str!("write.sql"), params).await
    }
}
