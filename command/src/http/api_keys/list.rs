//! `GET /api/v1/api-keys`

use actix_web::{HttpResponse, web::Data};
use weir_events::member::Role;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{List, PageParams, Problem, params::Fresh, sortable_time},
};

use super::ApiKeyView;
use crate::{accounts::Accounts, http::read::Read};

/// List API keys
///
/// Owners see all keys of the workspace, others those that they made.
#[utoipa::path(
    get,
    path = "/api/v1/api-keys",
    operation_id = "list_api_keys",
    tag = "accounts",
    params(PageParams, Fresh, ("Weir-Workspace" = Option<uuid::Uuid>, Header, description = "The workspace; the personal one by default")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Newest first, or by `sort`: created_at, name", body = List<ApiKeyView>),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    mut read: Read<Caller<Viewer>>,
    accounts: Data<Accounts>,
) -> Result<HttpResponse, Problem> {
    let (page, sort) = read.list::<ApiKeyView>(&["-created_at", "name"])?;
    let caller = &read.who;
    let of = (caller.role < Role::Owner).then_some(caller.user);
    let keys = accounts.api_keys(caller.workspace, of).await?;
    let items: Vec<ApiKeyView> = keys.into_iter().map(ApiKeyView::from).collect();
    let (items, next) = page.part_of(items, &sort, |key| {
        let value = match sort.key.as_str() {
            "name" => key.name.to_lowercase(),
            _ => sortable_time(key.created_at),
        };
        (value, key.id)
    })?;
    read.answer(&page.answer(&items, next)?, None)
}
