//! What the account handlers need to know of workspaces and their members. The directory, which is
//! a fold of the stream, knows it.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use weir_events::{Position, UserId, WorkspaceId, member::Role};

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// Who made it.
    pub owner: UserId,
    /// Whether it came with its owner's account and stays with them.
    pub personal: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Whether language models may see its rows.
    pub rows_shared: bool,
}

/// Someone in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Since when they are in it.
    pub since: DateTime<Utc>,
}

/// Workspaces and members as the stream has them, answered from memory.
#[async_trait]
pub trait Workspaces: Send + Sync {
    /// A workspace, where there is one.
    fn workspace(&self, id: WorkspaceId) -> Option<Workspace>;

    /// The workspaces that a user is in, with their role there, oldest first.
    fn workspaces_of(&self, user: UserId) -> Vec<(Workspace, Role)>;

    /// Who is in a workspace, those who joined first coming first.
    fn members(&self, workspace: WorkspaceId) -> Vec<Member>;

    /// The newest event that asks for the erasure of what a user asked in a workspace.
    fn erasure_of(&self, user: UserId, workspace: WorkspaceId) -> Option<Position>;

    /// Waits until everything up to a position is known; `false` when that took longer than
    /// `timeout`.
    async fn wait_for(&self, position: Position, timeout: Duration) -> bool;
}
