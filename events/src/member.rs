//! Memberships. Subject `weir.<workspace>.member.<user>`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

events! {
    /// What can happen to a membership.
    pub enum Event {
        /// Someone joined.
        Added = "weir.member.added.v1",
        /// Someone's role changed.
        RoleChanged = "weir.member.role_changed.v1",
        /// Someone left or was removed.
        Removed = "weir.member.removed.v1",
        /// What someone had asked in the workspace was erased.
        Erased = "weir.member.erased.v1",
    }
}

/// What a member may do. Ordered: each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads and runs queries.
    Viewer,
    /// Uploads, saves, changes and deletes.
    Editor,
    /// Also manages members, keys and the workspace itself.
    Owner,
}

impl Role {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;
    fn from_str(s: &str) -> Result<Self, UnknownRole> {
        match s {
            "viewer" => Ok(Self::Viewer),
            "editor" => Ok(Self::Editor),
            "owner" => Ok(Self::Owner),
            _ => Err(UnknownRole),
        }
    }
}

/// The text is none of `viewer`, `editor`, `owner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, editor or owner")]
pub struct UnknownRole;

/// Someone joined the workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Added {
    /// What they may do.
    pub role: Role,
}

/// Someone's role changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleChanged {
    /// What they may do from now on.
    pub role: Role,
}

/// Someone left or was removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Removed {}

/// What someone had asked in the workspace up to here was erased: the key that it was sealed under is destroyed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Erased {}

impl From<Event> for crate::Event {
    fn from(e: Event) -> Self {
        Self::Member(e)
    }
}
