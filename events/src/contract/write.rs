//! Writing: positions, guards, duplicates, what is refused.

use std::sync::Arc;

use super::{all, dataset_subject, described, event_id, executed, put, query_subject, reserved, workspace};
use crate::{Actor, AppendError, Commit, Event, EventLog, Position, dataset};

/// Positions grow, and a load sees every acknowledged commit, oldest first.
pub async fn positions_grow_and_a_load_sees_what_was_written(log: Arc<dyn EventLog>) {
    let subject = dataset_subject(workspace());
    let mut last = Position::START;
    for n in 0..20 {
        let event = described(&subject, &n.to_string());
        let appended = log.append(Commit::new().guarded(event, last)).await.expect("appended");
        assert_eq!(appended.first, appended.last);
        assert!(appended.last > last);
        last = appended.last;
        let loaded = log.load(&subject).await.expect("loaded");
        assert_eq!(loaded.len(), n + 1);
        assert_eq!(loaded[n].position, last);
        assert_eq!(log.head().await, Ok(last));
    }
    let texts = log.load(&subject).await.expect("loaded").into_iter().map(|e| match e.event {
        Event::Dataset(dataset::Event::Described(d)) => d.description,
        other => panic!("{other:?}"),
    });
    assert!(texts.eq((0..20).map(|n| n.to_string())));
}

/// Nothing is there before the first commit.
pub async fn a_new_log_is_empty(log: Arc<dyn EventLog>) {
    assert_eq!(log.head().await, Ok(Position::START));
    assert_eq!(log.load(&dataset_subject(workspace())).await.expect("loaded"), []);
}

/// The events of a commit lie side by side, in their order.
pub async fn a_commit_lies_side_by_side(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let before = put(&log, executed(&query_subject(workspace))).await;
    let events: Vec<_> = (0..5).map(|n| described(&dataset_subject(workspace), &n.to_string())).collect();
    let commit = events.iter().cloned().fold(Commit::new(), |c, e| c.guarded(e, Position::START));
    let appended = log.append(commit).await.expect("appended");
    assert_eq!(appended, crate::Appended { first: Position(before.0 + 1), last: Position(before.0 + 5) });
    let stored = all(&log, 6).await;
    for (n, event) in events.iter().enumerate() {
        assert_eq!(stored[n + 1].position, Position(appended.first.0 + n as u64));
        assert_eq!(event_id(&stored[n + 1]), event.meta.id);
    }
}

/// One commit may hold several events of one aggregate; the guard is about what was before.
pub async fn several_events_on_one_subject_in_one_commit(log: Arc<dyn EventLog>) {
    let subject = dataset_subject(workspace());
    let first = put(&log, described(&subject, "before")).await;
    let commit = Commit::new()
        .guarded(described(&subject, "1"), first)
        .guarded(described(&subject, "2"), first)
        .event(described(&subject, "3"));
    let appended = log.append(commit).await.expect("appended");
    let positions: Vec<_> =
        log.load(&subject).await.expect("loaded").into_iter().map(|e| e.position.0).collect();
    assert_eq!(positions, [first.0, appended.first.0, appended.first.0 + 1, appended.last.0]);
    let outdated = Commit::new().guarded(described(&subject, "4"), appended.first);
    assert_eq!(log.append(outdated).await, Err(AppendError::Conflict));
    log.append(Commit::new().guarded(described(&subject, "4"), appended.last)).await.expect("appended");
}

/// A guard passes only at the subject's last position.
pub async fn guards_hold(log: Arc<dyn EventLog>) {
    let subject = dataset_subject(workspace());
    let write = |at: u64| log.append(Commit::new().guarded(described(&subject, "x"), Position(at)));
    assert_eq!(write(7).await, Err(AppendError::Conflict), "nothing is there yet");
    let first = write(0).await.expect("appended").last;
    assert_eq!(write(0).await, Err(AppendError::Conflict), "something is there");
    put(&log, executed(&query_subject(workspace()))).await;
    let second = write(first.0).await.expect("other subjects do not matter").last;
    assert_eq!(write(first.0).await, Err(AppendError::Conflict), "it has moved on");
    assert_eq!(write(second.0 + 1).await, Err(AppendError::Conflict), "it is not there yet");
    put(&log, described(&subject, "without a guard")).await;
    assert_eq!(write(second.0).await, Err(AppendError::Conflict), "it has moved on without a guard");
    assert_eq!(log.load(&subject).await.expect("loaded").len(), 3);
}

