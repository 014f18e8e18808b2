//! `PATCH /api/v1/workspaces/{id}/members/{user_id}`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_events::member::Role;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Json, Path, Problem, RequestContext, command_answer},
};

use super::Ids;
use crate::accounts::Accounts;

/// What is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ChangeMember {
    /// What they may do from now on: viewer, editor or owner.
    #[schema(value_type = String, example = "editor")]
    role: Role,
}

/// What a member may do now.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ChangedMember {
    /// Who.
    user_id: uuid::Uuid,
    /// What they may do.
    #[schema(value_type = String, example = "editor")]
    role: Role,
    /// Where the event log has the change.
    position: u64,
}

/// Change a member's role
#[utoipa::path(
    patch,
    path = "/api/v1/workspaces/{id}/members/{user_id}",
    operation_id = "change_member",
    tag = "workspaces",
    params(
        ("id" = uuid::Uuid, Path, description = "The workspace"),
        ("user_id" = uuid::Uuid, Path, description = "The member"),
    ),
    request_body = ChangeMember,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Changed", body = ChangedMember),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `member_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`last_owner`, `personal_workspace`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in super::super) async fn change(
    req: HttpRequest,
    accounts: Data<Accounts>,
    request: RequestContext,
    Path((id, user)): Path<Ids>,
    body: Result<Json<ChangeMember>, Problem>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::<Owner>::in_workspace(&req, id).await?;
    let Json(body) = body?;
    let position = accounts.change_role(&caller, user, body.role, &request).await?;
    let changed = ChangedMember { user_id: user.0, role: body.role, position: position.0 };
    Ok(command_answer(StatusCode::OK, &changed, position))
}
