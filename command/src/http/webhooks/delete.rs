//! `DELETE /api/v1/webhooks/{id}`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use weir_events::WebhookId;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Path, Problem, RequestContext, command_answer},
};

use crate::{http::common::DeletedView, webhooks::Webhooks};

/// Delete a webhook
///
/// With its secret, its deliveries and what is still on its way.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{id}",
    operation_id = "delete_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "It is gone", body = DeletedView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `webhook_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    caller: Caller<Owner>,
    webhooks: Data<Webhooks>,
    request: RequestContext,
    Path(id): Path<WebhookId>,
) -> Result<HttpResponse, Problem> {
    let position = webhooks.delete(&caller, id, &request).await?;
    let view = DeletedView { id: id.0, status: "deleted", position: position.0 };
    Ok(command_answer(StatusCode::OK, &view, position))
}