/// A commit that fails leaves nothing, on any subject, and can be made anew with other guards.
pub async fn a_failed_commit_leaves_nothing(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let (taken, free) = (dataset_subject(workspace), dataset_subject(workspace));
    let last = put(&log, described(&taken, "taken")).await;
    let (a, b) = (described(&free, "a"), described(&taken, "b"));
    let commit = Commit::new().guarded(a.clone(), Position::START).guarded(b.clone(), Position::START);
    assert_eq!(log.append(commit).await, Err(AppendError::Conflict));
    assert_eq!(log.head().await, Ok(last));
    assert_eq!(log.load(&free).await.expect("loaded"), []);
    // Nothing remembers the failed one: the very same events may come again.
    log.append(Commit::new().guarded(a, Position::START).guarded(b, last)).await.expect("appended");
}

/// The guard on any one of the subjects decides, wherever it stands in the commit.
pub async fn a_guard_on_one_of_several_subjects_decides_for_all(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let subjects: Vec<_> = (0..4).map(|_| dataset_subject(workspace)).collect();
    let mut last = Vec::new();
    for subject in &subjects {
        last.push(put(&log, described(subject, "first")).await);
    }
    for wrong in 0..subjects.len() {
        let commit = subjects.iter().enumerate().fold(Commit::new(), |commit, (n, subject)| {
            let at = if n == wrong { Position::START } else { last[n] };
            commit.guarded(described(subject, "second"), at)
        });
        assert_eq!(log.append(commit).await, Err(AppendError::Conflict), "guard {wrong}");
    }
    assert_eq!(log.head().await, Ok(last[3]));
}

/// Of two commits that reserve one name, the log refuses one, whatever else they write.
pub async fn one_of_two_gets_the_name(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    for round in 0..20 {
        let name = format!("Flights {round}");
        let claim = || {
            let subject = dataset_subject(workspace);
            let commit = Commit::new()
                .guarded(described(&subject, "claimed"), Position::START)
                .guarded(reserved(workspace, &name), Position::START);
            (subject, commit)
        };
        let ((mine, my_commit), (theirs, their_commit)) = (claim(), claim());
        let (my_answer, their_answer) = tokio::join!(log.append(my_commit), log.append(their_commit));
        let (winner, loser) = match (my_answer, their_answer) {
            (Ok(_), Err(AppendError::Conflict)) => (mine, theirs),
            (Err(AppendError::Conflict), Ok(_)) => (theirs, mine),
            other => panic!("{other:?}"),
        };
        assert_eq!(log.load(&winner).await.expect("loaded").len(), 1);
        assert_eq!(log.load(&loser).await.expect("loaded"), []);
        assert_eq!(log.load(&reserved(workspace, &name).subject).await.expect("loaded").len(), 1);
    }
}

/// A commit that comes again is answered with where it went, with and without an identity given.
pub async fn the_same_commit_again_is_a_duplicate(log: Arc<dyn EventLog>) {
    let subject = query_subject(workspace());
    let commit = Commit::new().event(executed(&subject));
    let appended = log.append(commit.clone()).await.expect("appended");
    assert_eq!(log.append(commit).await, Err(AppendError::Duplicate(appended.first)));

    let keyed =
        |event| Commit { dedup: Some("4f1c-the-caller's-key".to_owned()), ..Commit::new().event(event) };
    let appended = log.append(keyed(executed(&subject))).await.expect("appended");
    let again = keyed(executed(&query_subject(workspace())));
    assert_eq!(log.append(again).await, Err(AppendError::Duplicate(appended.first)));
    assert_eq!(log.head().await, Ok(appended.last));
}

/// A retry is a retry, though its guard can no longer hold.
pub async fn a_duplicate_is_recognised_before_its_guard_fails(log: Arc<dyn EventLog>) {
    let subject = dataset_subject(workspace());
    let commit = Commit::new().guarded(described(&subject, "once"), Position::START);
    let appended = log.append(commit.clone()).await.expect("appended");
    assert_eq!(log.append(commit.clone()).await, Err(AppendError::Duplicate(appended.first)));
    put(&log, described(&subject, "later")).await;
    assert_eq!(log.append(commit).await, Err(AppendError::Duplicate(appended.first)));
    assert_eq!(log.load(&subject).await.expect("loaded").len(), 2);
}

