//! `POST /api/v1/auth/refresh`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_infra::http::{Json, Problem, RequestContext, command_answer};

use super::Session;
use crate::accounts::Accounts;

/// A refresh token to trade in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    /// As it was given last.
    refresh_token: String,
}

/// Trade a refresh token for new tokens
///
/// Each refresh token works once. One that comes a second time ends its whole session. With an
/// `Idempotency-Key` a request that got no answer can be repeated.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    operation_id = "refresh_tokens",
    tag = "accounts",
    security(()),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable")),
    request_body = Refresh,
    responses(
        (status = 200, description = "New tokens", body = Session),
        (status = 401, description = "`refresh_token_invalid`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`, `log_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn refresh(
    accounts: Data<Accounts>,
    request: RequestContext,
    Json(body): Json<Refresh>,
) -> Result<HttpResponse, Problem> {
    let signed = accounts.refresh(&body.refresh_token, &request).await?;
    let position = signed.position;
    Ok(command_answer(StatusCode::OK, &Session::from(signed), position))
}
