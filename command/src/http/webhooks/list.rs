//! `GET /api/v1/webhooks`

use actix_web::{HttpResponse, web::Data};
use weir_infra::{
    auth::{Caller, Owner},
    http::{List, PageParams, Problem, params::Fresh, sortable_time},
};

use super::WebhookView;
use crate::{http::read::Read, webhooks::Webhooks};

/// List webhooks
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    operation_id = "list_webhooks",
    tag = "webhooks",
    params(PageParams, Fresh, ("Weir-Workspace" = Option<uuid::Uuid>, Header, description = "The workspace; the personal one by default")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Oldest first", body = List<WebhookView>),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    mut read: Read<Caller<Owner>>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Problem> {
    let (page, sort) = read.list::<WebhookView>(&["created_at"])?;
    let hooks = webhooks.list(read.who.workspace);
    let items: Vec<WebhookView> = hooks.into_iter().map(WebhookView::from).collect();
    let (items, next) = page.part_of(items, &sort, |hook| (sortable_time(hook.created_at), hook.id))?;
    read.answer(&page.answer(&items, next)?, None)
}
