//! `GET /api/v1/workspaces`

use actix_web::{HttpResponse, web::Data};
use weir_infra::{
    auth::Identity,
    http::{List, PageParams, Problem, params::Fresh, sortable_time},
};

use super::{WorkspaceView, visible_workspaces};
use crate::{accounts::Accounts, http::read::Read};

/// List the workspaces that I am in
#[utoipa::path(
    get,
    path = "/api/v1/workspaces",
    operation_id = "list_workspaces",
    tag = "workspaces",
    params(PageParams, Fresh),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Oldest first, or by `sort`: created_at, name", body = List<WorkspaceView>),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    mut read: Read<Identity>,
    accounts: Data<Accounts>,
) -> Result<HttpResponse, Problem> {
    let (page, sort) = read.list::<WorkspaceView>(&["created_at", "name"])?;
    let items = visible_workspaces(&accounts, &read.who);
    let (items, next) = page.part_of(items, &sort, |workspace| {
        let value = match sort.key.as_str() {
            "name" => workspace.name.to_lowercase(),
            _ => sortable_time(workspace.created_at),
        };
        (value, workspace.id)
    })?;
    read.answer(&page.answer(&items, next)?, None)
}
