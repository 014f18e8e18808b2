//! Contexts: what datasets mean and how they join. Subject `weir.<workspace>.context.<context>`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DatasetId;

events! {
    /// What can happen to a context.
    pub enum Event {
        /// A version of it was saved.
        Saved = "weir.context.saved.v1",
        /// It was deleted.
        Deleted = "weir.context.deleted.v1",
        /// It came back after a deletion.
        Restored = "weir.context.restored.v1",
    }
}

/// A version of a context. The newest that was saved is the one that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// Its unique name; another name is another context.
    pub name: String,
    /// The version, `1.2.3`; unique within the context.
    pub version: String,
    /// `draft`, `active` or `deprecated`.
    pub status: String,
    /// What it is about.
    pub description: String,
    /// The whole file, with that version in it.
    pub text: String,
    /// SHA-256 of the text, in hex.
    pub sha256: String,
    /// The datasets that it spoke of when it was saved, as far as there were such.
    pub datasets: Vec<DatasetId>,
    /// The ids of its metrics, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// How many relationships it has.
    pub relationships: u32,
}

/// It was deleted and its name is free again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {}

/// It came back after a deletion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Restored {
    /// Its name, which it took again.
    pub name: String,
}

impl From<Event> for crate::Event {
    fn from(e: Event) -> Self {
        Self::Context(e)
    }
}
