//! The port to the event log: append, load, follow.

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{DecodeError, NewEvent, Recorded, Stored, Subject, WorkspaceId};

/// An event's place in the order of all events: 1 is the first. Positions grow but need not be
/// contiguous for a reader: never test for `previous + 1`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

/// Events that are written together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    /// The events, in order.
    pub events: Vec<NewEvent>,
    /// For each guarded subject the position that its last event must have, [`Position::START`]
    /// where there must be none. A guarded subject has at least one event in `events`.
    pub guards: Vec<(Subject, Position)>,
    /// Makes the commit recognisable when it comes again. Without one the first event's id serves,
    /// which recognises only a retry of the very same commit.
    pub dedup: Option<String>,
}

impl Commit {
    /// A commit of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event on a subject that anyone may write at any time.
    #[must_use]
    pub fn event(mut self, event: NewEvent) -> Self {
        self.events.push(event);
        self
    }

    /// Adds an event and demands that its subject has not moved past `last`.
    #[must_use]
    pub fn guarded(mut self, event: NewEvent, last: Position) -> Self {
        if !self.guards.iter().any(|(s, _)| *s == event.subject) {
            self.guards.push((event.subject.clone(), last));
        }
        self.events.push(event);
        self
    }
}

/// Where a commit went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The position of its first event.
    pub first: Position,
    /// The position of its last event. A commit's events lie side by side.
    pub last: Position,
}

/// Why a commit was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A guarded subject has moved on: load again, decide again. Nothing was written.
    #[error("another writer was first")]
    Conflict,
    /// This commit was written before, and this is where its first event went, as far as the log
    /// still knows ([`Position::START`] where it does not).
    #[error("already written at position {0}")]
    Duplicate(Position),
    /// The log did not answer in time. The commit was written wholly or not at all; sending the
    /// same commit again is safe.
    #[error("the event log is not available: {0}")]
    Unavailable(String),
    /// An event, or the commit as a whole, is larger than the log takes. Nothing was written.
    #[error("{size} bytes are more than the {limit} that the event log takes")]
    TooLarge {
        /// Its size in bytes, headers included.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The commit makes no sense: no events, or a guard without an event. A defect of the caller.
    #[error("not a commit: {0}")]
    Invalid(&'static str),
}

/// The log did not answer within its bounded wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event log is not available: {0}")]
pub struct Unavailable(pub String);

/// Why a subject's events could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The log did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// One of the events cannot be read by this build.
    #[error("the event at position {position} cannot be read: {source}")]
    Decode {
        /// Which.
        position: Position,
        /// Why.
        source: DecodeError,
    },
}

/// Why following ended. An outage of the log is not among the reasons: followers wait it out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The follower has seen more than the log holds: it is another log, or one restored from an
    /// older backup.
    #[error("asked for events after position {after}, but the log ends at {head}")]
    BeyondHead {
        /// Where the follower stood.
        after: Position,
        /// Where the log ends.
        head: Position,
    },
    /// The log's beginning is gone, so that events are missing.
    #[error("asked for events after position {after}, but the log begins at {first}")]
    Truncated {
        /// Where the follower stood.
        after: Position,
        /// The first position that is still there.
        first: Position,
    },
    /// Stopped for good, such as by a stream that was deleted.
    #[error("following the event log failed: {0}")]
    Failed(String),
}

/// Which events to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    All,
    /// Those of one workspace.
    Workspace(WorkspaceId),
    /// Those of one aggregate instance.
    Subject(Subject),
}

impl Filter {
    /// Whether an event on that subject passes.
    pub fn matches(&self, subject: &str) -> bool {
        match self {
            Self::All => true,
            Self::Workspace(w) => subject.split('.').nth(1) == Some(w.to_string().as_str()),
            Self::Subject(s) => s.to_string() == subject,
        }
    }

    /// The same as a NATS subject with wildcards.
    pub fn to_wildcard(&self) -> String {
        match self {
            Self::All => "weir.>".to_owned(),
            Self::Workspace(w) => format!("weir.{w}.>"),
            Self::Subject(s) => s.to_string(),
        }
    }
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first event after this one.
    After(Position),
    /// With the first event that the log took in at this moment or later, by the log's clock.
    Since(DateTime<Utc>),
}

/// A moment of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// After the event at this position, whoever's it is.
    Position(Position),
    /// With everything that had happened by then, as events say it of themselves.
    Time(DateTime<Utc>),
}

/// Some events of the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// They, oldest first.
    pub events: Vec<Stored>,
    /// Whether there are no more for now.
    pub end: bool,
}

/// The event log: the one source of truth.
///
/// - **Order**: all events have one order, the same for every reader, forever.
/// - **Atomicity**: the events of a commit are written side by side, or none is.
/// - **Durability**: an acknowledged commit survives the loss of power.
/// - **Guards**: of two commits that guard the same subject at the same position one wins, the
///   other gets [`AppendError::Conflict`].
/// - **Idempotence**: the same commit sent again gets [`AppendError::Duplicate`], for at least
///   [`DEDUP_WINDOW`] after the first time.
/// - **Bounded waits**: `append`, `load` and `head` answer within the adapter's timeout.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Writes a commit.
    ///
    /// # Errors
    /// See [`AppendError`]; after any of them the commit was not written, save for `Duplicate`
    /// (it was, earlier) and `Unavailable` (it may have been).
    async fn append(&self, commit: Commit) -> Result<Appended, AppendError>;

    /// All events of one subject, oldest first. Sees every commit acknowledged before the call.
    ///
    /// # Errors
    /// See [`LoadError`].
    async fn load(&self, subject: &Subject) -> Result<Vec<Recorded>, LoadError>;

    /// Every event after a position, in order, without gap or repeat, across reconnects and
    /// restarts of the log; waits for new ones at the end. Ends only after an error.
    fn follow(&self, filter: Filter, after: Position) -> BoxStream<'static, Result<Stored, FollowError>>;

    /// Events that pass, `limit` of them at most, in order: for those who want a part of the log and
    /// not what is to come. There may be fewer where they are large.
    ///
    /// # Errors
    /// When the log does not answer.
    async fn read(&self, filter: &Filter, start: Start, limit: usize) -> Result<Page, Unavailable>;

    /// The position of the last event that passes, [`Position::START`] if there is none.
    ///
    /// # Errors
    /// When the log does not answer.
    async fn last(&self, filter: &Filter) -> Result<Position, Unavailable>;

    /// The position of the last event of all, [`Position::START`] if there is none.
    ///
    /// # Errors
    /// When the log does not answer.
    async fn head(&self) -> Result<Position, Unavailable>;
}

/// How long at least a commit is recognised when it comes again.
pub const DEDUP_WINDOW: Duration = Duration::from_secs(120);
