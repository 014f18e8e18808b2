//! What a chart draws and how, as it comes in requests.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::RunId;
use weir_infra::http::Problem;

use crate::app::charts::{Drawn, Over};

/// The query that a chart draws.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChartQuery {
    /// Its SQL.
    pub(super) sql: String,
}

/// A chart in few words.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form, which the engine reads")]
pub(super) struct ChartForm {
    /// `bar`, `line`, `area`, `point`, `pie`, `histogram`, `heatmap` or `boxplot`.
    #[schema(example = "bar")]
    r#type: String,
    /// The column along the x axis; for a pie what its slices stand for.
    x: Option<String>,
    /// The column along the y axis; for a pie the slices' size.
    y: Option<String>,
    /// The column that sets the colour.
    color: Option<String>,
    /// The column that sets the size of points.
    size: Option<String>,
    /// `count`, `sum`, `mean`, `median`, `min`, `max` or `distinct`.
    aggregation: Option<String>,
    /// Only so many along the axis, those with the largest values: of a bar chart or a pie.
    limit: Option<u32>,
    /// The title.
    title: Option<String>,
}

/// The query of a chart, where the request says one.
pub(super) fn over(query: Option<ChartQuery>, run_id: Option<Uuid>) -> Result<Option<Over>, Problem> {
    match (query, run_id) {
        (Some(_), Some(_)) => {
            Err(Problem::invalid("run_id", "contradiction", "A chart is over a query or a run, not both."))
        }
        (Some(query), None) => Ok(Some(Over::Sql(query.sql))),
        (None, Some(id)) => Ok(Some(Over::Run(RunId(id)))),
        (None, None) => Ok(None),
    }
}

/// How a chart draws, where the request says so.
pub(super) fn drawn(spec: Option<Value>, chart: Option<Value>) -> Result<Option<Drawn>, Problem> {
    match (spec.filter(|v| !v.is_null()), chart.filter(|v| !v.is_null())) {
        (Some(_), Some(_)) => Err(Problem::invalid(
            "chart",
            "contradiction",
            "A chart is drawn by a specification or by the short form, not both.",
        )),
        (Some(spec), None) => Ok(Some(Drawn::Spec(spec))),
        (None, Some(chart)) => Ok(Some(Drawn::Chart(chart))),
        (None, None) => Ok(None),
    }
}
