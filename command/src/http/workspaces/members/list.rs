//! `GET /api/v1/workspaces/{id}/members`

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use weir_events::{UserId, WorkspaceId};
use weir_infra::{
    auth::{Caller, Identity, Viewer},
    http::{List, PageParams, Path, Problem, params::Fresh, sortable_time},
};

use super::MemberView;
use crate::{
    accounts::{Accounts, User},
    http::read::Read,
};

/// List the members of a workspace
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{id}/members",
    operation_id = "list_members",
    tag = "workspaces",
    params(("id" = uuid::Uuid, Path, description = "The workspace"), PageParams, Fresh),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Those who joined first coming first (`sort`: since)", body = List<MemberView>),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `invalid_cursor`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in super::super) async fn list(
    req: HttpRequest,
    mut read: Read<Identity>,
    accounts: Data<Accounts>,
    Path(id): Path<WorkspaceId>,
) -> Result<HttpResponse, Problem> {
    let (page, sort) = read.list::<MemberView>(&["since"])?;
    let caller = Caller::<Viewer>::in_workspace(&req, id).await?;
    let members = accounts.workspaces().members(caller.workspace);
    let (members, next) =
        page.part_of(members, &sort, |member| (sortable_time(member.since), member.user.0))?;

    let ids: Vec<UserId> = members.iter().map(|m| m.user).collect();
    let users = accounts.users(&ids).await?;
    let mut users: HashMap<UserId, User> = users.into_iter().map(|u| (u.id, u)).collect();
    let items: Vec<MemberView> = members
        .into_iter()
        .map(|member| {
            let user = users.remove(&member.user);
            let (email, name) = user.map(|u| (u.email, u.name)).unzip();
            MemberView {
                user_id: member.user.0,
                email,
                name,
                role: member.role,
                since: member.since,
                position: None,
            }
        })
        .collect();
    read.answer(&page.answer(&items, next)?, None)
}
