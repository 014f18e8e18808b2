//! What a workspace does from day to day.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use futures::future::try_join;
use uuid::Uuid;
use weir_events::{Event, Recorded, dataset, query, visualization};

use super::{latency::Latency, person};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Usage;

#[derive(Default)]
pub(crate) struct Delta {
    days: HashMap<(Uuid, NaiveDate), Day>,
    users: HashSet<(Uuid, NaiveDate, Uuid)>,
}

#[derive(Default)]
struct Day {
    uploads: i64,
    queries: i64,
    failed_queries: i64,
    visualizations: i64,
    cache_hits: i64,
    latency: Latency,
}

impl Delta {
    fn on(&mut self, workspace: Uuid, day: NaiveDate) -> &mut Day {
        self.days.entry((workspace, day)).or_default()
    }
}

impl Projection for Usage {
    const NAME: &'static str = "usage";
    const VERSION: i32 = 2;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let (workspace, day) = (event.subject.workspace_id().0, event.meta.time.date_naive());
        if let Some(user) = person(event) {
            delta.users.insert((workspace, day, user));
        }
        match &event.event {
            Event::Dataset(dataset::Event::Uploaded(_)) => delta.on(workspace, day).uploads += 1,
            Event::Visualization(visualization::Event::Saved(_)) => {
                delta.on(workspace, day).visualizations += 1;
            }
            Event::Query(query::Event::Failed(_)) => {
                let day = delta.on(workspace, day);
                day.queries += 1;
                day.failed_queries += 1;
            }
            Event::Query(query::Event::Executed(run)) => {
                let day = delta.on(workspace, day);
                day.queries += 1;
                day.latency.count(run.elapsed_ms);
                day.cache_hits += i64::from(run.cache_tier.is_some());
            }
            _ => {}
        }
    }

    async fn write(tx: &Tx<'_>, d: Delta) -> Result<(), tokio_postgres::Error> {
        try_join(write_days(tx, d.days), write_users(tx, d.users)).await.map(drop)
    }
}

async fn write_days(tx: &Tx<'_>, days: HashMap<(Uuid, NaiveDate), Day>) -> Result<(), tokio_postgres::Error> {
    if days.is_empty() {
        return Ok(());
    }
    let workspaces: Vec<_> = days.keys().map(|k| k.0).collect();
    let dates: Vec<_> = days.keys().map(|k| k.1).collect();
    let uploads: Vec<_> = days.values().map(|d| d.uploads).collect();
    let queries: Vec<_> = days.values().map(|d| d.queries).collect();
    let failed: Vec<_> = days.values().map(|d| d.failed_queries).collect();
    let visualizations: Vec<_> = days.values().map(|d| d.visualizations).collect();
    let hits: Vec<_> = days.values().map(|d| d.cache_hits).collect();
    let (buckets, counts): (Vec<_>, Vec<_>) = days.values().map(|d| d.latency.arrays()).unzip();
    let params: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
        &[&workspaces, &dates, &uploads, &queries, &failed, &visualizations, &hits, &buckets, &counts];
    execute(tx, include_str!("write_days.sql"), params).await
}

async fn write_users(
    tx: &Tx<'_>,
    users: HashSet<(Uuid, NaiveDate, Uuid)>,
) -> Result<(), tokio_postgres::Error> {
    if users.is_empty() {
        return Ok(());
    }
    let workspaces: Vec<_> = users.iter().map(|k| k.0).collect();
    let dates: Vec<_> = users.iter().map(|k| k.1).collect();
    let ids: Vec<_> = users.iter().map(|k| k.2).collect();
    execute(tx, include_str!("write_users.sql"), &[&workspaces, &dates, &ids]).await
}
