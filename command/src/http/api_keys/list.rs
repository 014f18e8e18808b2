//! `GET /api/v1/api-keys`

use actix_web::{HttpResponse, web::Data};
use weir_events::member::Role;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{List, Page, PageParams, Problem},
};

use super::ApiKeyView;
use crate::accounts::Accounts;

/// List API keys
///
/// Owners see all keys of the workspace, others those that they made.
#[utoipa::path(
    get,
    path = "/api/v1/api-keys",
    operation_id = "list_api_keys",
    tag = "accounts",
    params(PageParams, ("Weir-Workspace" = Option<uuid::Uuid>, Header, description = "The workspace; the personal one by default")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Newest first, or by `sort`: created_at, name", body = List<ApiKeyView>),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_cursor`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    caller: Caller<Viewer>,
    accounts: Data<Accounts>,
    page: Page,
) -> Result<HttpResponse, Problem> {
    let of = (caller.role < Role::Owner).then_some(caller.user);
    let keys = accounts.api_keys(caller.workspace, of).await?;
    let items: Vec<ApiKeyView> = keys.into_iter().map(ApiKeyView::from).collect();
    let sort = page.sort_by(&["-created_at", "name"])?;
    let (items, next) = page.part_of(items, &sort, |key| {
        let value = match sort.key.as_str() {
            "name" => key.name.to_lowercase(),
            _ => weir_infra::http::sortable_time(key.created_at),
        };
        (value, key.id)
    })?;
    Ok(HttpResponse::Ok().json(page.answer(&items, next)?))
}
