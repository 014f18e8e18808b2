//! `GET /api/v1/webhooks/{id}`

use actix_web::{HttpResponse, web::Data};
use weir_events::WebhookId;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Path, Problem, params::Common},
};

use super::WebhookView;
use crate::{http::read::Read, webhooks::Webhooks};

/// Show a webhook
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}",
    operation_id = "get_webhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook"), Common),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The webhook", body = WebhookView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `webhook_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    mut read: Read<Caller<Owner>>,
    webhooks: Data<Webhooks>,
    Path(id): Path<WebhookId>,
) -> Result<HttpResponse, Problem> {
    let fields = read.fields::<WebhookView>()?;
    let hook = webhooks.get(read.who.workspace, id)?;
    read.answer(&WebhookView::from(hook), fields.as_ref())
}
