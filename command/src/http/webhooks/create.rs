//! `POST /api/v1/webhooks`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Json, Problem, RequestContext, command_answer},
};

use super::{WebhookView, wanted};
use crate::webhooks::Webhooks;

/// A webhook to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateWebhook {
    /// Where events are told: `https`, at an address that anyone could reach.
    #[schema(example = "https://example.org/hooks/weir?token=abc")]
    url: String,
    /// Only events of these types; a beginning will do: `weir.dataset`.
    #[serde(default)]
    types: Vec<String>,
    /// Only events of these things: `dataset`, or `dataset/` and an id.
    #[serde(default)]
    aggregates: Vec<String>,
}

/// A new webhook, with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedWebhook {
    /// The webhook.
    #[serde(flatten)]
    webhook: WebhookView,
    /// What messages are signed with, as Standard Webhooks has it. Shown this once.
    #[schema(example = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")]
    secret: String,
}

/// Make a webhook
///
/// It is told of what happens in the workspace from now on, at least once, in order for each thing.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks",
    operation_id = "create_webhook",
    tag = "webhooks",
    params(
        ("Weir-Workspace" = Option<uuid::Uuid>, Header, description = "The workspace; the personal one by default"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body = CreateWebhook,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The webhook, with its secret", body = CreatedWebhook),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`too_many_webhooks`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`, `webhook_address_refused`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    caller: Caller<Owner>,
    webhooks: Data<Webhooks>,
    request: RequestContext,
    Json(body): Json<CreateWebhook>,
) -> Result<HttpResponse, Problem> {
    let wanted = wanted(body.types, body.aggregates)?;
    let (hook, secret, position) = webhooks.create(&caller, &body.url, wanted, &request).await?;
    let webhook = WebhookView { position: Some(position.0), ..hook.into() };
    Ok(command_answer(StatusCode::CREATED, &CreatedWebhook { webhook, secret: secret.reveal() }, position))
}
