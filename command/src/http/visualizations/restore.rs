//! `POST /api/v1/visualizations/{id}/restore`

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Bytes, Data},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::VisualizationId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Path, Problem, RequestContext, command_answer},
};

use crate::{
    app::{App, context},
    domain::visualization::Restore,
    http::common::{RestoreBody, restore_body},
};

/// A chart that came back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RestoredVisualization {
    /// The chart.
    id: Uuid,
    /// Its name from now on.
    name: String,
    /// `active`.
    #[schema(example = "active")]
    status: &'static str,
    /// Where the event log has it.
    position: u64,
}

/// Restore a deleted chart
///
/// It comes back under its old name. Where someone else took that in the meantime, the answer is
/// 409 `name_taken`: send another `name` then.
#[utoipa::path(
    post,
    path = "/api/v1/visualizations/{id}/restore",
    tag = "visualizations",
    operation_id = "restore_visualization",
    params(
        ("id" = Uuid, Path, description = "The chart"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body(content = Option<RestoreBody>, content_type = "application/json"),
    responses(
        (status = 200, description = "Restored", body = RestoredVisualization),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`visualization_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn restore(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<Uuid>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let command = Restore { id: VisualizationId(id), name: restore_body(&body)?.name };
    let cx = context(&caller, &request);
    let done = app.execute(&command.id, &command, &cx).await?;
    let view = RestoredVisualization { id, name: done.reply, status: "active", position: done.position.0 };
    Ok(command_answer(StatusCode::OK, &view, done.position))
}
