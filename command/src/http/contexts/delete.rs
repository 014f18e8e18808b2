//! `DELETE /api/v1/contexts/{id}`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use weir_events::ContextId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Path, Problem, Query, RequestContext, command_answer},
};

use crate::{
    app::{App, context},
    http::common::DeletedView,
};

/// How to delete.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Forced {
    /// Also where saved queries or charts were made in it.
    #[serde(default)]
    force: bool,
}

/// Delete a context
///
/// It can be restored. Its name is free at once. Where saved queries or charts were made in it, the answer
/// is 409 `context_in_use` with what they are, unless `force=true`.
#[utoipa::path(
    delete,
    path = "/api/v1/contexts/{id}",
    tag = "contexts",
    operation_id = "delete_context",
    params(("id" = Uuid, Path, description = "The context"), Forced),
    responses(
        (status = 200, description = "Deleted", body = DeletedView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`context_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`context_in_use`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn delete(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<Uuid>,
    Query(forced): Query<Forced>,
) -> Result<HttpResponse, Problem> {
    let done = app.delete_context(&context(&caller, &request), ContextId(id), forced.force).await?;
    let view = DeletedView { id, status: "deleted", position: done.position.0 };
    Ok(command_answer(StatusCode::OK, &view, done.position))
}
