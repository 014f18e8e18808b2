//! `PATCH /api/v1/workspaces/{id}`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_events::WorkspaceId;
use weir_infra::{
    auth::{Caller, Owner},
    http::{Code, Json, Path, Problem, RequestContext, command_answer},
};

use super::WorkspaceView;
use crate::accounts::Accounts;

/// What is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RenameWorkspace {
    /// The new name.
    name: String,
}

/// Rename a workspace
#[utoipa::path(
    patch,
    path = "/api/v1/workspaces/{id}",
    operation_id = "rename_workspace",
    tag = "workspaces",
    params(("id" = uuid::Uuid, Path, description = "The workspace")),
    request_body = RenameWorkspace,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The workspace", body = WorkspaceView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rename(
    req: HttpRequest,
    accounts: Data<Accounts>,
    request: RequestContext,
    Path(id): Path<WorkspaceId>,
    body: Result<Json<RenameWorkspace>, Problem>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::<Owner>::in_workspace(&req, id).await?;
    let Json(body) = body?;
    let (name, position) = accounts.rename_workspace(&caller, &body.name, &request).await?;
    let workspace = accounts
        .workspaces()
        .workspace(id)
        .ok_or_else(|| Problem::new(Code::WorkspaceNotFound, format!("There is no workspace {id}.")))?;
    let view =
        WorkspaceView { name, position: Some(position.0), ..WorkspaceView::new(workspace, caller.role) };
    Ok(command_answer(StatusCode::OK, &view, position))
}
