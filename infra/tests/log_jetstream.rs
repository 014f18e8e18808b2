//! What only the log on JetStream can be put through: a server that goes away, is killed in the
//! middle of a write, or has other settings; writers in several processes.

#![expect(clippy::disallowed_methods, reason = "tests make their own ids and times")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, stream::Compression};
use futures::StreamExt;
use weir_events::{
    AppendError, Appended, Commit, EventId, EventLog, Filter, FollowError, Position, Stored, Subject,
    WorkspaceId,
    contract::{dataset_subject, described, executed, query_subject, reserved, take},
};
use weir_infra::{
    log::{JetStreamLog, Options, STREAM, SUBJECTS, SetupError},
    testing::Nats,
};

async fn open(nats: &Nats) -> Arc<dyn EventLog> {
    open_with(nats, Options::default()).await
}

async fn open_with(nats: &Nats, options: Options) -> Arc<dyn EventLog> {
    Arc::new(JetStreamLog::connect(nats.client().await, options).await.expect("a log"))
}

fn workspace() -> WorkspaceId {
    WorkspaceId(uuid::Uuid::now_v7())
}

fn id(stored: &Stored) -> EventId {
    stored.decode().expect("decodes").meta.id
}

/// Appends as a patient caller does: the same commit again until there is an answer.
async fn insist(log: &Arc<dyn EventLog>, commit: Commit) -> Result<Position, AppendError> {
    loop {
        match log.append(commit.clone()).await {
            Ok(Appended { first, .. }) | Err(AppendError::Duplicate(first)) => return Ok(first),
            Err(AppendError::Unavailable(_)) => {}
            Err(other) => return Err(other),
        }
    }
}

async fn everything(log: &Arc<dyn EventLog>) -> Vec<Stored> {
    let head = log.head().await.expect("head");
    take(&mut log.follow(Filter::All, Position::START), usize::try_from(head.0).expect("few")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_go_on_across_restarts_and_kills() {
    let mut nats = Nats::start().await;
    let log = open(&nats).await;
    let (stop, workspace) = (Arc::new(AtomicBool::new(false)), workspace());
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (log, stop) = (log.clone(), stop.clone());
            tokio::spawn(async move {
                let subject = query_subject(workspace);
                let mut written = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let event = executed(&subject);
                    let id = event.meta.id;
                    written.push((insist(&log, Commit::new().event(event)).await.expect("written"), id));
                }
                written
            })
        })
        .collect();
    let mut follower = log.follow(Filter::All, Position::START);
    let mut seen = take(&mut follower, 200).await;
    nats.restart().await;
    seen.extend(take(&mut follower, 200).await);
    nats.kill().await;
    nats.restart().await;
    seen.extend(take(&mut follower, 200).await);
    stop.store(true, Ordering::Relaxed);
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.expect("no panic"));
    }
    let all = everything(&log).await;
    let rest = take(&mut follower, all.len() - seen.len()).await;
    seen.extend(rest);
    let ids: Vec<_> = all.iter().map(|e| (e.position, id(e))).collect();
    assert!(seen.iter().map(|e| (e.position, id(e))).eq(ids.iter().copied()), "gapless, in order, once");
    written.sort();
    assert_eq!(written, ids, "every acknowledged event is there once, where it was said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_waited_for_and_no_longer() {
    let mut nats = Nats::start().await;
    let options = Options { timeout: Duration::from_millis(700), ..Options::default() };
    let log = open_with(&nats, options).await;
    let workspace = workspace();
    let subject = dataset_subject(workspace);
    let first = log.append(Commit::new().event(described(&subject, "before"))).await.expect("appended");
    nats.kill().await;

    let begun = Instant::now();
    let commit = Commit::new()
        .guarded(described(&subject, "while away"), first.last)
        .guarded(reserved(workspace, "name"), Position::START);
    let (append, load, head) = tokio::join!(log.append(commit.clone()), log.load(&subject), log.head());
    assert!(matches!(append, Err(AppendError::Unavailable(_))), "{append:?}");
    assert!(matches!(load, Err(weir_events::log::LoadError::Unavailable(_))), "{load:?}");
    assert!(head.is_err());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());

    nats.restart().await;
    let position = insist(&log, commit.clone()).await.expect("written");
    assert_eq!(log.append(commit).await, Err(AppendError::Duplicate(position)));
    assert_eq!(log.load(&subject).await.expect("loaded").len(), 2);
    assert_eq!(log.head().await.expect("head").0, 3, "written once and whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_out_a_restart_is_written_once() {
    let mut nats = Nats::start().await;
    let log = open_with(&nats, Options { timeout: Duration::from_secs(20), ..Options::default() }).await;
    let workspace = workspace();
    for round in 0..3 {
        nats.kill().await;
        let mut waiting = Vec::new();
        for _ in 0..50 {
            let (log, subject) = (log.clone(), dataset_subject(workspace));
            let commit = Commit::new().guarded(described(&subject, "patient"), Position::START);
            waiting.push(tokio::spawn(async move { log.append(commit).await }));
        }
        nats.restart().await;
        for task in waiting {
            task.await.expect("no panic").expect("appended");
        }
        assert_eq!(log.head().await.expect("head").0, 50 * (round + 1));
    }
}

