//! `GET /api/v1/me`

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use weir_infra::{
    auth::Identity,
    http::{Code, Problem, params::Common},
};

use super::UserView;
use crate::{
    accounts::Accounts,
    http::{
        read::Read,
        workspaces::{WorkspaceView, visible_workspaces},
    },
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
    params(Common),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Person and workspaces", body = Me),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is unknown or makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn me(mut read: Read<Identity>, accounts: Data<Accounts>) -> Result<HttpResponse, Problem> {
    let fields = read.fields::<Me>()?;
    let identity = &read.who;
    let user = accounts
        .users(&[identity.user()])
        .await?
        .pop()
        .ok_or_else(|| Problem::new(Code::TokenInvalid, "The account does not exist any more."))?;
    let workspaces = visible_workspaces(&accounts, identity);
    let me = Me { user: user.into(), workspaces };
    read.answer(&me, fields.as_ref())
}
