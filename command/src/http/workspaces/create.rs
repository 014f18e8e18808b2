//! `POST /api/v1/workspaces`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_events::member::Role;
use weir_infra::{
    auth::Person,
    http::{Json, Problem, RequestContext, command_answer},
};

use super::WorkspaceView;
use crate::accounts::Accounts;

/// A workspace to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateWorkspace {
    /// What to call it.
    #[schema(example = "Operations")]
    name: String,
}

/// Make a workspace
///
/// Whoever makes it owns it.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces",
    operation_id = "create_workspace",
    tag = "workspaces",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable")),
    request_body = CreateWorkspace,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The workspace", body = WorkspaceView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`person_required`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    person: Person,
    accounts: Data<Accounts>,
    request: RequestContext,
    Json(body): Json<CreateWorkspace>,
) -> Result<HttpResponse, Problem> {
    let (id, name, position) =
        accounts.create_workspace(person.user, person.workspace, &body.name, &request).await?;
    let view = WorkspaceView {
        id: id.0,
        name,
        role: Role::Owner,
        personal: false,
        // As the log has it, where this repeats a request that was carried out and not answered.
        created_at: accounts.workspaces().workspace(id).map_or(request.now, |w| w.created_at),
        share_rows: false,
        position: Some(position.0),
    };
    Ok(command_answer(StatusCode::CREATED, &view, position))
}