/// Kills the server in the middle of writes that share batches, of several events each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_of_a_write_leaves_whole_commits() {
    // With RUST_LOG=warn the output says how often a kill cut a commit in two.
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    let mut nats = Nats::start().await;
    let log = open(&nats).await;
    let workspace = workspace();
    let mut acknowledged: HashMap<EventId, Position> = HashMap::new();
    for round in 0..6_u64 {
        let writers: Vec<_> = (0..300)
            .map(|_| {
                let log = log.clone();
                tokio::spawn(async move {
                    let subject = dataset_subject(workspace);
                    let name = uuid::Uuid::now_v7().to_string();
                    let commit = Commit::new()
                        .guarded(described(&subject, "1"), Position::START)
                        .guarded(reserved(workspace, &name), Position::START)
                        .event(described(&subject, &"3".repeat(10_000)));
                    let id = commit.events[0].meta.id;
                    (id, insist(&log, commit).await.expect("written"))
                })
            })
            .collect();
        // Where in the writes the kill comes differs from round to round.
        tokio::time::sleep(Duration::from_millis(20 + 23 * round)).await;
        nats.kill().await;
        nats.restart().await;
        for writer in writers {
            let (id, position) = writer.await.expect("no panic");
            acknowledged.insert(id, position);
        }
    }
    let all = everything(&log).await;
    assert_eq!(all.len(), 6 * 300 * 3);
    for commit in all.chunks(3) {
        assert_eq!(acknowledged.remove(&id(&commit[0])), Some(commit[0].position));
        assert_eq!(commit[0].subject, commit[2].subject, "a commit's events lie side by side");
        assert!(commit[1].subject.contains(".name."));
    }
    assert!(acknowledged.is_empty());
}

