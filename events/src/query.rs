//! Query patterns and their runs. Subject `weir.<workspace>.query.<pattern>`: a run is a fact on
//! its pattern's subject, so the number of subjects grows with what people ask, not how often. What
//! a pattern is saved as stands on `weir.<workspace>.saved.<pattern>`, so that giving it a name
//! neither reads the runs nor meets them; in older streams it stands among the runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ContextId, DatasetId, RunId};

events! {
    /// What can happen to a query pattern.
    pub enum Event {
        /// It was run and answered.
        Executed = "weir.query.executed.v1",
        /// It was run and failed.
        Failed = "weir.query.failed.v1",
        /// Someone gave it a name to keep it.
        Saved = "weir.query.saved.v1",
        /// A saved query got another name.
        Renamed = "weir.query.renamed.v1",
        /// A saved query was given up; its runs stay.
        Unsaved = "weir.query.unsaved.v1",
    }
}

/// A version of a dataset that a run read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The dataset.
    pub id: DatasetId,
    /// Its name at that time.
    pub name: String,
    /// The version that was read.
    pub version: u32,
}

/// A version of a context that a run was asked in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Within {
    /// The context.
    pub id: ContextId,
    /// Its name.
    pub name: String,
    /// The version.
    pub version: String,
}

/// A query was answered. This is the receipt: enough to say where a number came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Executed {
    /// The run.
    pub run_id: RunId,
    /// The SQL as asked.
    pub sql: String,
    /// The SQL with its literals taken out: the pattern.
    pub pattern: String,
    /// What was read.
    pub datasets: Vec<Source>,
    /// The context that it was asked in, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Within>,
    /// The engine and its version.
    pub engine: String,
    /// Rows in the answer.
    pub rows: u64,
    /// Size of the answer in memory, in bytes.
    pub bytes: u64,
    /// Whether the row limit cut the answer.
    pub truncated: bool,
    /// Time from the request to the whole answer, in milliseconds.
    pub elapsed_ms: f64,
    /// The cache tier that served it, `None` when it was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_tier: Option<u8>,
    /// SHA-256 over the answer's content, in hex.
    pub result_hash: String,
    /// The answer's key in the blob store, where it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The question that the SQL was written for, where a language model wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// That model, as its provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where the log was that it read, if it read the workspace's past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_to: Option<u64>,
    /// Where the time went, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Box<Stages>>,
}

/// Where the time of an answered query went, in milliseconds. A stage that was not needed is not there: what a cache
/// had is neither planned nor run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stages {
    /// Finding out what its tables are.
    pub resolve_ms: f64,
    /// Waiting for its turn among the workspace's queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<f64>,
    /// Until there was a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_ms: Option<f64>,
    /// From the plan to the last row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<f64>,
    /// Keeping the answer, after it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ms: Option<f64>,
}

/// A query was not answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failed {
    /// The run.
    pub run_id: RunId,
    /// The SQL as asked.
    pub sql: String,
    /// The pattern; a remark where the SQL could not be parsed.
    pub pattern: String,
    /// The stable code that the caller got.
    pub code: String,
    /// The sentence that the caller got.
    pub detail: String,
    /// Time from the request to the failure, in milliseconds.
    pub elapsed_ms: f64,
    /// The question that the SQL was written for, where a language model wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// That model, as its provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Someone gave a pattern a name, with the SQL that the name stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// A unique name among the workspace's saved queries.
    pub name: String,
    /// The SQL.
    pub sql: String,
    /// Its pattern.
    pub pattern: String,
    /// The context that its last run was asked in, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Within>,
}

/// A saved query got another name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Renamed {
    /// The new name.
    pub name: String,
}

/// A saved query was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unsaved {}

impl From<Event> for crate::Event {
    fn from(e: Event) -> Self {
        Self::Query(e)
    }
}
