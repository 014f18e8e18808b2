//! Register, log in, refresh, log out, and who one is.

mod login;
mod logout;
mod me;
mod refresh;
mod register;

use actix_web::web;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;
use weir_events::member::Role;
use weir_infra::http::read;

use crate::accounts::{SignedIn, User};

/// The routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/api/v1/auth/register", web::post().to(register::register))
        .route("/api/v1/auth/login", web::post().to(login::login))
        .route("/api/v1/auth/refresh", web::post().to(refresh::refresh))
        .route("/api/v1/auth/logout", web::post().to(logout::logout));
    read(cfg, "/api/v1/me", me::me);
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(register::register, login::login, refresh::refresh, logout::logout, me::me))]
pub struct Documentation;

/// What a person gets who proved who they are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// Who they are.
    pub user: UserView,
    /// Their personal workspace.
    pub workspace: PersonalWorkspace,
    /// For requests: `Authorization: Bearer <access_token>`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// How long the access token is valid, in seconds.
    #[schema(example = 1800)]
    pub expires_in: i64,
    /// For the next pair of tokens, once, within seven days.
    pub refresh_token: String,
    /// Where the event log has the personal workspace.
    pub position: u64,
}

/// Someone with an account, as they see themselves.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Their id.
    pub id: Uuid,
    /// Their e-mail address.
    pub email: String,
    /// What they want to be called.
    pub name: String,
    /// When they registered.
    pub created_at: chrono::DateTime<chrono::Utc>,
}

/// The workspace that came with an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonalWorkspace {
    /// Its id.
    pub id: Uuid,
    /// `owner`.
    #[schema(value_type = String, example = "owner")]
    pub role: Role,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self { id: user.id.0, email: user.email, name: user.name, created_at: user.created_at }
    }
}

impl From<SignedIn> for Session {
    fn from(signed: SignedIn) -> Self {
        Self {
            workspace: PersonalWorkspace { id: signed.user.workspace.0, role: Role::Owner },
            user: signed.user.into(),
            access_token: signed.access_token,
            token_type: "Bearer",
            expires_in: weir_infra::auth::ACCESS_TOKEN_TTL.num_seconds(),
            refresh_token: signed.refresh_token,
            position: signed.position.0,
        }
    }
}
