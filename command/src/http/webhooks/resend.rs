//! `POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/resend`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use uuid::Uuid;
use weir_events::WebhookId;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Path, Problem, RequestContext},
};

use super::DeliveryView;
use crate::webhooks::Webhooks;

/// Send a delivery again
///
/// As the same message: whoever has it already knows it by its `webhook-id`.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/deliveries/{delivery_id}/resend",
    operation_id = "resend_webhook_delivery",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("delivery_id" = uuid::Uuid, Path, description = "The delivery"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 202, description = "It is on its way", body = DeliveryView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `webhook_not_found`, `delivery_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`webhook_inactive`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resend(
    caller: Caller<Owner>,
    webhooks: Data<Webhooks>,
    request: RequestContext,
    Path((id, delivery)): Path<(WebhookId, Uuid)>,
) -> Result<HttpResponse, Problem> {
    let delivery = webhooks.resend(caller.workspace, id, delivery, request.now).await?;
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(DeliveryView::from(delivery)))
}
