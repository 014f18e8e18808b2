//! `DELETE /api/v1/workspaces/{id}`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use weir_events::{Actor, WorkspaceId};
use weir_infra::{
    auth::{Caller, Owner},
    http::{Code, Params, Path, Problem, RequestContext, position_header},
};

use crate::accounts::Accounts;

/// Delete a workspace for good
///
/// Nobody is in it any more, its files are deleted, and what was written in it is erased: the keys that it was sealed
/// under are destroyed. This cannot be taken back, so its name has to be said again. A personal workspace stays.
#[utoipa::path(
    delete,
    path = "/api/v1/workspaces/{id}",
    operation_id = "delete_workspace",
    tag = "workspaces",
    params(
        ("id" = uuid::Uuid, Path, description = "The workspace"),
        ("name" = String, Query, description = "Its name"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 202, description = "It is gone, and what was in it is still being erased"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`, `person_required`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`personal_workspace`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_value`: the name is another one", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    req: HttpRequest,
    accounts: Data<Accounts>,
    request: RequestContext,
    Path(id): Path<WorkspaceId>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::<Owner>::in_workspace(&req, id).await?;
    only_people(&caller.actor)?;
    let mut params = Params::parse(req.query_string());
    let name = params.text("name").unwrap_or_default();
    params.finish()?;
    let (erased, position) = accounts.delete_workspace(&caller, name, &request).await?;
    Ok(gone(erased, position))
}

/// Nothing brings back what is erased, so that no program does it.
pub(super) fn only_people(actor: &Actor) -> Result<(), Problem> {
    match actor {
        Actor::User(_) => Ok(()),
        _ => Err(Problem::new(
            Code::PersonRequired,
            "An API key erases nothing: a person has to log in for it.",
        )),
    }
}

/// The answer to what erases.
pub(super) fn gone(erased: bool, position: weir_events::Position) -> HttpResponse {
    let status = if erased { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED };
    let mut response = HttpResponse::new(status);
    position_header(&mut response, position);
    response
}
