//! Identifiers. Each is a UUID of its own type, so that one cannot be passed for another.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($( $(#[$doc:meta])* $name:ident ),+ $(,)?) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> { s.parse().map(Self) }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self { Self(id) }
        }
    )+ };
}

ids! {
    /// A workspace: the tenant to which everything belongs.
    WorkspaceId,
    /// A person with an account. Name and e-mail are kept outside the event stream.
    UserId,
    /// An API key, never its secret.
    ApiKeyId,
    /// A dataset, across all its versions.
    DatasetId,
    /// A context, across all its versions.
    ContextId,
    /// A query pattern: SQL with its literals taken out (a UUIDv8 made of its hash).
    QueryId,
    /// One execution of a query.
    RunId,
    /// A saved chart.
    VisualizationId,
    /// A webhook.
    WebhookId,
    /// One event (UUIDv7).
    EventId,
}
