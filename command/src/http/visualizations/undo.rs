//! `POST /api/v1/visualizations/{id}/undo`

use actix_web::{HttpResponse, web::Data};
use uuid::Uuid;
use weir_events::VisualizationId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, Path, Problem, RequestContext},
};

use crate::{
    app::{App, context},
    domain::visualization::Visualizations,
    http::undo::{NotUndone, Undo, Undone},
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
    responses((status = 200, description = "Taken back", body = Undone), NotUndone),
    security(("bearer" = []))
)]
pub(super) async fn undo(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<Uuid>,
    Json(body): Json<Undo>,
) -> Result<HttpResponse, Problem> {
    let done =
        app.undo::<Visualizations>(&context(&caller, &request), VisualizationId(id), body.at()).await?;
    Ok(body.answer(id, &done))
}
