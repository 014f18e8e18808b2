//! `POST /api/v1/insights/{id}/dismiss`

use actix_web::{HttpResponse, web::Data};
use weir_infra::{
    auth::{Caller, Editor},
    http::{Path, Problem, RequestContext},
};

use super::{ActionView, answer};
use crate::app::{App, actions::no_such_action, context};

/// Dismiss a recommended action
///
/// It is recommended to nobody in the workspace any more. A file that is rejected later is recommended to be mended all
/// the same: that is another action.
#[utoipa::path(
    post,
    path = "/api/v1/insights/{id}/dismiss",
    tag = "dashboard",
    operation_id = "dismiss_action",
    params(
        ("id" = String, Path, description = "The action, as the insights name it"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    responses(
        (status = 200, description = "Dismissed, also where it was before", body = ActionView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`action_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn dismiss(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<String>,
) -> Result<HttpResponse, Problem> {
    let action = id.parse().map_err(|_| no_such_action())?;
    let done = app.dismiss_action(&context(&caller, &request), action).await?;
    Ok(answer(action, true, &done))
}