/// The same for a commit of several events: the position is that of its first.
pub async fn a_commit_of_several_events_again_is_a_duplicate(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let subject = dataset_subject(workspace);
    let commit = Commit::new()
        .guarded(described(&subject, "one"), Position::START)
        .event(described(&subject, "two"))
        .guarded(reserved(workspace, "name"), Position::START);
    put(&log, executed(&query_subject(workspace))).await;
    let appended = log.append(commit.clone()).await.expect("appended");
    assert_eq!(appended.last.0, appended.first.0 + 2);
    assert_eq!(log.append(commit.clone()).await, Err(AppendError::Duplicate(appended.first)));
    let keyed = Commit { dedup: Some("another identity".to_owned()), ..commit };
    assert_ne!(log.append(keyed).await.map(|a| a.first), Ok(appended.first), "never written twice in place");
    assert_eq!(log.load(&subject).await.expect("loaded").len(), 2);
}

/// Commits of one identity that come at the same time are written once.
pub async fn two_of_one_identity_at_once_are_one(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let mut tasks = Vec::new();
    for n in 0..60 {
        let event = executed(&query_subject(workspace));
        let commit = Commit { dedup: Some(format!("key {}", n % 3)), ..Commit::new().event(event) };
        let log = log.clone();
        tasks.push((n % 3, tokio::spawn(async move { log.append(commit).await })));
    }
    let (mut written, mut found) = ([None; 3], Vec::new());
    for (key, task) in tasks {
        match task.await.expect("no panic") {
            Ok(appended) => assert_eq!(written[key].replace(appended.first), None, "written twice"),
            Err(AppendError::Duplicate(position)) => found.push((key, position)),
            Err(other) => panic!("{other}"),
        }
    }
    for (key, position) in found {
        assert_eq!(Some(position), written[key]);
    }
    assert_eq!(all(&log, 3).await.len(), 3);
    assert_eq!(log.head().await, Ok(Position(3)));
}

/// A commit of nothing, and a guard without an event, are the caller's mistakes.
pub async fn nonsense_is_refused(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    assert!(matches!(log.append(Commit::new()).await, Err(AppendError::Invalid(_))));
    let mut commit = Commit::new().event(executed(&query_subject(workspace)));
    commit.guards.push((dataset_subject(workspace), Position::START));
    assert!(matches!(log.append(commit).await, Err(AppendError::Invalid(_))));
    assert_eq!(log.head().await, Ok(Position::START));
}

/// An event over the limit is refused, and with it the whole commit; one below goes through.
pub async fn too_large_is_refused_whole(log: Arc<dyn EventLog>) {
    let subject = dataset_subject(workspace());
    let large = described(&subject, &"x".repeat(8 * 1024 * 1024));
    let commit = Commit::new().event(described(&subject, "small")).event(large.clone());
    assert!(matches!(log.append(commit).await, Err(AppendError::TooLarge { .. })));
    let Err(AppendError::TooLarge { size, limit }) = log.append(Commit::new().event(large)).await else {
        panic!("it was taken");
    };
    assert!(size > 8 * 1024 * 1024 && limit < size, "{size} {limit}");
    assert_eq!(log.head().await, Ok(Position::START));
    let fits = "x".repeat(500 * 1024);
    put(&log, described(&subject, &fits)).await;
    let loaded = log.load(&subject).await.expect("loaded");
    assert_eq!(loaded[0].event, dataset::Described { description: fits }.into());
}

/// All of an event comes back as it was given, text of any language included.
pub async fn envelopes_survive(log: Arc<dyn EventLog>) {
    let subject = dataset_subject(workspace());
    let mut event = described(&subject, "Zürich → 東京 \"quoted\" \\ \n new line \u{1f30a}");
    event.meta.actor = Actor::System("ingest");
    event.meta.causation = Some(super::envelope().id);
    event.meta.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let other = described(&subject, "the same, as the second of two: Zürich → 東京 \n");
    let commit = Commit::new().event(event.clone()).event(other.clone());
    log.append(commit).await.expect("appended");
    let loaded = log.load(&subject).await.expect("loaded");
    for (loaded, given) in loaded.iter().zip([&event, &other]) {
        assert_eq!((&loaded.subject, &loaded.meta, &loaded.event), (&subject, &given.meta, &given.event));
    }
    let stored = all(&log, 2).await;
    assert_eq!(stored[0].decode().expect("decodes"), loaded[0]);
    assert_eq!(stored[1].decode().expect("decodes"), loaded[1]);
    let names: Vec<_> = stored[1].headers.iter().map(|(n, _)| n.to_owned()).collect();
    assert!(!names.iter().any(|n| n.starts_with("Nats-")), "the transport shows: {names:?}");
}
