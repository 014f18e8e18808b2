//! `POST /api/v1/auth/login`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_infra::http::{Json, Problem, RequestContext, client_address, command_answer};

use super::Session;
use crate::accounts::{Accounts, Password};

/// Someone who wants to log in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The address of the account.
    #[schema(example = "ada@example.org")]
    email: String,
    /// Its password.
    #[schema(value_type = String)]
    password: Password,
}

/// Log in
///
/// Begins a session: an access token for 30 minutes and a refresh token for seven days.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    operation_id = "log_in",
    tag = "accounts",
    security(()),
    request_body = Login,
    responses(
        (status = 200, description = "Logged in", body = Session),
        (status = 401, description = "`credentials_invalid`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`, `busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn login(
    req: HttpRequest,
    accounts: Data<Accounts>,
    request: RequestContext,
    Json(body): Json<Login>,
) -> Result<HttpResponse, Problem> {
    let signed = accounts.login(&body.email, &body.password, client_address(&req), &request).await?;
    let position = signed.position;
    Ok(command_answer(StatusCode::OK, &Session::from(signed), position))
}
