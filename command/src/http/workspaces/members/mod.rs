//! Who is in a workspace.

pub(super) mod add;
pub(super) mod change;
pub(super) mod list;
pub(super) mod remove;

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::{UserId, WorkspaceId, member::Role};
use weir_infra::http::read;

/// The routes.
pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    read(cfg, "/api/v1/workspaces/{id}/members", list::list);
    cfg.route("/api/v1/workspaces/{id}/members", web::post().to(add::add))
        .route("/api/v1/workspaces/{id}/members/{user_id}", web::patch().to(change::change))
        .route("/api/v1/workspaces/{id}/members/{user_id}", web::delete().to(remove::remove));
}

/// Workspace and user of a path.
type Ids = (WorkspaceId, UserId);

/// Someone in a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberView {
    /// Who.
    pub user_id: Uuid,
    /// Their e-mail address; missing where the account is gone.
    pub email: Option<String>,
    /// What they want to be called; missing where the account is gone.
    pub name: Option<String>,
    /// What they may do.
    #[schema(value_type = String, example = "viewer")]
    pub role: Role,
    /// Since when they are in the workspace.
    pub since: DateTime<Utc>,
    /// Where the event log has the change, in the answer to a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}
