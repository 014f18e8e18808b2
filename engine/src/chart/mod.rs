//! Charts: a short form or a suggestion becomes a Vega-Lite specification.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Column;

mod short;
mod suggest;
mod validate;
mod words;

pub use short::to_spec;
pub use suggest::suggest;
pub use validate::validate_spec;
pub use words::from_words;

/// The version of the grammar that specifications are written in.
const SCHEMA: &str = "https://vega.github.io/schema/vega-lite/v6.json";

/// A chart in few words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Short {
    /// `bar`, `line`, `area`, `point` (or `scatter`), `pie` (or `arc`), `histogram`, `heatmap` or
    /// `boxplot`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The column along the x axis; for a pie what its slices stand for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The column along the y axis; for a pie the slices' size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The column that sets the colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// The column that sets the size of points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// `count`, `sum`, `mean`, `median`, `min`, `max` or `distinct`, over y (or colour in a heatmap).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<String>,
    /// Only so many of what stands along the axis, those with the largest values: of a bar chart or a pie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What is wrong with a short form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ChartError {
    /// The field at fault: `type`, `x`, `y`, `color`, `size`, `aggregation` or `limit`.
    pub field: &'static str,
    /// A stable code: `unknown_chart`, `unknown_column`, `unknown_aggregation`, `column_required`,
    /// `column_not_numeric`, `column_not_used` or `limit_not_used`.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

/// What is wrong with a specification, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpecError {
    /// A JSON pointer into the specification.
    pub path: String,
    /// A stable code: `not_vega_lite`, `too_large`, `foreign_data` for data that are not the query's,
    /// or `not_allowed` for what is Vega-Lite and would be fetched from elsewhere.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

/// A column as [`suggest`] wants to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its name and type.
    pub column: Column,
    /// How many different values it has, where that is known.
    pub distinct: Option<u64>,
}

/// A chart that may suit the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// The short form.
    pub chart: Short,
    /// What it becomes.
    pub spec: Value,
    /// A title.
    pub title: String,
    /// Why this chart.
    pub why: String,
}
