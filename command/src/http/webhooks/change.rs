//! `PATCH /api/v1/webhooks/{id}`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_events::WebhookId;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Json, Path, Problem, RequestContext, command_answer},
};

use super::{WebhookView, wanted};
use crate::webhooks::{Changes, Webhooks};

/// What is to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeWebhook {
    /// The new address.
    #[serde(default)]
    url: Option<String>,
    /// Only events of these types from now on; none for all.
    #[serde(default)]
    types: Option<Vec<String>>,
    /// Only events of these things from now on; none for all.
    #[serde(default)]
    aggregates: Option<Vec<String>>,
    /// False pauses it, true resumes it, also where Weir gave it up.
    #[serde(default)]
    active: Option<bool>,
    /// Where it is resumed: whether it is not told of what happened meanwhile. It is unless this is true.
    #[serde(default)]
    skip: bool,
}

/// Change, pause or resume a webhook
#[utoipa::path(
    patch,
    path = "/api/v1/webhooks/{id}",
    operation_id = "change_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook")),
    request_body = ChangeWebhook,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The webhook", body = WebhookView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `webhook_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`, `webhook_address_refused`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change(
    caller: Caller<Owner>,
    webhooks: Data<Webhooks>,
    request: RequestContext,
    Path(id): Path<WebhookId>,
    body: Result<Json<ChangeWebhook>, Problem>,
) -> Result<HttpResponse, Problem> {
    let known = webhooks.get(caller.workspace, id)?;
    let Json(body) = body?;
    let wanted = match (body.types, body.aggregates) {
        (None, None) => None,
        (types, aggregates) => Some(wanted(
            types.unwrap_or_else(|| known.wanted.types().to_vec()),
            aggregates.unwrap_or_else(|| known.wanted.aggregates().to_vec()),
        )?),
    };
    let changes = Changes { address: body.url, wanted, active: body.active, skip: body.skip };
    let (hook, position) = webhooks.change(&caller, id, changes, &request).await?;
    Ok(command_answer(StatusCode::OK, &WebhookView { position: Some(position.0), ..hook.into() }, position))
}
