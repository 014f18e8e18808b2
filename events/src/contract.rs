//! The contract suite for event logs: what the port promises, as tests that every adapter passes.
//!
//! Each test takes an empty log and panics where a promise is broken. `contract_suite!` makes a
//! `#[tokio::test]` of each:
//!
//! ```text
//! async fn fresh() -> (Arc<dyn EventLog>, Server) { ... }
//! weir_events::contract_suite!(fresh);
//! ```
//!
//! The second value is kept until the test is over: whatever must live as long as the log.

#![expect(clippy::missing_panics_doc, reason = "to panic is how a test says no")]

mod concurrency;
mod follow;
mod random;
mod write;

pub use concurrency::*;
pub use follow::*;
pub use random::*;
pub use write::*;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream::BoxStream};
use uuid::Uuid;

use crate::{
    Actor, Commit, DatasetId, EventId, EventLog, Filter, FollowError, Metadata, NewEvent, Position, QueryId,
    RunId, Stored, Subject, UserId, WorkspaceId, dataset, name, query,
};

/// Makes a `#[tokio::test]` of each test of the suite. The argument is an async function that gives
/// an empty `Arc<dyn EventLog>` and something to keep for as long.
#[macro_export]
macro_rules! contract_suite {
    ($fresh:path) => {
        $crate::contract_suite!(@each $fresh:
            positions_grow_and_a_load_sees_what_was_written,
            a_new_log_is_empty,
            a_commit_lies_side_by_side,
            several_events_on_one_subject_in_one_commit,
            guards_hold,
            a_failed_commit_leaves_nothing,
            a_guard_on_one_of_several_subjects_decides_for_all,
            one_of_two_gets_the_name,
            the_same_commit_again_is_a_duplicate,
            a_duplicate_is_recognised_before_its_guard_fails,
            a_commit_of_several_events_again_is_a_duplicate,
            two_of_one_identity_at_once_are_one,
            nonsense_is_refused,
            too_large_is_refused_whole,
            envelopes_survive,
            follow_from_anywhere,
            follow_what_is_to_come,
            followers_do_not_disturb_each_other,
            filters_pass_what_they_name,
            pages_end_where_the_log_does,
            a_follower_ahead_of_the_log_is_told,
            a_backlog_is_followed_without_gap,
            writers_on_few_aggregates,
            writers_without_guards_all_get_in,
            cancelled_appends_harm_nobody,
            concurrent_commits_of_several_events_stay_whole,
            random_commits_go_as_in_memory,
        );
    };
    (@each $fresh:path: $($test:ident),+ $(,)?) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let (log, _kept) = $fresh().await;
            $crate::contract::$test(log).await;
        }
    )+ };
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A moment; tests are not about clocks.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 123_456_000).expect("a moment")
}

/// An id that sorts by time, as the product makes them.
fn id() -> Uuid {
    Uuid::now_v7()
}

fn workspace() -> WorkspaceId {
    WorkspaceId(id())
}

/// An envelope of its own.
#[must_use]
pub fn envelope() -> Metadata {
    Metadata {
        id: EventId(id()),
        time: now(),
        actor: Actor::User(UserId(id())),
        correlation: id(),
        causation: None,
        traceparent: None,
    }
}

/// A small event on a subject: a dataset's description.
#[must_use]
pub fn described(subject: &Subject, text: &str) -> NewEvent {
    NewEvent {
        subject: subject.clone(),
        meta: envelope(),
        event: dataset::Described { description: text.to_owned() }.into(),
    }
}

/// An event of the usual size: the receipt of a query, about 400 bytes of payload.
#[must_use]
pub fn executed(subject: &Subject) -> NewEvent {
    NewEvent {
        subject: subject.clone(),
        meta: envelope(),
        event: query::Executed {
            run_id: RunId(id()),
            sql: "SELECT carrier, count(*) FROM flights GROUP BY carrier".to_owned(),
            pattern: "SELECT carrier, count(*) FROM flights GROUP BY carrier".to_owned(),
            datasets: vec![query::Source { id: DatasetId(id()), name: "flights".to_owned(), version: 1 }],
            engine: "datafusion 55.2.0".to_owned(),
            rows: 16,
            bytes: 1_024,
            truncated: false,
            elapsed_ms: 12.5,
            cache_tier: None,
            result_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
            result: None,
            events_to: None,
            stages: None,
            context: None,
            question: None,
            model: None,
        }
        .into(),
    }
}

/// A dataset's subject in a workspace.
#[must_use]
pub fn dataset_subject(workspace: WorkspaceId) -> Subject {
    Subject::dataset(workspace, DatasetId(id()))
}

/// A query pattern's subject in a workspace.
#[must_use]
pub fn query_subject(workspace: WorkspaceId) -> Subject {
    Subject::query(workspace, QueryId(id()))
}

/// A name's reservation.
#[must_use]
pub fn reserved(workspace: WorkspaceId, name: &str) -> NewEvent {
    NewEvent {
        subject: Subject::name(workspace, name::Kind::Dataset, name),
        meta: envelope(),
        event: name::Reserved { holder: id() }.into(),
    }
}

/// Appends one unguarded event and gives its position.
async fn put(log: &Arc<dyn EventLog>, event: NewEvent) -> Position {
    log.append(Commit::new().event(event)).await.expect("appended").last
}

/// The next `count` events of a follower.
///
/// # Panics
/// When they do not come in time, or the follower ends.
pub async fn take(events: &mut BoxStream<'static, Result<Stored, FollowError>>, count: usize) -> Vec<Stored> {
    let mut taken = Vec::with_capacity(count);
    while taken.len() < count {
        let next = tokio::time::timeout(PATIENCE, events.next()).await;
        let next = next.unwrap_or_else(|_| panic!("{} of {count} events came in time", taken.len()));
        taken.push(next.expect("the follower goes on").expect("an event"));
    }
    taken
}

/// All events after a position, of which the caller knows how many there are.
async fn all(log: &Arc<dyn EventLog>, count: usize) -> Vec<Stored> {
    take(&mut log.follow(Filter::All, Position::START), count).await
}

/// The id of a stored event.
fn event_id(stored: &Stored) -> EventId {
    stored.decode().expect("decodes").meta.id
}
