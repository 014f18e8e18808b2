//! `POST /api/v1/auth/logout`

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_infra::{
    auth::Person,
    http::{Json, Problem, RequestContext, position_header},
};

use crate::accounts::Accounts;

/// The session to end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Logout {
    /// Any refresh token of the session. Without a body the access token's session ends.
    refresh_token: String,
}

/// End a session
///
/// The session is that of the refresh token in the body, or without a body that of the access
/// token. All its tokens are refused from then on. A token that is not known has nothing to end.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    operation_id = "log_out",
    tag = "accounts",
    security((), ("bearer" = [])),
    request_body(content = Option<Logout>),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, description = "Neither a refresh token nor an access token", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn logout(
    accounts: Data<Accounts>,
    request: RequestContext,
    person: Result<Person, Problem>,
    body: Result<Json<Logout>, Problem>,
) -> Result<HttpResponse, Problem> {
    match (body, person) {
        (Ok(Json(body)), _) => accounts.logout(&body.refresh_token, request.now).await?,
        (Err(_), Ok(person)) => accounts.end_session(person.session, request.now).await?,
        (Err(_), Err(problem)) => return Err(problem),
    }
    let mut response = HttpResponse::NoContent().finish();
    if let Some(position) = accounts.head().await {
        position_header(&mut response, position);
    }
    Ok(response)
}
