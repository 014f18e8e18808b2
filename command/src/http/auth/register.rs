//! `POST /api/v1/auth/register`

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_infra::http::{Json, Problem, RequestContext, client_address, command_answer};

use super::Session;
use crate::accounts::{Accounts, Email, Password, register::Registration};

/// Someone new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    /// The address to log in with. Case does not matter.
    #[schema(example = "ada@example.org")]
    email: String,
    /// At least 10 characters, at most 1,024 bytes.
    #[schema(value_type = String, min_length = 10)]
    password: Password,
    /// What to be called; without it the address up to its `@`.
    name: Option<String>,
}

/// Make an account
///
/// Comes with a personal workspace, which stays with the account, and logs in.
#[utoipa::path(
    post,
    path = "/api/v1/auth/register",
    operation_id = "register",
    tag = "accounts",
    security(()),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable")),
    request_body = Register,
    responses(
        (status = 201, description = "The account, logged in", body = Session),
        (status = 400, description = "`malformed_json`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`email_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `database_unavailable`, `busy`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn register(
    req: HttpRequest,
    accounts: Data<Accounts>,
    request: RequestContext,
    Json(body): Json<Register>,
) -> Result<HttpResponse, Problem> {
    let email = Email::parse(&body.email)?;
    let name = body.name.unwrap_or_else(|| email.local().to_owned());
    let new = Registration { email, password: body.password, name };
    let signed = accounts.register(new, client_address(&req), &request).await?;
    let position = signed.position;
    Ok(command_answer(StatusCode::CREATED, &Session::from(signed), position))
}
