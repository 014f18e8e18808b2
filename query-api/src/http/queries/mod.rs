//! `/api/v1/queries`: what is asked, by pattern.

pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::{Code, Problem};

use crate::{latency::Latencies, reader::Decoded};

/// A query pattern: SQL with its literals taken out. Saved ones have a name.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Query {
    /// Its id.
    pub(crate) id: Uuid,
    /// The name of the saved query; null where nobody saved it.
    pub(crate) name: Option<String>,
    /// The SQL that the name stands for, or that of the newest run.
    pub(crate) sql: String,
    /// The SQL with its literals taken out.
    pub(crate) pattern: String,
    /// Whether it has a name.
    pub(crate) saved: bool,
    /// When it got its name.
    pub(crate) saved_at: Option<DateTime<Utc>>,
    /// Who gave it its name.
    pub(crate) saved_by: Option<Uuid>,
    /// All its runs.
    pub(crate) runs: i64,
    /// Those of them that failed.
    pub(crate) failures: i64,
    /// When it was first run.
    pub(crate) first_run_at: Option<DateTime<Utc>>,
    /// When it was last run.
    pub(crate) last_run_at: Option<DateTime<Utc>>,
    /// The median time of its answered runs, in milliseconds, within 5 %.
    pub(crate) p50_ms: Option<f64>,
    /// The time that 95 % of its answered runs kept within, in milliseconds, within 5 %.
    pub(crate) p95_ms: Option<f64>,
    /// The share of its answered runs that a cache served, from 0 to 1; null without any.
    pub(crate) cache_hit_rate: Option<f64>,
    /// The last event of the pattern.
    pub(crate) position: i64,
}

impl Query {
    pub(crate) fn from_row(row: &Row) -> Decoded<Self> {
        let latencies = Latencies::from_row(row)?;
        let name: Option<String> = row.try_get("name")?;
        let (runs, failures): (i64, i64) = (row.try_get("runs")?, row.try_get("failures")?);
        Ok(Self {
            id: row.try_get("id")?,
            saved: name.is_some(),
            name,
            sql: row.try_get("sql")?,
            pattern: row.try_get("pattern")?,
            saved_at: row.try_get("saved_at")?,
            saved_by: row.try_get("saved_by")?,
            runs,
            failures,
            first_run_at: row.try_get("first_run_at")?,
            last_run_at: row.try_get("last_run_at")?,
            p50_ms: latencies.percentile(0.5),
            p95_ms: latencies.percentile(0.95),
            cache_hit_rate: crate::latency::rate(row.try_get("cache_hits")?, runs - failures),
            position: row.try_get("position")?,
        })
    }
}

pub(crate) fn not_found(id: Uuid) -> Problem {
    Problem::new(Code::QueryNotFound, format!("There is no query {id} in this workspace."))
}
