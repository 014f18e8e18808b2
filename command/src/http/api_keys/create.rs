//! `POST /api/v1/api-keys`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_events::{Actor, member::Role};
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Code, Json, Problem, RequestContext, command_answer},
};

use super::ApiKeyView;
use crate::accounts::Accounts;

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApiKey {
    /// What to call it.
    #[schema(example = "nightly upload")]
    name: String,
    /// What it may do: viewer, editor or owner, at most one's own role.
    #[schema(value_type = String, example = "editor")]
    role: Role,
}

/// A new key, with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedApiKey {
    /// The key.
    #[serde(flatten)]
    api_key: ApiKeyView,
    /// What to send as bearer token. Shown this once.
    key: String,
    /// How far the event log was.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
}

/// Make an API key
///
/// It belongs to the workspace and acts in its maker's name. Only people make keys.
#[utoipa::path(
    post,
    path = "/api/v1/api-keys",
    operation_id = "create_api_key",
    tag = "accounts",
    params(
        ("Weir-Workspace" = Option<uuid::Uuid>, Header, description = "The workspace; the personal one by default"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body = CreateApiKey,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The key, with its secret", body = CreatedApiKey),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`, `person_required`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`workspace_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`too_many_api_keys`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    caller: Caller<Viewer>,
    accounts: Data<Accounts>,
    request: RequestContext,
    Json(body): Json<CreateApiKey>,
) -> Result<HttpResponse, Problem> {
    if !matches!(caller.actor, Actor::User(_)) {
        // A key that could make keys would outlive its own deletion.
        return Err(Problem::new(Code::PersonRequired, "An API key cannot make API keys; log in."));
    }
    let (key, secret) = accounts.create_api_key(&caller, &body.name, body.role, &request).await?;
    let position = accounts.head().await;
    let body = CreatedApiKey { api_key: key.into(), key: secret.reveal(), position: position.map(|p| p.0) };
    Ok(match position {
        Some(position) => command_answer(StatusCode::CREATED, &body, position),
        None => HttpResponse::Created().json(body),
    })
}
