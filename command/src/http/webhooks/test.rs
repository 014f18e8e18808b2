//! `POST /api/v1/webhooks/{id}/test`

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use weir_events::WebhookId;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Path, Problem, RequestContext},
};

use crate::webhooks::Webhooks;

/// What came of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestedWebhook {
    /// Whether it arrived.
    delivered: bool,
    /// The status of the answer, if there was one.
    response_status: Option<u16>,
    /// How long it took.
    response_ms: u64,
    /// Why it did not arrive.
    error: Option<String>,
}

/// Try a webhook
///
/// Sends a signed message of type `weir.webhook.test`, now and once, also where the webhook is paused.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/test",
    operation_id = "test_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "What came of it", body = TestedWebhook),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `webhook_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn test(
    caller: Caller<Owner>,
    webhooks: Data<Webhooks>,
    request: RequestContext,
    Path(id): Path<WebhookId>,
) -> Result<HttpResponse, Problem> {
    let answer = webhooks.test(caller.workspace, id, request.now).await?;
    Ok(HttpResponse::Ok().json(TestedWebhook {
        delivered: answer.error.is_none(),
        response_status: answer.status,
        response_ms: answer.elapsed_ms,
        error: answer.error,
    }))
}
