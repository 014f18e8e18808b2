//! `POST /api/v1/visualizations/{id}/undo`

use actix_web::{HttpResponse, web::Data};
use uuid::Uuid;
use weir_events::{Position, VisualizationId};
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, Path, Problem, RequestContext},
};

use crate::{
    app::{App, context},
    domain::visualization::Visualizations,
    http::undo::{Undo, Undone},
};

/// Take back what was done to a chart
///
/// A name, a description or what the chart draws is as it was before, a deleted chart comes back, a new one is deleted.
/// It is a change like any other, with the event that it takes back as its cause. Where the same was changed again
/// since, the answer is 409 `changed_since`.
#[utoipa::path(
    post,
    path = "/api/v1/visualizations/{id}/undo",
    tag = "visualizations",
    operation_id = "undo_visualization_change",
    params(
        ("id" = Uuid, Path, description = "The chart"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body = Undo,
    responses(
        (status = 200, description = "Taken back", body = Undone),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`event_not_found`, `visualization_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`changed_since`, `not_undoable`, `name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn undo(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<Uuid>,
    Json(body): Json<Undo>,
) -> Result<HttpResponse, Problem> {
    let at = Position(body.position);
    let done = app.undo::<Visualizations>(&context(&caller, &request), VisualizationId(id), at).await?;
    Ok(Undone::answer(id, body.position, &done))
}
