//! `GET /api/v1/webhooks/{id}/deliveries`

use actix_web::{HttpResponse, web::Data};
use weir_events::WebhookId;
use weir_infra::{
    auth::{Caller, Owner},
    http::{List, PageParams, Path, Problem, params::Fresh},
};

use super::DeliveryView;
use crate::{http::read::Read, webhooks::Webhooks};

/// List a webhook's deliveries
///
/// What is on its way, and of what was settled in the last seven days the newest thousand.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}/deliveries",
    operation_id = "list_webhook_deliveries",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook"),
        ("status" = Option<String>, Query, description = "Only those: waiting, delivered, failed, skipped"),
        PageParams,
        Fresh,
    ),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The newest event first, or by `sort`: position", body = List<DeliveryView>),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `webhook_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn deliveries(
    mut read: Read<Caller<Owner>>,
    webhooks: Data<Webhooks>,
    Path(id): Path<WebhookId>,
) -> Result<HttpResponse, Problem> {
    let status = read.params.one_of("status", &["waiting", "delivered", "failed", "skipped"]);
    let (page, sort) = read.list::<DeliveryView>(&["-position"])?;
    let all = webhooks.deliveries(read.who.workspace, id).await?;
    let of_status = all.into_iter().filter(|delivery| status.is_none_or(|status| delivery.status == status));
    let items: Vec<DeliveryView> = of_status.map(DeliveryView::from).collect();
    let (items, next) =
        page.part_of(items, &sort, |delivery| (format!("{:020}", delivery.position), delivery.id))?;
    read.answer(&page.answer(&items, next)?, None)
}
