//! `DELETE /api/v1/api-keys/{id}`

use actix_web::{HttpResponse, web::Data};
use weir_events::ApiKeyId;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Path, Problem, RequestContext, position_header},
};

use crate::accounts::Accounts;

/// Delete an API key
///
/// It is refused from then on. Owners delete any key of the workspace, others their own.
#[utoipa::path(
    delete,
    path = "/api/v1/api-keys/{id}",
    operation_id = "delete_api_key",
    tag = "accounts",
    params(
        ("id" = uuid::Uuid, Path, description = "The key"),
        ("Weir-Workspace" = Option<uuid::Uuid>, Header, description = "The workspace; the personal one by default"),
    ),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`api_key_not_found`, `workspace_not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    caller: Caller<Viewer>,
    accounts: Data<Accounts>,
    request: RequestContext,
    Path(id): Path<ApiKeyId>,
) -> Result<HttpResponse, Problem> {
    accounts.delete_api_key(&caller, id, request.now).await?;
    let mut response = HttpResponse::NoContent().finish();
    if let Some(position) = accounts.head().await {
        position_header(&mut response, position);
    }
    Ok(response)
}
