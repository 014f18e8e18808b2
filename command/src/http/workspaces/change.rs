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
use crate::{accounts::Accounts, domain::workspace::Change};

/// What is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeWorkspace {
    /// The new name.
    #[serde(default)]
    name: Option<String>,
    /// Whether language models may see a few rows of its datasets when a question is asked. They may not
    /// unless this was set; what they see leaves for wherever the model runs.
    #[serde(default)]
    share_rows: Option<bool>,
}

/// Change a workspace
#[utoipa::path(
    patch,
    path = "/api/v1/workspaces/{id}",
    operation_id = "change_workspace",
    tag = "workspaces",
    params(("id" = uuid::Uuid, Path, description = "The workspace")),
    request_body = ChangeWorkspace,
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
pub(super) async fn change(
    req: HttpRequest,
    accounts: Data<Accounts>,
    request: RequestContext,
    Path(id): Path<WorkspaceId>,
    body: Result<Json<ChangeWorkspace>, Problem>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::<Owner>::in_workspace(&req, id).await?;
    let Json(body) = body?;
    if body.name.is_none() && body.share_rows.is_none() {
        return Err(Problem::invalid("name", "missing", "Send a name, share_rows, or both."));
    }
    let change = Change { name: body.name, share_rows: body.share_rows };
    let (changed, position) = accounts.change_workspace(&caller, &change, &request).await?;
    let workspace = accounts
        .workspaces()
        .workspace(id)
        .ok_or_else(|| Problem::new(Code::WorkspaceNotFound, format!("There is no workspace {id}.")))?;
    let view = WorkspaceView {
        name: changed.name,
        share_rows: changed.rows_shared,
        position: Some(position.0),
        ..WorkspaceView::new(workspace, caller.role)
    };
    Ok(command_answer(StatusCode::OK, &view, position))
}
