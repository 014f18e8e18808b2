//! Saved charts. Subject `weir.<workspace>.visualization.<visualization>`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{QueryId, RunId, query::Within};

events! {
    /// What can happen to a saved chart.
    pub enum Event {
        /// It was saved, or saved again with other content.
        Saved = "weir.visualization.saved.v1",
        /// It got another name.
        Renamed = "weir.visualization.renamed.v1",
        /// It got another description.
        Described = "weir.visualization.described.v1",
        /// It was deleted.
        Deleted = "weir.visualization.deleted.v1",
        /// It came back after a deletion.
        Restored = "weir.visualization.restored.v1",
    }
}

/// A chart over a query. A later one of the same chart replaces it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// A unique name among the workspace's charts.
    pub name: String,
    /// What its author said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The SQL whose rows it draws.
    pub sql: String,
    /// That SQL's pattern.
    pub query_id: QueryId,
    /// The run that it was made from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// The context that its query was asked in, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<Within>>,
    /// The Vega-Lite specification, without data.
    pub spec: Value,
    /// The short form that the specification was made from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Value>,
}

/// It got another name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Renamed {
    /// The new name.
    pub name: String,
}

/// It got another description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Described {
    /// The new description; empty takes it away.
    pub description: String,
}

/// It was deleted and its name is free again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {}

/// It came back after a deletion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Restored {
    /// Its name from now on.
    pub name: String,
}

impl From<Event> for crate::Event {
    fn from(e: Event) -> Self {
        Self::Visualization(e)
    }
}
