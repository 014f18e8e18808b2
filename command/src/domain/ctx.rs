//! What a decision may know besides the state: when, who, and which ids to give.

use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};
use weir_events::{Actor, EventId, Metadata, WorkspaceId};

/// The circumstances of a command. Everything that differs between two calls comes in here.
#[derive(Debug, Clone, PartialEq)]
pub struct Ctx {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Who asks.
    pub actor: Actor,
    /// The time of the command.
    pub now: DateTime<Utc>,
    /// The request that all of it belongs to.
    pub correlation: Uuid,
    /// The event that led to this command, where one did.
    pub causation: Option<EventId>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Where ids come from.
    pub seed: Seed,
    /// Makes the commit recognisable when it comes again.
    pub dedup: Option<String>,
}

/// The source of the ids of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    /// Made for this one call: ids that sort by time.
    Fresh(Uuid),
    /// Made from the caller's idempotency key: the same ids whenever the call is repeated, so that
    /// a repetition finds what the first one made.
    Keyed(Uuid),
}

impl Ctx {
    /// The id of something that this command makes; the same label gives the same id.
    pub fn id(&self, label: &str) -> Uuid {
        match self.seed {
            Seed::Fresh(seed) => self.sortable(seed, label),
            Seed::Keyed(seed) => Uuid::new_v5(&seed, label.as_bytes()),
        }
    }

    /// The envelope of the command's `n`th event. Its id sorts by time; the number of the try
    /// keeps the ids of a repeated decision apart from those of the decision that lost.
    pub fn metadata(&self, n: usize, attempt: u32) -> Metadata {
        let (Seed::Fresh(seed) | Seed::Keyed(seed)) = self.seed;
        Metadata {
            id: EventId(self.sortable(seed, &format!("event/{n}/{attempt}"))),
            time: self.now,
            actor: self.actor.clone(),
            correlation: self.correlation,
            causation: self.causation,
            traceparent: self.traceparent.clone(),
        }
    }

    /// A UUIDv7 of the command's time whose random part follows from seed and label.
    fn sortable(&self, seed: Uuid, label: &str) -> Uuid {
        let hash = Uuid::new_v5(&seed, label.as_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(&hash.as_bytes()[..10]);
        let millis = u64::try_from(self.now.timestamp_millis()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}
