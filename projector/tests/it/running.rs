//! The runtime: fences, outages, dead letters, latency.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::Pool;
use futures::StreamExt;
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use weir_events::{EventLog, Position, Recorded, Subject};
use weir_infra::testing::database;
use weir_projector::{CHANNEL, Metrics, Options, Projection, Runtime, Status, Tx, projections, verify};

use crate::{histories::Damaged, story::*};

struct Running {
    position: watch::Receiver<Position>,
    status: watch::Receiver<Status>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), weir_projector::Error>>,
}

fn start(log: &Arc<dyn EventLog>, pool: &Pool, options: Options) -> Running {
    let runtime = Runtime::new(log.clone(), pool.clone(), projections::all(), options);
    let shutdown = CancellationToken::new();
    let (position, status) = (runtime.position(), runtime.status());
    Running { position, status, task: tokio::spawn(runtime.run(shutdown.clone())), shutdown }
}

impl Running {
    async fn reach(&mut self, position: Position) {
        let reached = self.position.wait_for(|p| *p >= position);
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("it gets there").unwrap();
    }

    async fn become_such(&mut self, what: impl Fn(&Status) -> bool) {
        let reached = self.status.wait_for(what);
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("it becomes that").unwrap();
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn run_some(story: &mut Story, from: u128, n: u128) -> Position {
    let mut last = Position::START;
    for run in from..from + n {
        let subject = Subject::query(workspace(run % 3), pattern(run % 7));
        last = story.tell(subject, executed(run, &[(1, "t")], 2.0, None)).await;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_can_be_read_within_milliseconds_and_every_process_is_told() {
    let mut story = Story::new();
    let database = database().await;
    let registry = weir_infra::metrics::registry();
    let runtime =
        Runtime::new(story.shared(), database.pool().clone(), projections::all(), Options::default())
            .with_metrics(Metrics::register(&registry).unwrap());
    let mut position = runtime.position();
    let mut status = runtime.status();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(runtime.run(shutdown.clone()));
    status.wait_for(|s| *s == Status::Live).await.unwrap();

    let (listener, mut connection) =
        tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.unwrap();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures::stream::poll_fn(|cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let tokio_postgres::AsyncMessage::Notification(n) = message {
                let _ = told.send(n.payload().to_owned());
            }
        }
    });
    listener.batch_execute(&format!("LISTEN {CHANNEL}")).await.unwrap();

    let mut times = Vec::new();
    for run in 0..50 {
        let at = run_some(&mut story, run, 1).await;
        let begun = Instant::now();
        position.wait_for(|p| *p >= at).await.unwrap();
        times.push(begun.elapsed());
        // Where it is now, where it was before, and whose event that was.
        let hint = format!("{at} {} {}", at.0 - 1, workspace(run % 3));
        assert_eq!(heard.recv().await.unwrap(), hint);
    }
    times.sort();
    println!("an event is there after {:?} (median), {:?} (slowest of 50)", times[25], times[49]);
    assert!(times[25] < Duration::from_millis(100), "{times:?}");
    shutdown.cancel();
    task.await.unwrap().unwrap();
    assert_eq!(*status.borrow(), Status::Stopped);
    let metrics = weir_infra::metrics::render(&registry).unwrap();
    for line in [
        "weir_projector_position 50",
        "weir_projector_events_total 50",
        "weir_projector_leading 0",
        "weir_projector_lag_seconds ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_writes_and_the_other_takes_over() {
    let mut story = Story::new();
    let log = story.shared();
    let database = database().await;
    let mut first = start(&log, database.pool(), quick(10));
    first.become_such(|s| *s == Status::Live).await;
    let mut second = start(&log, database.pool(), quick(10));
    second.become_such(|s| *s == Status::Standby).await;

    let at = run_some(&mut story, 0, 100).await;
    first.reach(at).await;
    // The one that stands by knows how far the other is.
    second.reach(at).await;
    assert_eq!(*second.status.borrow(), Status::Standby);
    first.stop().await;
    second.become_such(|s| *s == Status::Live).await;
    let at = run_some(&mut story, 100, 100).await;
    second.reach(at).await;
    second.stop().await;
    assert_eq!(differences(&log, database.pool()).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_by_keeps_one_connection() {
    let story = Story::new();
    let log = story.shared();
    let database = database().await;
    let mut first = start(&log, database.pool(), quick(10));
    first.become_such(|s| *s == Status::Live).await;
    let mut second = start(&log, database.pool(), quick(10));
    second.become_such(|s| *s == Status::Standby).await;

    let client = database.pool().get().await.unwrap();
    let attempts = "SELECT pid, query_start::text FROM pg_stat_activity WHERE datname = current_database() \
                    AND query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()";
    let (mut pids, mut times) = (BTreeSet::new(), BTreeSet::new());
    let deadline = Instant::now() + Duration::from_secs(30);
    while times.len() < 5 {
        for row in client.query(attempts, &[]).await.unwrap() {
            pids.insert(row.get::<_, i32>(0));
            times.insert(row.get::<_, String>(1));
        }
        assert!(Instant::now() < deadline, "it does not try again: {times:?}");
    }
    assert_eq!(pids.len(), 1, "each attempt has a connection of its own");
    first.stop().await;
    second.become_such(|s| *s == Status::Live).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_was_shut_out_writes_nothing_and_takes_a_new_turn() {
    let mut story = Story::new();
    let log = story.shared();
    let database = database().await;
    let mut running = start(&log, database.pool(), quick(10));
    running.become_such(|s| *s == Status::Live).await;
    let at = run_some(&mut story, 0, 10).await;
    running.reach(at).await;

    // What a writer does that took over while this one was frozen: an epoch and events of its own.
    let client = database.pool().get().await.unwrap();
    client
        .batch_execute("UPDATE projector.runner SET epoch = epoch + 1 WHERE schema = 'read'")
        .await
        .unwrap();
    let at = run_some(&mut story, 10, 10).await;
    running.reach(at).await;
    running.stop().await;
    assert_eq!(row(database.pool(), "SELECT count(*)::int AS n FROM runs").await, json!({ "n": 20 }));
    assert_eq!(differences(&log, database.pool()).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_lose_and_double_nothing() {
    let mut story = Story::new();
    let log = story.shared();
    let database = database().await;
    let mut running = start(&log, database.pool(), quick(7));
    running.become_such(|s| *s == Status::Live).await;
    let mut at = Position::START;
    for round in 0..10 {
        at = run_some(&mut story, round * 50, 50).await;
        let client = database.pool().get().await.unwrap();
        // Every connection but this one, whatever it is in the middle of.
        client
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
                &[],
            )
            .await
            .unwrap();
        tokio::task::yield_now().await;
    }
    running.reach(at).await;
    running.stop().await;
    assert_eq!(row(database.pool(), "SELECT count(*)::int AS n FROM runs").await, json!({ "n": 500 }));
    assert_eq!(differences(&log, database.pool()).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_out_and_shows() {
    let mut story = Story::new();
    let log = story.shared();
    // Nobody listens there.
    let pool = weir_infra::postgres::connect("postgresql://weir@127.0.0.1:1/none", 2).unwrap();
    run_some(&mut story, 0, 1).await;
    let mut running = start(&log, &pool, quick(10));
    running.become_such(|s| matches!(s, Status::Retrying { attempts, .. } if *attempts >= 3)).await;
    assert!(!running.task.is_finished());
    // It can be stopped in the middle of it.
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tables_refuse_becomes_a_dead_letter_and_the_rest_goes_on() {
    let mut story = Story::new();
    let log = story.shared();
    run_some(&mut story, 0, 40).await;
    // Too long for an index, and too random to be compressed.
    let name: String = (0..4_000_u32).map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761))).collect();
    let d = Subject::dataset(workspace(1), table(1));
    let refused = story.tell(d, uploaded(&name, 1, 10)).await;
    run_some(&mut story, 40, 40).await;
    // NUL is a character of JSON but not one of PostgreSQL.
    let mut run = executed(99, &[], 1.0, None);
    run.sql = "SELECT 'a\0b'".to_owned();
    let nul = story.tell(Subject::query(workspace(1), pattern(1)), run).await;

    let database = database().await;
    project(&log, database.pool(), quick(5_000)).await;
    let pool = database.pool();
    let got = rows(pool, "SELECT position, projection, left(subject, 5) AS s FROM dead_letters").await;
    assert_eq!(got, [json!({ "position": refused.0, "projection": "datasets", "s": "weir." })]);
    assert_eq!(row(pool, "SELECT count(*)::int AS n FROM runs").await, json!({ "n": 81 }));
    // The other projections have seen the event.
    assert_eq!(
        row(pool, "SELECT uploads::int AS n FROM usage_days WHERE uploads > 0").await,
        json!({ "n": 1 })
    );
    let got = row(pool, &format!("SELECT sql FROM runs WHERE position = {nul}")).await;
    assert_eq!(got, json!({ "sql": "SELECT 'a\u{fffd}b'" }));
    assert_eq!(differences(&log, pool).await, []);
    // Tables that are folded anew have their indexes made last, and the same is refused.
    assert_eq!(rebuild_all(&log, pool).await.unwrap().differences, Some(vec![]));
    let got = rows(pool, "SELECT position FROM dead_letters").await;
    assert_eq!(got, [json!({ "position": refused.0 })]);
    let made = "SELECT count(*)::int AS n FROM pg_indexes WHERE schemaname = 'read_runs' AND indexname = 'runs_recent'";
    assert_eq!(row(pool, made).await, json!({ "n": 1 }));
}

/// Panics at some events, having taken in half of them.
struct Fragile;

impl Projection for Fragile {
    const NAME: &'static str = "fragile";
    const VERSION: i32 = 1;
    const SCHEMA: &'static str = "CREATE TABLE fragile (position bigint PRIMARY KEY)";
    type Delta = Vec<i64>;

    fn fold(delta: &mut Vec<i64>, event: &Recorded) {
        delta.push(i64::try_from(event.position.0).unwrap());
        assert!(!event.position.0.is_multiple_of(13), "thirteen at table");
    }

    async fn write(tx: &Tx<'_>, delta: Vec<i64>) -> Result<(), tokio_postgres::Error> {
        tx.execute("INSERT INTO fragile SELECT unnest($1::bigint[])", &[&delta]).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_panics_at_an_event_stops_nothing() {
    let mut story = Story::new();
    let log = story.shared();
    run_some(&mut story, 0, 60).await;
    let head = log.head().await.unwrap().0;
    for batch in [1, 7, 5_000] {
        let database = database().await;
        let pool = database.pool();
        let fragile = projections::all().with::<Fragile>();
        project_with(&log, pool, fragile.clone(), quick(batch)).await;
        let letters = rows(pool, "SELECT position, projection, reason FROM dead_letters ORDER BY 1").await;
        let wanted: Vec<_> = (1..=head)
            .filter(|p| p % 13 == 0)
            .map(|p| {
                let reason = "the projection panicked: thirteen at table";
                json!({ "position": p, "projection": "fragile", "reason": reason })
            })
            .collect();
        assert_eq!(letters, wanted);
        let taken = row(pool, "SELECT count(*)::int AS n FROM fragile").await;
        assert_eq!(taken, json!({ "n": head - wanted.len() as u64 }));
        let runs = row(pool, "SELECT count(*)::int AS n FROM runs").await;
        assert_eq!(runs, json!({ "n": 60 }), "the others have seen every event");
        assert_eq!(verify(&log, pool, &fragile, &fragile, |_| {}).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_can_be_read_at_last_are_taken_in_at_their_place() {
    let mut story = Story::new();
    let log = story.shared();
    run_some(&mut story, 0, 30).await;
    let database = database().await;
    let pool = database.pool();
    let unread: Arc<dyn EventLog> = Arc::new(Damaged { log: log.clone(), at: [7, 21].into() });
    project(&unread, pool, quick(10)).await;
    let letters = "SELECT count(*)::int AS n FROM dead_letters WHERE projection = '*'";
    assert_eq!(row(pool, letters).await, json!({ "n": 2 }));
    assert_eq!(row(pool, "SELECT count(*)::int AS n FROM runs").await, json!({ "n": 28 }));
    assert_eq!(verify(&unread, pool, &projections::all(), &projections::all(), |_| {}).await.unwrap(), []);

    let running = start(&log, pool, quick(10));
    until(async || rows(pool, "SELECT position FROM dead_letters").await.is_empty()).await;
    running.stop().await;
    assert_eq!(row(pool, "SELECT count(*)::int AS n FROM runs").await, json!({ "n": 30 }));
    assert_eq!(differences(&log, pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_gives_no_sign_of_life_loses_its_lock() {
    let mut story = Story::new();
    let log = story.shared();
    run_some(&mut story, 0, 10).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(10)).await;
    // As a process that was stopped in the middle of a transaction has it.
    let mut frozen = pool.get().await.unwrap();
    let lock = "SELECT pg_advisory_lock(hashtextextended('weir projector read', 0)); \
                UPDATE projector.runner SET epoch = epoch + 1 WHERE schema = 'read'; \
                UPDATE projector.pulse SET at = clock_timestamp() WHERE schema = 'read'";
    frozen.batch_execute(lock).await.unwrap();
    let since = Instant::now();
    let tx = frozen.transaction().await.unwrap();
    tx.batch_execute(
        "SELECT epoch FROM projector.runner WHERE schema = 'read' FOR UPDATE; DELETE FROM read_runs.runs",
    )
    .await
    .unwrap();
    let at = run_some(&mut story, 10, 10).await;
    let mut running = start(&log, pool, quick(10));
    running.become_such(|s| *s == Status::Standby).await;
    running.reach(at).await;
    let took = since.elapsed();
    assert!(took > Duration::from_secs(2), "not while it could still be alive: {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(tx.commit().await.is_err(), "what it was about to write does not count");
    running.stop().await;
    assert_eq!(row(pool, "SELECT count(*)::int AS n FROM runs").await, json!({ "n": 20 }));
    assert_eq!(differences(&log, pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_log_is_no_place_to_go_on() {
    let mut story = Story::new();
    run_some(&mut story, 0, 5).await;
    let database = database().await;
    project(&story.shared(), database.pool(), quick(10)).await;
    let running = start(&Story::new().shared(), database.pool(), quick(10));
    let error = running.task.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("the log ends at 0"), "{error}");
}
