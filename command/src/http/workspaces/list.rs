//! `GET /api/v1/workspaces`

use actix_web::{HttpResponse, web::Data};
use weir_infra::{
    auth::Identity,
    http::{List, Page, PageParams, Problem, sortable_time},
};

use super::{WorkspaceView, visible_workspaces};
use crate::accounts::Accounts;

/// List the workspaces that I am in
#[utoipa::path(
    get,
    path = "/api/v1/workspaces",
    operation_id = "list_workspaces",
    tag = "workspaces",
    params(PageParams),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Oldest first, or by `sort`: created_at, name", body = List<WorkspaceView>),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_cursor`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    identity: Identity,
    accounts: Data<Accounts>,
    page: Page,
) -> Result<HttpResponse, Problem> {
    let items = visible_workspaces(&accounts, &identity);
    let sort = page.sort_by(&["created_at", "name"])?;
    let (items, next) = page.part_of(items, &sort, |workspace| {
        let value = match sort.key.as_str() {
            "name" => workspace.name.to_lowercase(),
            _ => sortable_time(workspace.created_at),
        };
        (value, workspace.id)
    })?;
    Ok(HttpResponse::Ok().json(page.answer(&items, next)?))
}
