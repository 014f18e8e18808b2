//! `GET /api/v1/workspaces/{id}`

use actix_web::{HttpRequest, HttpResponse, web::Data};
use weir_events::WorkspaceId;
use weir_infra::{
    auth::{Caller, Identity, Viewer},
    http::{Code, Path, Problem, params::Common},
};

use super::WorkspaceView;
use crate::{accounts::Accounts, http::read::Read};

/// Get a workspace
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{id}",
    operation_id = "get_workspace",
    tag = "workspaces",
    params(("id" = uuid::Uuid, Path, description = "The workspace"), Common),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The workspace", body = WorkspaceView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is unknown or makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    req: HttpRequest,
    mut read: Read<Identity>,
    accounts: Data<Accounts>,
    Path(id): Path<WorkspaceId>,
) -> Result<HttpResponse, Problem> {
    let fields = read.fields::<WorkspaceView>()?;
    let caller = Caller::<Viewer>::in_workspace(&req, id).await?;
    let workspace = accounts
        .workspaces()
        .workspace(id)
        .ok_or_else(|| Problem::new(Code::WorkspaceNotFound, format!("There is no workspace {id}.")))?;
    read.answer(&WorkspaceView::new(workspace, caller.role), fields.as_ref())
}
