//! How far reads are behind the event log, in events and in time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use weir_events::{EventLog, Filter, Position, envelope::header};

/// How long the log may take to show an event.
const ANSWER: Duration = Duration::from_secs(1);

/// For so long events may wait without one of them being taken in, before that is an alarm.
pub(crate) const STILL: Duration = Duration::from_secs(10);

/// How far reads are behind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Lag {
    /// Events that reads do not see yet.
    pub events: u64,
    /// How old the first of them is, in seconds; 0 where there is none, null where that cannot be told.
    pub seconds: Option<f64>,
    /// Whether reads stand still: events wait, and none has been taken in for ten seconds.
    pub stalled: bool,
}

impl Lag {
    /// Of reads at `position`, where they have been for `still`.
    pub(crate) async fn measure(
        log: &dyn EventLog,
        position: Position,
        head: Position,
        still: Duration,
        now: DateTime<Utc>,
    ) -> Self {
        let events = head.0.saturating_sub(position.0);
        if events == 0 {
            return Self { events, seconds: Some(0.0), stalled: false };
        }
        let seconds = waiting_since(log, position).await.map(|at| (now - at).as_seconds_f64().max(0.0));
        // One that came a moment ago is no reason to worry, however long it was quiet before.
        let waited = seconds.is_none_or(|seconds| seconds > STILL.as_secs_f64());
        Self { events, seconds, stalled: waited && still > STILL }
    }
}

/// When the first event happened that reads do not see.
async fn waiting_since(log: &dyn EventLog, position: Position) -> Option<DateTime<Utc>> {
    let mut events = log.follow(Filter::All, position);
    let next = timeout(ANSWER, events.next()).await.ok()??.ok()?;
    next.headers
        .get(header::TIME)
        .and_then(|time| DateTime::parse_from_rfc3339(time).ok())
        .map(|t| t.to_utc())
}
