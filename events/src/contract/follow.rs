//! Following: order, gaps, filters.

use std::sync::Arc;

use chrono::DateTime;
use futures::StreamExt;

use super::{
    PATIENCE, all, dataset_subject, described, event_id, executed, put, query_subject, take, workspace,
};
use crate::{Commit, EventLog, Filter, FollowError, Page, Position, Start};

/// A follower gets exactly what comes after its position, from any position.
pub async fn follow_from_anywhere(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let mut ids = Vec::new();
    for n in 0..30 {
        let event = described(&dataset_subject(workspace), &n.to_string());
        ids.push(event.meta.id);
        put(&log, event).await;
    }
    let positions: Vec<_> = all(&log, 30).await.iter().map(|e| e.position).collect();
    assert!(positions.is_sorted_by(|a, b| a < b));
    for from in 0..30 {
        let after = if from == 0 { Position::START } else { positions[from - 1] };
        let events = take(&mut log.follow(Filter::All, after), 30 - from).await;
        assert!(events.iter().map(event_id).eq(ids[from..].iter().copied()), "after {after}");
        assert!(events.iter().map(|e| e.position).eq(positions[from..].iter().copied()));
    }
}

/// A follower at the end waits, and gets what is written then, at once.
pub async fn follow_what_is_to_come(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let head = put(&log, executed(&query_subject(workspace))).await;
    let mut events = log.follow(Filter::All, head);
    for n in 0..20 {
        let event = described(&dataset_subject(workspace), &n.to_string());
        let id = event.meta.id;
        // The follower is asked first and the event written then, and the other way round.
        let got = if n % 2 == 0 {
            let (got, _) = tokio::join!(take(&mut events, 1), put(&log, event));
            got
        } else {
            put(&log, event).await;
            take(&mut events, 1).await
        };
        assert_eq!(event_id(&got[0]), id);
    }
}

/// Many followers at different places each get all of theirs, also when others leave.
pub async fn followers_do_not_disturb_each_other(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let mut early: Vec<_> = (0..8).map(|_| log.follow(Filter::All, Position::START)).collect();
    let mut middle = Position::START;
    for n in 0..40 {
        let position = put(&log, described(&dataset_subject(workspace), "x")).await;
        if n == 19 {
            middle = position;
        }
    }
    let mut late: Vec<_> = (0..8).map(|_| log.follow(Filter::All, middle)).collect();
    drop(early.drain(..4));
    drop(late.drain(..4));
    let early = futures::future::join_all(early.iter_mut().map(|f| take(f, 40))).await;
    let late = futures::future::join_all(late.iter_mut().map(|f| take(f, 20))).await;
    let first = &early[0];
    let positions = |events: &[crate::Stored]| events.iter().map(|e| e.position).collect::<Vec<_>>();
    assert!(early.iter().all(|e| positions(e) == positions(first)));
    assert!(late.iter().all(|e| positions(e) == positions(&first[20..])));
}

/// A filter passes a workspace's events, or a subject's, with the positions that they have in all.
pub async fn filters_pass_what_they_name(log: Arc<dyn EventLog>) {
    let (mine, theirs) = (workspace(), workspace());
    let (one, other, foreign) = (dataset_subject(mine), query_subject(mine), dataset_subject(theirs));
    let mut of_one = log.follow(Filter::Subject(one.clone()), Position::START);
    let mut of_mine = log.follow(Filter::Workspace(mine), Position::START);
    for _ in 0..10 {
        let commit =
            Commit::new().event(described(&one, "a")).event(executed(&other)).event(described(&foreign, "b"));
        log.append(commit).await.expect("appended");
    }
    let everything = all(&log, 30).await;
    for (filter, follower, count) in
        [(Filter::Subject(one.clone()), &mut of_one, 10), (Filter::Workspace(mine), &mut of_mine, 20)]
    {
        let passed = take(follower, count).await;
        let expected = everything.iter().filter(|e| filter.matches(&e.subject)).map(|e| e.position);
        assert!(passed.iter().map(|e| e.position).eq(expected), "{filter:?}");
        assert!(passed.iter().all(|e| filter.matches(&e.subject)));
        let later = take(&mut log.follow(filter, passed[4].position), count - 5).await;
        assert!(later.iter().map(|e| e.position).eq(passed[5..].iter().map(|e| e.position)));
    }
}

