//! Where an event is written: `weir.<workspace>.<aggregate>.<id>`, one literal subject per
//! aggregate instance. The workspace comes first, so that no subject exists outside a tenant.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ContextId, DatasetId, QueryId, UserId, VisualizationId, WebhookId, WorkspaceId, name};

/// The kinds of aggregate, as they stand in subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Workspaces.
    Workspace,
    /// Memberships.
    Member,
    /// Datasets.
    Dataset,
    /// Contexts.
    Context,
    /// Query patterns.
    Query,
    /// What query patterns are saved as.
    Saved,
    /// Charts.
    Visualization,
    /// Webhooks.
    Webhook,
    /// Name reservations.
    Name,
}

impl Aggregate {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Workspace,
        Self::Member,
        Self::Dataset,
        Self::Context,
        Self::Query,
        Self::Saved,
        Self::Visualization,
        Self::Webhook,
        Self::Name,
    ];

    /// The token in the subject.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Member => "member",
            Self::Dataset => "dataset",
            Self::Context => "context",
            Self::Query => "query",
            Self::Saved => "saved",
            Self::Visualization => "visualization",
            Self::Webhook => "webhook",
            Self::Name => "name",
        }
    }
}

impl FromStr for Aggregate {
    type Err = InvalidSubject;
    fn from_str(s: &str) -> Result<Self, InvalidSubject> {
        Ok(match s {
            "workspace" => Self::Workspace,
            "member" => Self::Member,
            "dataset" => Self::Dataset,
            "context" => Self::Context,
            "query" => Self::Query,
            "saved" => Self::Saved,
            "visualization" => Self::Visualization,
            "webhook" => Self::Webhook,
            "name" => Self::Name,
            _ => return Err(InvalidSubject),
        })
    }
}

/// The subject of one aggregate instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    workspace: WorkspaceId,
    aggregate: Aggregate,
    id: String,
}

/// The text is not `weir.<workspace>.<aggregate>.<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subject has the form weir.<workspace>.<aggregate>.<id>")]
pub struct InvalidSubject;

impl Subject {
    /// The workspace itself.
    pub fn workspace(workspace: WorkspaceId) -> Self {
        Self { workspace, aggregate: Aggregate::Workspace, id: workspace.to_string() }
    }

    /// Someone's membership.
    pub fn member(workspace: WorkspaceId, user: UserId) -> Self {
        Self { workspace, aggregate: Aggregate::Member, id: user.to_string() }
    }

    /// A dataset.
    pub fn dataset(workspace: WorkspaceId, id: DatasetId) -> Self {
        Self { workspace, aggregate: Aggregate::Dataset, id: id.to_string() }
    }

    /// A context.
    pub fn context(workspace: WorkspaceId, id: ContextId) -> Self {
        Self { workspace, aggregate: Aggregate::Context, id: id.to_string() }
    }

    /// A query pattern.
    pub fn query(workspace: WorkspaceId, id: QueryId) -> Self {
        Self { workspace, aggregate: Aggregate::Query, id: id.to_string() }
    }

    /// What a query pattern is saved as. Apart from its runs, which are many and which nobody guards.
    pub fn saved(workspace: WorkspaceId, id: QueryId) -> Self {
        Self { workspace, aggregate: Aggregate::Saved, id: id.to_string() }
    }

    /// A chart.
    pub fn visualization(workspace: WorkspaceId, id: VisualizationId) -> Self {
        Self { workspace, aggregate: Aggregate::Visualization, id: id.to_string() }
    }

    /// A webhook.
    pub fn webhook(workspace: WorkspaceId, id: WebhookId) -> Self {
        Self { workspace, aggregate: Aggregate::Webhook, id: id.to_string() }
    }

    /// A unique name; spelling variants that differ only in case share it.
    pub fn name(workspace: WorkspaceId, kind: name::Kind, name: &str) -> Self {
        Self { workspace, aggregate: Aggregate::Name, id: format!("{}.{}", kind.as_str(), name::slug(name)) }
    }

    /// The tenant.
    pub fn workspace_id(&self) -> WorkspaceId {
        self.workspace
    }

    /// The kind of aggregate.
    pub fn aggregate(&self) -> Aggregate {
        self.aggregate
    }

    /// The aggregate's id: a UUID, or `<kind>.<slug>` for names.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "weir.{}.{}.{}", self.workspace, self.aggregate.as_str(), self.id)
    }
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(s: &str) -> Result<Self, InvalidSubject> {
        let mut parts = s.splitn(4, '.');
        let (Some("weir"), Some(workspace), Some(aggregate), Some(id)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidSubject);
        };
        let clean = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b'.'));
        if id.is_empty() || !clean {
            return Err(InvalidSubject);
        }
        Ok(Self {
            workspace: workspace.parse().map_err(|_| InvalidSubject)?,
            aggregate: aggregate.parse()?,
            id: id.to_owned(),
        })
    }
}
