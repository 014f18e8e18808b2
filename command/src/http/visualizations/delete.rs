//! `DELETE /api/v1/visualizations/{id}`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use uuid::Uuid;
use weir_events::VisualizationId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Path, Problem, RequestContext, command_answer},
};

use crate::{
    app::{App, context},
    domain::visualization::Delete,
    http::common::DeletedView,
};

/// Delete a chart
///
/// It can be restored. Its name is free at once.
#[utoipa::path(
    delete,
    path = "/api/v1/visualizations/{id}",
    tag = "visualizations",
    operation_id = "delete_visualization",
    params(("id" = Uuid, Path, description = "The chart")),
    responses(
        (status = 200, description = "Deleted", body = DeletedView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`visualization_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn delete(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let command = Delete { id: VisualizationId(id) };
    let done = app.execute(&command.id, &command, &context(&caller, &request)).await?;
    let view = DeletedView { id, status: "deleted", position: done.position.0 };
    Ok(command_answer(StatusCode::OK, &view, done.position))
}
