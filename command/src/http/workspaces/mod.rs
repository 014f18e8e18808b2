//! Workspaces and their members.

mod change;
mod create;
mod delete;
mod get;
mod list;
pub mod members;

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;
use weir_events::member::Role;
use weir_infra::{auth::Identity, http::read};

use crate::accounts::{Accounts, Workspace};

/// The routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    read(cfg, "/api/v1/workspaces", list::list);
    read(cfg, "/api/v1/workspaces/{id}", get::get);
    cfg.route("/api/v1/workspaces", web::post().to(create::create))
        .route("/api/v1/workspaces/{id}", web::patch().to(change::change))
        .route("/api/v1/workspaces/{id}", web::delete().to(delete::delete))
        .configure(members::routes);
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    list::list,
    create::create,
    get::get,
    change::change,
    delete::delete,
    members::list::list,
    members::add::add,
    members::change::change,
    members::remove::remove
))]
pub struct Documentation;

/// A workspace, as someone in it sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workspace)]
pub struct WorkspaceView {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// What the caller may do there.
    #[schema(value_type = String, example = "owner")]
    pub role: Role,
    /// Whether it came with someone's account and stays with them.
    pub personal: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Whether language models may see a few rows of its datasets when a question is asked.
    pub share_rows: bool,
    /// Where the event log has the change, in the answer to a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

impl WorkspaceView {
    fn new(workspace: Workspace, role: Role) -> Self {
        Self {
            id: workspace.id.0,
            name: workspace.name,
            role,
            personal: workspace.personal,
            created_at: workspace.created_at,
            share_rows: workspace.rows_shared,
            position: None,
        }
    }
}

/// The workspaces that someone may see: a person all that they are in, an API key its own.
pub(super) fn visible_workspaces(accounts: &Accounts, identity: &Identity) -> Vec<WorkspaceView> {
    let all = accounts.workspaces().workspaces_of(identity.user());
    all.into_iter()
        .filter_map(|(workspace, role)| match identity {
            Identity::Person { .. } => Some(WorkspaceView::new(workspace, role)),
            Identity::Program(key) => {
                (key.workspace == workspace.id).then(|| WorkspaceView::new(workspace, role.min(key.role)))
            }
        })
        .collect()
}
