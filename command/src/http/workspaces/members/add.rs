//! `POST /api/v1/workspaces/{id}/members`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_events::{WorkspaceId, member::Role};
use weir_infra::{
    auth::{Caller, Owner},
    http::{Json, Path, Problem, RequestContext, client_address, command_answer},
};

use super::MemberView;
use crate::accounts::{Accounts, Email};

/// Someone to bring in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct AddMember {
    /// The address of their account.
    #[schema(example = "bob@example.org")]
    email: String,
    /// What they may do: viewer, editor or owner.
    #[schema(value_type = String, example = "viewer")]
    role: Role,
}

/// Bring someone into a workspace
///
/// They need an account.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{id}/members",
    operation_id = "add_member",
    tag = "workspaces",
    params(
        ("id" = uuid::Uuid, Path, description = "The workspace"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body = AddMember,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The member", body = MemberView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `user_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`already_member`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`, `busy` while what they asked here before is being erased", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in super::super) async fn add(
    req: HttpRequest,
    accounts: Data<Accounts>,
    request: RequestContext,
    Path(id): Path<WorkspaceId>,
    body: Result<Json<AddMember>, Problem>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::<Owner>::in_workspace(&req, id).await?;
    let Json(body) = body?;
    let email = Email::parse(&body.email)?;
    let address = client_address(&req);
    let (user, position) = accounts.add_member(&caller, &email, body.role, address, &request).await?;
    let view = MemberView {
        user_id: user.0,
        // As it was asked for: what else they are called is for them to say.
        email: Some(email.as_str().to_owned()),
        name: None,
        role: body.role,
        since: request.now,
        position: Some(position.0),
    };
    Ok(command_answer(StatusCode::CREATED, &view, position))
}
