//! Which events somebody wants to be told of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Aggregate, Stored, envelope::header};

/// The event types or aggregates that may be named.
const NAMES: usize = 50;

/// Which events are wanted: all that are of one of the types and about one of the aggregates. None named means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wanted {
    /// Types, or beginnings of types: `weir.dataset`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    /// Kinds of aggregates, or single ones: `dataset`, `dataset/<id>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aggregates: Vec<String>,
}

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Unknown {
    /// `types` or `aggregates`.
    pub field: &'static str,
    /// A stable code: `unknown` or `too_many`.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

impl Wanted {
    /// Those of these types and about these aggregates.
    ///
    /// # Errors
    /// All that is wrong with the names.
    pub fn new(types: Vec<String>, aggregates: Vec<String>) -> Result<Self, Vec<Unknown>> {
        let mut wrong = Vec::new();
        if let Some(bad) = types.iter().find(|t| *t != "weir" && !t.starts_with("weir.")) {
            let detail =
                format!("`{bad}` is no type: they begin with `weir.`, as in `weir.dataset.uploaded.v2`");
            wrong.push(Unknown { field: "types", code: "unknown", detail });
        }
        if let Some(bad) = aggregates.iter().find(|a| !is_aggregate(a)) {
            let detail = format!("`{bad}` is no aggregate: `dataset`, or `dataset/` and an id");
            wrong.push(Unknown { field: "aggregates", code: "unknown", detail });
        }
        for (field, list) in [("types", &types), ("aggregates", &aggregates)] {
            if list.len() > NAMES {
                wrong.push(Unknown { field, code: "too_many", detail: format!("names more than {NAMES}") });
            }
        }
        if wrong.is_empty() { Ok(Self { types, aggregates }) } else { Err(wrong) }
    }

    /// The types.
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// The aggregates.
    pub fn aggregates(&self) -> &[String] {
        &self.aggregates
    }

    /// Whether an event of that type about that subject (`dataset/<id>`) is.
    pub fn takes(&self, kind: &str, subject: &str) -> bool {
        let within = |whole: &str, part: &str, separator: char| {
            whole.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
        };
        (self.types.is_empty() || self.types.iter().any(|t| within(kind, t, '.')))
            && (self.aggregates.is_empty() || self.aggregates.iter().any(|a| within(subject, a, '/')))
    }

    /// Whether that event is.
    pub fn takes_event(&self, event: &Stored) -> bool {
        let text = |name| event.headers.get(name).unwrap_or_default();
        self.takes(text(header::TYPE), text(header::SUBJECT))
    }
}

fn is_aggregate(text: &str) -> bool {
    let (kind, id) = text.split_once('/').unwrap_or((text, ""));
    kind.parse::<Aggregate>().is_ok() && (id.is_empty() != text.contains('/'))
}
