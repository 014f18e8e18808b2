//! `POST /api/v1/webhooks/{id}/rotate-secret`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use weir_events::WebhookId;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Path, Problem, RequestContext, command_answer},
};

use crate::webhooks::Webhooks;

/// A new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RotatedSecret {
    /// What messages are signed with from now on. Shown this once.
    #[schema(example = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")]
    secret: String,
    /// Where the event log has it.
    position: u64,
}

/// Renew a webhook's secret
///
/// For a day messages are signed with the old one, too, so that servers can follow without a gap.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/rotate-secret",
    operation_id = "rotate_webhook_secret",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The new secret", body = RotatedSecret),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `webhook_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rotate(
    caller: Caller<Owner>,
    webhooks: Data<Webhooks>,
    request: RequestContext,
    Path(id): Path<WebhookId>,
) -> Result<HttpResponse, Problem> {
    let (secret, position) = webhooks.rotate(&caller, id, &request).await?;
    let body = RotatedSecret { secret: secret.reveal(), position: position.0 };
    Ok(command_answer(StatusCode::OK, &body, position))
}