/// What a crash of the server leaves of a commit of several events is completed by whoever comes next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_cut_by_a_crash_is_completed() {
    let (whole, cut) = (Nats::start().await, Nats::start().await);
    let (workspace, original) = (workspace(), open(&whole).await);
    let subject = dataset_subject(workspace);
    let commit = Commit::new()
        .guarded(described(&subject, "Zürich, line\nbreak"), Position::START)
        .guarded(reserved(workspace, "name"), Position::START)
        .event(described(&subject, "third"));
    original.append(commit.clone()).await.expect("appended");

    for left in 1..=2 {
        // A stream of which the first message is all that the crash left, or the first two.
        drop(open(&cut).await);
        let (from, to) = (jetstream::new(whole.client().await), jetstream::new(cut.client().await));
        let stream = from.get_stream(STREAM).await.expect("a stream");
        for position in 1..=left {
            let message = stream.direct_get(position).await.expect("a message");
            let mut headers = async_nats::HeaderMap::new();
            for (name, values) in message.headers.iter() {
                let text: &str = name.as_ref();
                if !text.starts_with("Nats-") || text == "Nats-Msg-Id" {
                    headers.insert(name.clone(), values[0].clone());
                }
            }
            let ack = to.publish_with_headers(message.subject, headers, message.payload).await;
            ack.expect("sent").await.expect("written");
        }
        let log = open(&cut).await;
        let (expected, found) = (everything(&original).await, everything(&log).await);
        assert_eq!(found.len(), 3, "completed from {left}");
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected.decode().expect("decodes"), found.decode().expect("decodes"));
        }
        assert_eq!(log.append(commit.clone()).await, Err(AppendError::Duplicate(Position(1))));
        drop(open(&cut).await);
        assert_eq!(log.head().await, Ok(Position(3)), "once is enough");
        to.delete_stream(STREAM).await.expect("deleted");
    }
}

