//! Webhooks: addresses that are told of events. Subject `weir.<workspace>.webhook.<webhook>`.
//!
//! An address can hold a token, so that events have only its scheme, host and port. The whole address and the secret
//! that messages are signed with are kept elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Wanted;

events! {
    /// What can happen to a webhook.
    pub enum Event {
        /// It was made.
        Created = "weir.webhook.created.v1",
        /// It got another address, or is told of other events.
        Changed = "weir.webhook.changed.v1",
        /// It is told of nothing until it is resumed.
        Paused = "weir.webhook.paused.v1",
        /// It is told of events again.
        Resumed = "weir.webhook.resumed.v1",
        /// Weir gave it up, because nothing could be delivered.
        Disabled = "weir.webhook.disabled.v1",
        /// Messages are signed with a new secret.
        SecretRotated = "weir.webhook.secret_rotated.v1",
        /// It was deleted.
        Deleted = "weir.webhook.deleted.v1",
    }
}

/// A webhook was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Created {
    /// Scheme, host and port of its address.
    pub origin: String,
    /// Which events it is told of.
    pub wanted: Wanted,
}

/// A webhook got another address, or is told of other events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// Scheme, host and port of its address from now on.
    pub origin: String,
    /// Which events it is told of from now on.
    pub wanted: Wanted,
}

/// It is told of nothing until it is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paused {}

/// It is told of events again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// Whether it is not told of what happened meanwhile.
    pub skip: bool,
}

/// Nothing could be delivered for long, or its server said that it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disabled {
    /// Why, for people.
    pub reason: String,
    /// The position of the event that could not be delivered.
    pub undelivered: u64,
}

/// Messages are signed with a new secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRotated {}

/// It was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {}

impl From<Event> for crate::Event {
    fn from(e: Event) -> Self {
        Self::Webhook(e)
    }
}
