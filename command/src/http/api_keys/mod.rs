//! API keys.

mod create;
mod delete;
mod list;

use actix_web::web;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;
use weir_events::member::Role;
use weir_infra::http::read;

use crate::accounts::api_key::ApiKey;

/// The routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    read(cfg, "/api/v1/api-keys", list::list);
    cfg.route("/api/v1/api-keys", web::post().to(create::create))
        .route("/api/v1/api-keys/{id}", web::delete().to(delete::delete));
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(list::list, create::create, delete::delete))]
pub struct Documentation;

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// What it may do, never more than its maker may.
    #[schema(value_type = String, example = "viewer")]
    pub role: Role,
    /// Who made it.
    pub created_by: Uuid,
    /// When.
    pub created_at: chrono::DateTime<chrono::Utc>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.0,
            name: key.name,
            role: key.role,
            created_by: key.user.0,
            created_at: key.created_at,
        }
    }
}
