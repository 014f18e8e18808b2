//! What a workspace did, day by day: the figures of `GET /api/v1/usage`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use chrono::NaiveDate;
use datafusion::arrow::{
    array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use weir_events::{Event, Stored, UserId, dataset, query, visualization};
use weir_infra::latency::{bucket, percentile, rate, rounded};

/// `weir.usage`.
pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name, data_type| Field::new(name, data_type, true);
    let mut fields = vec![field("day", DataType::Date32)];
    let counts = ["uploads", "queries", "failed_queries", "visualizations", "active_users"];
    fields.extend(counts.map(|name| field(name, DataType::Int64)));
    fields.extend(["p50_ms", "p95_ms", "cache_hit_rate"].map(|name| field(name, DataType::Float64)));
    Arc::new(Schema::new(fields))
});

/// Days so far. What it takes grows with days and people, not with what they do.
#[derive(Default)]
pub(super) struct Usage(BTreeMap<NaiveDate, Day>);

#[derive(Default)]
struct Day {
    uploads: i64,
    queries: i64,
    failed: i64,
    visualizations: i64,
    hits: i64,
    latencies: HashMap<i16, i64>,
    users: HashSet<UserId>,
}

impl Usage {
    pub(super) fn add(&mut self, event: &Stored) {
        let Ok(event) = event.decode() else { return };
        let date = event.meta.time.date_naive();
        if let Some(user) = event.meta.actor.user() {
            self.0.entry(date).or_default().users.insert(user);
        }
        match &event.event {
            Event::Dataset(dataset::Event::Uploaded(_)) => self.0.entry(date).or_default().uploads += 1,
            Event::Visualization(visualization::Event::Saved(_)) => {
                self.0.entry(date).or_default().visualizations += 1;
            }
            Event::Query(query::Event::Failed(_)) => {
                let day = self.0.entry(date).or_default();
                day.queries += 1;
                day.failed += 1;
            }
            Event::Query(query::Event::Executed(run)) => {
                let day = self.0.entry(date).or_default();
                day.queries += 1;
                day.hits += i64::from(run.cache_tier.is_some());
                *day.latencies.entry(bucket(run.elapsed_ms)).or_default() += 1;
            }
            _ => {}
        }
    }

    pub(super) fn finish(self) -> Result<RecordBatch, ArrowError> {
        let epoch = NaiveDate::default();
        let days = self.0.keys().map(|day| i32::try_from((*day - epoch).num_days()).unwrap_or(i32::MAX));
        let count =
            |of: fn(&Day) -> i64| Arc::new(self.0.values().map(of).collect::<Int64Array>()) as ArrayRef;
        let figure = |of: &dyn Fn(&Day) -> Option<f64>| {
            Arc::new(self.0.values().map(of).collect::<Float64Array>()) as ArrayRef
        };
        let within = |share: f64| {
            move |day: &Day| {
                percentile(day.latencies.iter().map(|(bucket, count)| (*bucket, *count)), share).map(rounded)
            }
        };
        let columns = vec![
            Arc::new(Date32Array::from_iter_values(days)) as ArrayRef,
            count(|day| day.uploads),
            count(|day| day.queries),
            count(|day| day.failed),
            count(|day| day.visualizations),
            count(|day| i64::try_from(day.users.len()).unwrap_or(i64::MAX)),
            figure(&within(0.5)),
            figure(&within(0.95)),
            figure(&|day| rate(day.hits, day.queries - day.failed)),
        ];
        RecordBatch::try_new(SCHEMA.clone(), columns)
    }
}
