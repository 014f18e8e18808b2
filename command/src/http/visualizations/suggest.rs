//! `POST /api/v1/visualizations/suggest`

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_engine::chart::Suggestion;
use weir_events::{DatasetId, Position};
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Json, MinPosition, Problem, position_header},
};

use super::body::ChartForm;
use crate::{
    app::{App, questions::Question},
    http::common::fresh,
};

/// What to suggest charts for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SuggestFor {
    /// A chart in words, such as "average delay by carrier" or "top 10 cities by population". Without a dataset
    /// and SQL the dataset that the words are about is taken.
    #[serde(default)]
    #[schema(example = "average delay by carrier")]
    text: Option<String>,
    /// A dataset; this or `sql`.
    #[serde(default)]
    dataset_id: Option<Uuid>,
    /// The answer to SQL; this or `dataset_id`.
    #[serde(default)]
    sql: Option<String>,
}

/// A chart that may suit the data.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChartSuggestion)]
pub(super) struct SuggestionView {
    /// The short form, as saving takes it.
    #[schema(value_type = ChartForm)]
    chart: Value,
    /// What it becomes.
    #[schema(value_type = Object)]
    spec: Value,
    /// A title.
    title: String,
    /// Why this chart.
    why: String,
}

/// Charts that may suit the data, best first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChartSuggestions)]
pub(super) struct SuggestionsView {
    items: Vec<SuggestionView>,
    /// Of a chart in words, who read them: `model`, `rules`, or `nobody`; then the charts suit the data only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "rules")]
    reader: Option<&'static str>,
    /// Of a chart in words, the SQL whose rows the charts draw.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<String>,
}

/// Suggest charts
///
/// From the types of the columns and how many different values they have, best first. With a chart in words
/// that chart comes first: as the language model reads them where there is one, else by rule.
#[utoipa::path(
    post,
    path = "/api/v1/visualizations/suggest",
    tag = "visualizations",
    operation_id = "suggest_visualizations",
    request_body = SuggestFor,
    responses(
        (status = 200, description = "Suggestions; none where nothing suits", body = SuggestionsView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`dataset_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_value` (also where no dataset has to do with the words), `dataset_rejected`, what is wrong with the SQL and where", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_queries`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn suggest(
    caller: Caller<Viewer>,
    app: Data<App>,
    position: MinPosition,
    Json(body): Json<SuggestFor>,
) -> Result<HttpResponse, Problem> {
    fresh(&app, position).await?;
    let at = app.directory().position();
    if let Some(text) = body.text {
        let text = Question::parse("text", &text)?;
        let over = match (body.dataset_id, body.sql) {
            (Some(_), Some(_)) => return Err(both()),
            (Some(id), None) => Some(("dataset_id", app.all_of_dataset(caller.workspace, DatasetId(id))?)),
            (None, Some(sql)) => Some(("sql", sql)),
            (None, None) => None,
        };
        let found = Box::pin(app.suggest_from_words(caller.workspace, caller.user, &text, over)).await?;
        return answer(found.items, Some(found.reader.as_str()), Some(found.sql), at);
    }
    let found = match (body.dataset_id, body.sql) {
        (Some(id), None) => app.suggest_for(caller.workspace, DatasetId(id)).await?,
        (None, Some(sql)) => app.suggest("sql", caller.workspace, &sql).await?,
        (Some(_), Some(_)) => return Err(both()),
        (None, None) => {
            return Err(Problem::invalid("dataset_id", "missing", "Send a dataset_id, sql, or text."));
        }
    };
    answer(found, None, None, at)
}

fn both() -> Problem {
    Problem::invalid("sql", "contradiction", "Suggestions are for a dataset or for SQL, not both.")
}

fn answer(
    found: Vec<Suggestion>,
    reader: Option<&'static str>,
    sql: Option<String>,
    at: Position,
) -> Result<HttpResponse, Problem> {
    let items = found.into_iter().map(|s| {
        let chart = serde_json::to_value(&s.chart).map_err(Problem::internal)?;
        Ok(SuggestionView { chart, spec: s.spec, title: s.title, why: s.why })
    });
    let mut response = HttpResponse::Ok().json(SuggestionsView {
        items: items.collect::<Result<_, Problem>>()?,
        reader,
        sql,
    });
    position_header(&mut response, at);
    Ok(response)
}
