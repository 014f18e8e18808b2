//! Many writers at once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{all, dataset_subject, described, event_id, executed, put, query_subject, reserved, workspace};
use crate::{AppendError, Commit, EventLog, Position};

/// 200 writers on 50 aggregates, each guarding what it loaded: every write is acknowledged or in
/// conflict, every acknowledged one is there once, nothing else is, and per aggregate and round
/// one of the writers that loaded the same gets in.
pub async fn writers_on_few_aggregates(log: Arc<dyn EventLog>) {
    const WRITERS: usize = 200;
    const AGGREGATES: usize = 50;
    const ROUNDS: usize = 5;
    let workspace = workspace();
    let subjects: Vec<_> = (0..AGGREGATES).map(|_| dataset_subject(workspace)).collect();
    let mut acknowledged = HashMap::new();
    let mut conflicts = 0;
    for round in 0..ROUNDS {
        let mut tasks = Vec::new();
        for writer in 0..WRITERS {
            let (log, subject) = (log.clone(), subjects[writer % AGGREGATES].clone());
            tasks.push(tokio::spawn(async move {
                let last =
                    log.load(&subject).await.expect("loaded").last().map_or(Position::START, |e| e.position);
                let event = described(&subject, &format!("{writer} in round {round}"));
                let id = event.meta.id;
                (id, log.append(Commit::new().guarded(event, last)).await)
            }));
        }
        for task in tasks {
            let (id, answer) = task.await.expect("no panic");
            match answer {
                Ok(appended) => assert_eq!(acknowledged.insert(id, appended.first), None),
                Err(AppendError::Conflict) => conflicts += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(acknowledged.len() >= (round + 1) * AGGREGATES, "somebody wins on every aggregate");
    }
    assert_eq!(acknowledged.len() + conflicts, WRITERS * ROUNDS);
    let stored = all(&log, acknowledged.len()).await;
    assert_eq!(log.head().await, Ok(stored[stored.len() - 1].position));
    for event in &stored {
        assert_eq!(
            acknowledged.remove(&event_id(event)),
            Some(event.position),
            "there once, where it was said"
        );
    }
    assert!(acknowledged.is_empty());
}

/// Writers that guard nothing all get in, however many share a subject, beside writers that conflict.
pub async fn writers_without_guards_all_get_in(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let (busy, taken) = (query_subject(workspace), dataset_subject(workspace));
    put(&log, described(&taken, "taken")).await;
    let mut tasks = Vec::new();
    for n in 0..300 {
        let log = log.clone();
        let doomed = n % 10 == 0;
        let commit = if doomed {
            Commit::new().guarded(described(&taken, "too late"), Position::START)
        } else {
            Commit::new().event(executed(&busy))
        };
        tasks.push((doomed, tokio::spawn(async move { log.append(commit).await })));
    }
    for (doomed, task) in tasks {
        let answer = task.await.expect("no panic");
        assert_eq!(answer.as_ref().err(), doomed.then_some(&AppendError::Conflict), "{answer:?}");
    }
    assert_eq!(log.load(&busy).await.expect("loaded").len(), 270);
    assert_eq!(log.load(&taken).await.expect("loaded").len(), 1);
}

/// Callers that go away leave their neighbours' commits alone, and their own whole or absent.
pub async fn cancelled_appends_harm_nobody(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let mut kept = Vec::new();
    for n in 0..200 {
        let subject = dataset_subject(workspace);
        let commit = Commit::new()
            .guarded(described(&subject, "1"), Position::START)
            .guarded(reserved(workspace, &n.to_string()), Position::START);
        let log = log.clone();
        let task = tokio::spawn(async move { log.append(commit).await });
        if n % 3 == 0 {
            task.abort();
        } else {
            kept.push((subject, task));
        }
        if n % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for (subject, task) in kept {
        let appended = task.await.expect("no panic").expect("appended");
        assert_eq!(log.load(&subject).await.expect("loaded")[0].position, appended.first);
    }
    // One more write comes after all that were still under way.
    let last = put(&log, executed(&query_subject(workspace))).await;
    let stored = all(&log, usize::try_from(last.0).expect("few")).await;
    assert_eq!((stored.len() - 1) % 2, 0, "every commit has both of its events");
}

/// Commits of several events from many writers: each is whole and side by side.
pub async fn concurrent_commits_of_several_events_stay_whole(log: Arc<dyn EventLog>) {
    let workspace = workspace();
    let mut tasks = Vec::new();
    for n in 0..120_usize {
        let log = log.clone();
        tasks.push(tokio::spawn(async move {
            let subject = dataset_subject(workspace);
            let mut commit = Commit::new();
            for k in 0..=(n % 5) {
                commit = commit.guarded(described(&subject, &k.to_string()), Position::START);
            }
            // Every second one wants a name that another wants too.
            commit = commit.guarded(reserved(workspace, &(n / 2).to_string()), Position::START);
            let ids: Vec<_> = commit.events.iter().map(|e| e.meta.id).collect();
            (ids, log.append(commit).await)
        }));
    }
    let mut written = Vec::new();
    for task in tasks {
        match task.await.expect("no panic") {
            (ids, Ok(appended)) => {
                assert_eq!(appended.last.0 - appended.first.0 + 1, ids.len() as u64);
                written.push((appended.first, ids));
            }
            (_, Err(AppendError::Conflict)) => {}
            (_, Err(other)) => panic!("{other}"),
        }
    }
    assert_eq!(written.len(), 60, "one of each two gets its name");
    written.sort();
    let ids: Vec<_> = written.into_iter().flat_map(|(_, ids)| ids).collect();
    let stored = all(&log, ids.len()).await;
    assert!(stored.iter().map(event_id).eq(ids.iter().copied()));
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}
