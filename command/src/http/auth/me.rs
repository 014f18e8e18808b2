//! `GET /api/v1/me`

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use weir_infra::{
    auth::Identity,
    http::{Page, Problem},
};

use super::UserView;
use crate::{
    accounts::Accounts,
    http::workspaces::{WorkspaceView, visible_workspaces},
};

/// Who is asking, and where they are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// The person, or the one in whose name the API key acts.
    user: UserView,
    /// The workspaces that they are in, oldest first; for an API key its own.
    workspaces: Vec<WorkspaceView>,
}

/// Who I am
#[utoipa::path(
    get,
    path = "/api/v1/me",
    operation_id = "get_me",
    tag = "accounts",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Person and workspaces", body = Me),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn me(
    req: HttpRequest,
    accounts: Data<Accounts>,
    identity: Identity,
) -> Result<HttpResponse, Problem> {
    let user = accounts.users(&[identity.user()]).await?.pop().ok_or_else(|| {
        Problem::new(weir_infra::http::Code::TokenInvalid, "The account does not exist any more.")
    })?;
    let workspaces = visible_workspaces(&accounts, &identity);
    let me = serde_json::to_value(Me { user: user.into(), workspaces }).map_err(Problem::internal)?;
    let fields = Page::parse(req.query_string())?.fields;
    Ok(HttpResponse::Ok().json(match fields {
        Some(fields) => fields.apply(me),
        None => me,
    }))
}
