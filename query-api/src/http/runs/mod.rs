//! `/api/v1/runs`: each execution of a query.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod receipt;
pub(crate) mod result;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Row, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::{Code, Problem};

use crate::{reader::Decoded, words::words};

/// One execution of a query.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Run {
    /// Its id.
    pub(crate) run_id: Uuid,
    /// The pattern of its SQL.
    pub(crate) query_id: Uuid,
    /// The name of the saved query with that pattern, if there is one.
    pub(crate) query_name: Option<String>,
    /// The SQL as it was asked.
    pub(crate) sql: String,
    /// The question in plain language that a model wrote the SQL for; null where a person wrote it.
    pub(crate) question: Option<String>,
    /// That model.
    pub(crate) model: Option<String>,
    /// The context that it was asked in, if it was.
    pub(crate) context: Option<Within>,
    /// How it ended.
    pub(crate) status: Outcome,
    /// Why it failed, where it did.
    pub(crate) error: Option<Failure>,
    /// Rows in the answer; null where it failed.
    pub(crate) rows: Option<i64>,
    /// The answer's size in memory.
    pub(crate) bytes: Option<i64>,
    /// Whether a limit cut the answer.
    pub(crate) truncated: Option<bool>,
    /// From the request to the whole answer.
    pub(crate) elapsed_ms: f64,
    /// Whether a cache served it.
    pub(crate) cache: Cache,
    /// What it read.
    pub(crate) datasets: Vec<Source>,
    /// Whether the answer was kept, so that `/result` can give it again.
    pub(crate) result_kept: bool,
    /// When it was run.
    pub(crate) at: DateTime<Utc>,
    /// Who ran it: `user:<id>`, `key:<id>:<user>` or `system:<worker>`.
    pub(crate) actor: String,
    /// The person behind that.
    pub(crate) user_id: Option<Uuid>,
    /// Its event.
    pub(crate) position: i64,
}

/// A version of a context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RunContext)]
pub(crate) struct Within {
    /// The context.
    pub(crate) id: Uuid,
    /// Its name at that time.
    pub(crate) name: String,
    /// The version.
    pub(crate) version: String,
}

words! {
    /// How a run ended.
    #[schema(as = RunStatus)]
    enum Outcome {
        /// With an answer.
        Ok = "ok",
        /// Without one.
        Failed = "failed",
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RunError)]
pub(crate) struct Failure {
    /// The stable code that the caller got.
    pub(crate) code: String,
    /// The sentence that the caller got.
    pub(crate) detail: String,
}

/// Whether a cache served an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RunCache)]
pub(crate) struct Cache {
    /// Whether one did.
    pub(crate) hit: bool,
    /// Which tier.
    pub(crate) tier: Option<i16>,
}

/// A version of a dataset that a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RunDataset)]
pub(crate) struct Source {
    /// The dataset.
    pub(crate) id: Uuid,
    /// Its name at that time.
    pub(crate) name: String,
    /// The version that was read.
    pub(crate) version: i32,
}

impl Run {
    pub(crate) fn from_row(row: &Row) -> Decoded<Self> {
        let tier: Option<i16> = row.try_get("cache_tier")?;
        let code: Option<String> = row.try_get("code")?;
        let detail: Option<String> = row.try_get("detail")?;
        let datasets: Json<Vec<Source>> = row.try_get("datasets")?;
        let context: Option<Json<Within>> = row.try_get("context")?;
        Ok(Self {
            run_id: row.try_get("run_id")?,
            query_id: row.try_get("query_id")?,
            query_name: row.try_get("query_name")?,
            sql: row.try_get("sql")?,
            question: row.try_get("question")?,
            model: row.try_get("model")?,
            context: context.map(|c| c.0),
            status: row.try_get("status")?,
            error: code.map(|code| Failure { code, detail: detail.unwrap_or_default() }),
            rows: row.try_get("rows")?,
            bytes: row.try_get("bytes")?,
            truncated: row.try_get("truncated")?,
            elapsed_ms: row.try_get("elapsed_ms")?,
            cache: Cache { hit: tier.is_some(), tier },
            datasets: datasets.0,
            result_kept: row.try_get("result_kept")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            user_id: row.try_get("user_id")?,
            position: row.try_get("position")?,
        })
    }
}

pub(crate) fn not_found(id: Uuid) -> Problem {
    Problem::new(Code::RunNotFound, format!("There is no run {id} in this workspace."))
}
