//! `POST /api/v1/contexts/{id}/undo`

use actix_web::{HttpResponse, web::Data};
use uuid::Uuid;
use weir_events::ContextId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, Path, Problem, RequestContext},
};

use crate::{
    app::{App, context},
    http::undo::{NotUndone, Undo, Undone},
};

/// Take back what was done to a context
///
/// The version before a saved one counts again, a deleted context comes back, a new one is deleted. It is a change like
/// any other, with the event that it takes back as its cause. Where the same was changed again since, the answer is 409
/// `changed_since`.
#[utoipa::path(
    post,
    path = "/api/v1/contexts/{id}/undo",
    tag = "contexts",
    operation_id = "undo_context_change",
    params(
        ("id" = Uuid, Path, description = "The context"),
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
    let done = app.undo_context(&context(&caller, &request), ContextId(id), body.at()).await?;
    Ok(body.answer(id, &done))
}
