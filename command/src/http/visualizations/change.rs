//! `PATCH /api/v1/visualizations/{id}`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::{VisualizationId, WorkspaceId};
use weir_infra::{
    auth::{Caller, Editor},
    http::{Code, Json, MinPosition, Path, Problem, RequestContext, command_answer},
};

use super::{
    SavedVisualization,
    body::{ChartForm, ChartQuery, drawn, over},
};
use crate::{
    app::{
        App,
        charts::{Drawn, Over},
        context,
    },
    domain::visualization::{Change, Content},
    http::common::{fresh, nullable},
};

/// What is to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeVisualization {
    /// The new name.
    #[serde(default)]
    name: Option<String>,
    /// The new description; empty or null takes it away.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// Another query.
    #[serde(default)]
    query: Option<ChartQuery>,
    /// The query of a run.
    #[serde(default)]
    run_id: Option<Uuid>,
    /// Another Vega-Lite specification.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    spec: Option<Value>,
    /// Another short form.
    #[serde(default)]
    #[schema(value_type = Option<ChartForm>)]
    chart: Option<Value>,
}

/// Change a chart
///
/// With another query and neither `spec` nor `chart`, the chart draws the new rows as it drew the
/// old ones.
#[utoipa::path(
    patch,
    path = "/api/v1/visualizations/{id}",
    tag = "visualizations",
    operation_id = "change_visualization",
    params(("id" = Uuid, Path, description = "The chart")),
    request_body = ChangeVisualization,
    responses(
        (status = 200, description = "Changed", body = SavedVisualization),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`visualization_not_found`, `run_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`, `dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_spec`, `invalid_chart`, what is wrong with the SQL and where, ...", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn change(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    position: MinPosition,
    Path(id): Path<Uuid>,
    Json(body): Json<ChangeVisualization>,
) -> Result<HttpResponse, Problem> {
    let over = over(body.query, body.run_id)?;
    let drawn = drawn(body.spec, body.chart)?;
    fresh(&app, position).await?;
    let cx = context(&caller, &request);
    let id = VisualizationId(id);
    let content = content(&app, cx.workspace, id, over, drawn).await?;
    let description = body.description.map(Option::unwrap_or_default);
    let command = Change { id, name: body.name, description, content };
    let done = app.execute(&id, &command, &cx).await?;
    let view = SavedVisualization::new(id.0, done.reply, done.position);
    Ok(command_answer(StatusCode::OK, &view, done.position))
}

/// The whole new content, what was not sent taken from what is; `None` where none of it changes.
async fn content(
    app: &App,
    workspace: WorkspaceId,
    id: VisualizationId,
    over: Option<Over>,
    drawn: Option<Drawn>,
) -> Result<Option<Content>, Problem> {
    if over.is_none() && drawn.is_none() {
        return Ok(None);
    }
    let now =
        app.directory().visualization(workspace, id).filter(|v| v.deleted_at.is_none()).ok_or_else(|| {
            Problem::new(Code::VisualizationNotFound, "There is no such visualization in this workspace.")
        })?;
    let kept = if over.is_none() { (now.run_id, now.within) } else { (None, None) };
    let over = over.unwrap_or(Over::Sql(now.sql));
    let drawn = drawn.unwrap_or_else(|| now.chart.map_or(Drawn::Spec(now.spec), Drawn::Chart));
    let content = app.content(workspace, over, drawn).await?;
    let (run_id, context) = (content.run_id.or(kept.0), content.context.clone().or(kept.1));
    Ok(Some(Content { run_id, context, ..content }))
}
