//! `POST /api/v1/contexts/{id}/restore`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::ContextId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Path, Problem, RequestContext, command_answer},
};

use crate::{
    app::{App, context},
    domain::context::Restore,
};

/// A context that came back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RestoredContext {
    /// The context.
    id: Uuid,
    /// Its name.
    name: String,
    /// Where the event log has it.
    position: u64,
}

/// Restore a deleted context
///
/// It comes back under the name that stands in it. Where another context took that in the meantime, the
/// answer is 409 `name_taken`: delete the other one, or save the text under another name.
#[utoipa::path(
    post,
    path = "/api/v1/contexts/{id}/restore",
    tag = "contexts",
    operation_id = "restore_context",
    params(
        ("id" = Uuid, Path, description = "The context"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    responses(
        (status = 200, description = "Restored", body = RestoredContext),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`context_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn restore(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let command = Restore { id: ContextId(id) };
    let done = app.execute(&command.id, &command, &context(&caller, &request)).await?;
    let view = RestoredContext { id, name: done.reply, position: done.position.0 };
    Ok(command_answer(StatusCode::OK, &view, done.position))
}