/// Pages put together are what a follower gets, whatever their size, and they end where the log does.
pub async fn pages_end_where_the_log_does(log: Arc<dyn EventLog>) {
    let (mine, theirs) = (workspace(), workspace());
    let (one, foreign) = (dataset_subject(mine), dataset_subject(theirs));
    let none = Filter::Workspace(workspace());
    assert_eq!(log.last(&Filter::All).await, Ok(Position::START));
    let empty = Page { events: Vec::new(), end: true };
    assert_eq!(log.read(&Filter::All, Start::After(Position::START), 10).await, Ok(empty.clone()));
    for _ in 0..15 {
        let commit = Commit::new()
            .event(described(&one, "a"))
            .event(described(&foreign, "b"))
            .event(executed(&query_subject(mine)));
        log.append(commit).await.expect("appended");
    }
    let everything = all(&log, 45).await;
    for filter in [Filter::All, Filter::Workspace(mine), Filter::Subject(one.clone()), none.clone()] {
        let expected: Vec<_> = everything.iter().filter(|e| filter.matches(&e.subject)).cloned().collect();
        let last = expected.last().map_or(Position::START, |e| e.position);
        assert_eq!(log.last(&filter).await, Ok(last), "{filter:?}");
        for limit in [1, 7, 15, 1_000] {
            let (mut events, mut after) = (Vec::new(), Position::START);
            loop {
                let page = log.read(&filter, Start::After(after), limit).await.expect("a page");
                assert!(page.events.len() <= limit && (page.end || !page.events.is_empty()));
                events.extend(page.events);
                after = events.last().map_or(Position::START, |e: &crate::Stored| e.position);
                if page.end {
                    break;
                }
            }
            // The order of headers means nothing.
            let decoded = |events: &[crate::Stored]| -> Vec<_> {
                events.iter().map(|event| event.decode().expect("an event")).collect()
            };
            assert_eq!(decoded(&events), decoded(&expected), "{filter:?} by {limit}");
        }
    }
    let time = |seconds| Start::Since(DateTime::from_timestamp(seconds, 0).expect("a moment"));
    let (ever, never) = (time(0), time(4_102_444_800));
    let page = log.read(&Filter::Workspace(theirs), ever, 2).await.expect("a page");
    assert_eq!((page.events.len(), page.end), (2, false));
    assert_eq!(log.read(&Filter::All, never, 2).await, Ok(empty.clone()));
    assert_eq!(log.read(&Filter::All, Start::After(Position(999)), 2).await, Ok(empty));
}

/// A follower that has seen more than there is must not wait for ever.
pub async fn a_follower_ahead_of_the_log_is_told(log: Arc<dyn EventLog>) {
    let head = put(&log, executed(&query_subject(workspace()))).await;
    let after = Position(head.0 + 5);
    let mut events = log.follow(Filter::All, after);
    let next = tokio::time::timeout(PATIENCE, events.next()).await.expect("an answer");
    assert_eq!(next, Some(Err(FollowError::BeyondHead { after, head })));
    assert_eq!(tokio::time::timeout(PATIENCE, events.next()).await.expect("an answer"), None);
}

/// Thousands of events, written while followers read them, come once each and in order.
pub async fn a_backlog_is_followed_without_gap(log: Arc<dyn EventLog>) {
    const COMMITS: usize = 100;
    const EVENTS: usize = 30;
    let workspace = workspace();
    let writer = {
        let log = log.clone();
        tokio::spawn(async move {
            for _ in 0..COMMITS {
                let subject = query_subject(workspace);
                let commit = (0..EVENTS).fold(Commit::new(), |c, _| c.event(executed(&subject)));
                log.append(commit).await.expect("appended");
            }
        })
    };
    let mut live = log.follow(Filter::All, Position::START);
    let seen = take(&mut live, COMMITS * EVENTS).await;
    writer.await.expect("no panic");
    assert!(seen.is_sorted_by(|a, b| a.position < b.position));
    let again = all(&log, COMMITS * EVENTS).await;
    assert!(seen.iter().map(event_id).eq(again.iter().map(event_id)));
}
