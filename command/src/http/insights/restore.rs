//! `POST /api/v1/insights/{id}/restore`

use actix_web::{HttpResponse, web::Data};
use weir_infra::{
    auth::{Caller, Editor},
    http::{Path, Problem, RequestContext},
};

use super::{ActionView, answer};
use crate::app::{App, actions::no_such_action, context};

/// Recommend a dismissed action again
///
/// It is recommended where there still is a reason to.
#[utoipa::path(
    post,
    path = "/api/v1/insights/{id}/restore",
    tag = "dashboard",
    operation_id = "restore_action",
    params(
        ("id" = String, Path, description = "The action, as the insights name it"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    responses(
        (status = 200, description = "It may be recommended", body = ActionView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`action_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn restore(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<String>,
) -> Result<HttpResponse, Problem> {
    let action = id.parse().map_err(|_| no_such_action())?;
    let done = app.restore_action(&context(&caller, &request), action).await?;
    Ok(answer(action, false, &done))
}
