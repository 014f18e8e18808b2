//! Reservations that make names unique. Subject `weir.<workspace>.name.<kind>.<slug>`.
//!
//! A reservation rides in the same commit as the event that needs the name, guarded by the last
//! position of the name's subject: of two commands that want one name, the log refuses one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

events! {
    /// What can happen to a name.
    pub enum Event {
        /// It was taken.
        Reserved = "weir.name.reserved.v1",
        /// It was given back.
        Released = "weir.name.released.v1",
    }
}

/// What a name is for; each kind has names of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Datasets.
    Dataset,
    /// Saved queries.
    Query,
    /// Charts.
    Visualization,
    /// Contexts.
    Context,
}

impl Kind {
    /// The token in the subject.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Query => "query",
            Self::Visualization => "visualization",
            Self::Context => "context",
        }
    }
}

/// The form in which names are compared: case folded, and every byte that a subject token may not
/// hold written as `=xx`, so that different names never share a slug.
pub fn slug(name: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(name.len());
    for b in name.trim().to_lowercase().bytes() {
        if b.is_ascii_alphanumeric() || b == b'_' || b == b'-' {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "={b:02x}");
        }
    }
    out
}

/// The name was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reserved {
    /// The id of the thing that holds it.
    pub holder: Uuid,
}

/// The name was given back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Released {}

impl From<Event> for crate::Event {
    fn from(e: Event) -> Self {
        Self::Name(e)
    }
}
