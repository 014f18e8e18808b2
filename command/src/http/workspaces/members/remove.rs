//! `DELETE /api/v1/workspaces/{id}/members/{user_id}`

use actix_web::{HttpRequest, HttpResponse, web::Data};
use weir_events::member::Role;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Code, Params, Path, Problem, RequestContext, position_header},
};

use super::{
    super::delete::{gone, only_people},
    Ids,
};
use crate::accounts::Accounts;

/// Take someone out of a workspace
///
/// Owners remove anyone, everyone may leave. The last owner stays. With `erase=true` what they asked there is erased,
/// for good and also when they have left before: SQL, questions, and the answers that were kept. What they made for the
/// workspace stays: datasets, contexts, saved queries, charts.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{id}/members/{user_id}",
    operation_id = "remove_member",
    tag = "workspaces",
    params(
        ("id" = uuid::Uuid, Path, description = "The workspace"),
        ("user_id" = uuid::Uuid, Path, description = "The member"),
        ("erase" = Option<bool>, Query, description = "Whether what they asked is erased; not unless said so"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "They are not in the workspace any more"),
        (status = 202, description = "The same, and what they asked is still being erased"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`, `person_required` to erase", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`, `member_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`last_owner`, `personal_workspace`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in super::super) async fn remove(
    req: HttpRequest,
    accounts: Data<Accounts>,
    request: RequestContext,
    Path((id, user)): Path<Ids>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::<Viewer>::in_workspace(&req, id).await?;
    if caller.role < Role::Owner && caller.user != user {
        return Err(Problem::new(Code::RoleTooLow, "Only an owner removes others from a workspace."));
    }
    let mut params = Params::parse(req.query_string());
    let erase = params.one_of("erase", &["true", "false"]) == Some("true");
    params.finish()?;
    if erase {
        only_people(&caller.actor)?;
        let (erased, position) = accounts.erase_member(&caller, user, &request).await?;
        return Ok(gone(erased, position));
    }
    let position = accounts.remove_member(&caller, user, &request).await?;
    let mut response = HttpResponse::NoContent().finish();
    position_header(&mut response, position);
    Ok(response)
}