/// Three processes write the same aggregates: what one of them knows of the log is only a hint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_in_several_processes() {
    let nats = Nats::start().await;
    let logs = [open(&nats).await, open(&nats).await, open(&nats).await];
    let workspace = workspace();
    let subjects: Vec<Subject> = (0..30).map(|_| dataset_subject(workspace)).collect();
    let mut acknowledged = HashMap::new();
    for round in 1..=6_usize {
        let mut tasks = Vec::new();
        for writer in 0..150 {
            let (log, subject) = (logs[writer % 3].clone(), subjects[writer % 30].clone());
            tasks.push(tokio::spawn(async move {
                let loaded = log.load(&subject).await.expect("loaded");
                let last = loaded.last().map_or(Position::START, |e| e.position);
                let event = described(&subject, "x");
                (event.meta.id, log.append(Commit::new().guarded(event, last)).await)
            }));
            let (log, subject) = (logs[writer % 3].clone(), query_subject(workspace));
            tasks.push(tokio::spawn(async move {
                let event = executed(&subject);
                (event.meta.id, log.append(Commit::new().guarded(event, Position::START)).await)
            }));
        }
        let (mut conflicts, mut neighbours) = (0, 0);
        for (n, task) in tasks.into_iter().enumerate() {
            match task.await.expect("no panic") {
                (id, Ok(appended)) => {
                    acknowledged.insert(id, appended.first);
                    neighbours += n % 2;
                }
                (_, Err(AppendError::Conflict)) => conflicts += 1,
                (_, Err(other)) => panic!("{other}"),
            }
        }
        assert_eq!(neighbours, 150, "those that conflict with nobody get in");
        assert!(conflicts <= 150 - 30, "somebody wins on every aggregate, in round {round}");
    }
    let all = everything(&logs[0]).await;
    assert_eq!(all.len(), acknowledged.len());
    assert!(all.iter().all(|e| acknowledged.get(&id(e)) == Some(&e.position)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_other_settings_is_refused_with_what_differs() {
    let nats = Nats::start().await;
    let jetstream = jetstream::new(nats.client().await);
    let config = jetstream::stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECTS.to_owned()],
        max_age: Duration::from_secs(3600),
        allow_direct: true,
        compression: Some(Compression::S2),
        ..jetstream::stream::Config::default()
    };
    jetstream.create_stream(config).await.expect("created");
    let error = JetStreamLog::connect(nats.client().await, Options::default()).await.expect_err("refused");
    let SetupError::Settings(differences) = &error else { panic!("{error}") };
    let settings: Vec<_> = differences.iter().map(|d| d.setting).collect();
    assert_eq!(settings, ["discard", "max_age", "deny_delete", "deny_purge", "allow_atomic"]);
    let text = error.to_string();
    assert!(text.contains("max_age is 3600s, not 0ns"), "{text}");
    assert!(text.contains("discard is Old, not New"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_again_and_at_once_finds_the_same_stream() {
    let mut nats = Nats::start().await;
    let logs = futures::future::join_all((0..5).map(|_| open(&nats))).await;
    let subject = query_subject(workspace());
    for log in &logs {
        log.append(Commit::new().event(executed(&subject))).await.expect("appended");
    }
    drop(logs);
    nats.restart().await;
    assert_eq!(open(&nats).await.load(&subject).await.expect("loaded").len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_is_told_that_the_beginning_is_gone() {
    let nats = Nats::start().await;
    drop(open(&nats).await);
    let jetstream = jetstream::new(nats.client().await);
    let config = jetstream.get_stream(STREAM).await.expect("a stream").cached_info().config.clone();
    jetstream.delete_stream(STREAM).await.expect("deleted");
    let config = jetstream::stream::Config { first_sequence: Some(100), ..config };
    jetstream.create_stream(config).await.expect("created");
    let log = open(&nats).await;
    let appended = log.append(Commit::new().event(executed(&query_subject(workspace())))).await;
    assert_eq!(appended.expect("appended").first, Position(100));
    let next = log.follow(Filter::All, Position(7)).next().await;
    let expected = FollowError::Truncated { after: Position(7), first: Position(100) };
    assert_eq!(next, Some(Err(expected)));
    assert_eq!(take(&mut log.follow(Filter::All, Position(99)), 1).await[0].position, Position(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_is_told_that_the_stream_is_another_one() {
    let nats = Nats::start().await;
    let options = Options { timeout: Duration::from_millis(500), ..Options::default() };
    let log = open_with(&nats, options).await;
    for _ in 0..3 {
        log.append(Commit::new().event(executed(&query_subject(workspace())))).await.expect("appended");
    }
    let mut following = log.follow(Filter::All, Position(2));
    take(&mut following, 1).await;
    let jetstream = jetstream::new(nats.client().await);
    jetstream.delete_stream(STREAM).await.expect("deleted");
    let gone = log.follow(Filter::All, Position(3)).next().await;
    assert!(matches!(gone, Some(Err(FollowError::Failed(_)))), "{gone:?}");
    assert!(matches!(following.next().await, Some(Err(FollowError::Failed(_)))));
    let log = open(&nats).await;
    let next = log.follow(Filter::All, Position(3)).next().await;
    assert_eq!(next, Some(Err(FollowError::BeyondHead { after: Position(3), head: Position(0) })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_hear_at_once_and_read_a_backlog_whole() {
    const BACKLOG: usize = 20_000;
    let nats = Nats::start().await;
    let log = open(&nats).await;
    let subject = query_subject(workspace());
    let mut follower = log.follow(Filter::All, Position::START);
    let mut waits = Vec::new();
    for _ in 0..200 {
        let append = async {
            log.append(Commit::new().event(executed(&subject))).await.expect("appended");
            Instant::now()
        };
        let hear = async {
            take(&mut follower, 1).await;
            Instant::now()
        };
        let (acknowledged, heard) = tokio::join!(append, hear);
        waits.push(heard.saturating_duration_since(acknowledged));
    }
    waits.sort();
    println!("heard after the acknowledgement: p50 {:?}, p99 {:?}", waits[100], waits[198]);
    let writes = (0..BACKLOG).map(|_| log.append(Commit::new().event(executed(&subject))));
    let written = futures::stream::iter(writes).buffer_unordered(1_000);
    assert!(written.all(|answer| async move { answer.is_ok() }).await);
    let begun = Instant::now();
    let backlog = everything(&log).await;
    println!("followed {} in {:?}", backlog.len(), begun.elapsed());
    let begun = Instant::now();
    let loaded = log.load(&subject).await.expect("loaded");
    println!("loaded {} in {:?}", loaded.len(), begun.elapsed());
    assert_eq!((backlog.len(), loaded.len()), (BACKLOG + 200, BACKLOG + 200));
}
