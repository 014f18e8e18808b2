//! `POST /api/v1/visualizations`

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::VisualizationId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, MinPosition, Problem, RequestContext, command_answer},
};

use super::{
    SavedVisualization,
    body::{ChartForm, ChartQuery, drawn, over},
};
use crate::{
    app::{App, context},
    domain::visualization::Save,
    http::common::fresh,
};

/// A chart to save.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SaveVisualization {
    /// Its name, unique among the workspace's charts.
    #[schema(example = "Delay by carrier")]
    name: String,
    /// What it shows.
    #[serde(default)]
    description: Option<String>,
    /// The query whose rows it draws; this or `run_id`.
    #[serde(default)]
    query: Option<ChartQuery>,
    /// A run whose query it draws; this or `query`.
    #[serde(default)]
    run_id: Option<Uuid>,
    /// A Vega-Lite specification; this or `chart`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    spec: Option<Value>,
    /// The short form; this or `spec`.
    #[serde(default)]
    #[schema(value_type = Option<ChartForm>)]
    chart: Option<Value>,
}

/// Save a chart
///
/// The SQL is checked against the workspace's datasets and the specification against Vega-Lite, so
/// that a saved chart can be drawn. The short form becomes a specification over the query's columns.
#[utoipa::path(
    post,
    path = "/api/v1/visualizations",
    tag = "visualizations",
    operation_id = "save_visualization",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable")),
    request_body = SaveVisualization,
    responses(
        (status = 201, description = "Saved", body = SavedVisualization),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`run_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`, `dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_spec`, `invalid_chart`, what is wrong with the SQL and where, ...", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn save(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    position: MinPosition,
    Json(body): Json<SaveVisualization>,
) -> Result<HttpResponse, Problem> {
    let over = over(body.query, body.run_id)?
        .ok_or_else(|| Problem::invalid("query", "missing", "A chart is over a query {sql} or a run_id."))?;
    let drawn = drawn(body.spec, body.chart)?
        .ok_or_else(|| Problem::invalid("chart", "missing", "A chart needs a spec or a chart."))?;
    fresh(&app, position).await?;
    let cx = context(&caller, &request);
    let command = Save {
        id: VisualizationId(cx.id("visualization")),
        name: body.name,
        description: body.description,
        content: app.content(cx.workspace, over, drawn).await?,
    };
    let done = app.execute(&command.id, &command, &cx).await?;
    let view = SavedVisualization::new(command.id.0, done.reply, done.position);
    let mut response = command_answer(StatusCode::CREATED, &view, done.position);
    if let Ok(location) = header::HeaderValue::from_str(&format!("/api/v1/visualizations/{}", command.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
