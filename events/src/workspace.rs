//! Workspaces: the tenants. Subject `weir.<workspace>.workspace.<workspace>`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{UserId, action::ActionId};

events! {
    /// What can happen to a workspace.
    pub enum Event {
        /// It was created.
        Created = "weir.workspace.created.v1",
        /// It got another name.
        Renamed = "weir.workspace.renamed.v1",
        /// Its owner decided whether language models may see its rows.
        RowsShared = "weir.workspace.rows_shared.v1",
        /// Someone does not want an action to be recommended any more.
        ActionDismissed = "weir.workspace.action_dismissed.v1",
        /// An action that was dismissed may be recommended again.
        ActionRestored = "weir.workspace.action_restored.v1",
        /// It was deleted for good, and what was written in it erased.
        Deleted = "weir.workspace.deleted.v1",
    }
}

/// A workspace was created; its owner's membership is an event of its own in the same commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Created {
    /// What people call it.
    pub name: String,
    /// Who made it.
    pub owner: UserId,
    /// Whether it is the one that came with an account.
    pub personal: bool,
}

/// A workspace got another name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Renamed {
    /// The new name.
    pub name: String,
}

/// Whether language models may see rows of the workspace's datasets, from now on. Before the first of
/// these they may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowsShared {
    /// Whether they may.
    pub shared: bool,
}

/// Someone does not want an action to be recommended any more, to anybody in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionDismissed {
    /// Which one.
    pub action: ActionId,
}

/// An action that was dismissed may be recommended again, where there still is a reason to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionRestored {
    /// Which one.
    pub action: ActionId,
}

/// A workspace was deleted for good: nobody is in it any more, its files are deleted, and the keys that its texts were
/// sealed under are destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {}

impl From<Event> for crate::Event {
    fn from(e: Event) -> Self {
        Self::Workspace(e)
    }
}
