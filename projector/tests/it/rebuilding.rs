//! Fresh folds: equal to the live tables, and swapped in under load.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::Pool;
use futures::future::join;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use weir_events::{EventLog, Position, Recorded, Subject};
use weir_infra::testing::database;
use weir_projector::{
    Difference, Options, Projection, Projections, RebuildError, Runtime, Schema, Status, Tx, checksum,
    ensure, projections, rebuild, verify,
};

use crate::story::*;

async fn tell_some(story: &mut Story, from: u128, n: u128) {
    for run in from..from + n {
        let w = workspace(run % 3);
        story
            .tell(Subject::query(w, pattern(run % 7)), executed(run, &[(run % 5, "t")], run as f64, None))
            .await;
        if run % 10 == 0 {
            story.tell(Subject::dataset(w, table(run)), uploaded(&format!("t{run}"), 1, 5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_ends_equal_to_what_was_there() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 300).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(17)).await;
    let before = checksum(pool, &Schema::live()).await.unwrap();
    assert_eq!(before.len(), 19, "{before:?}");

    let mut seen = Vec::new();
    let rebuilt = rebuild(&log, pool, &projections::all(), &projections::all(), |p| seen.push(p.position))
        .await
        .unwrap();
    assert_eq!(rebuilt.position, story.head().await);
    assert_eq!(rebuilt.events, story.head().await.0);
    assert_eq!(rebuilt.differences, Some(vec![]));
    assert_eq!(seen.last(), Some(&rebuilt.position));
    assert_eq!(checksum(pool, &Schema::live()).await.unwrap(), before);
    // And goes on from there.
    tell_some(&mut story, 300, 10).await;
    project(&log, pool, quick(17)).await;
    assert_eq!(differences(&log, pool).await, []);
    let beside = beside(pool).await;
    assert!(beside.iter().all(|schema| schema.starts_with("read_old_")), "{beside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_tampered_with_is_found_and_mended() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 30).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    let client = pool.get().await.unwrap();
    client.batch_execute("UPDATE read_runs.runs SET elapsed_ms = 0 WHERE position = 7").await.unwrap();
    client.batch_execute("DELETE FROM read_usage.usage_days").await.unwrap();
    let tables = |d: &[weir_projector::Difference]| d.iter().map(|d| d.table.clone()).collect::<Vec<_>>();
    let found = differences(&log, pool).await;
    assert_eq!(tables(&found), ["runs", "usage_days"]);
    let rebuilt = rebuild_all(&log, pool).await.unwrap();
    assert_eq!(tables(&rebuilt.differences.unwrap()), ["runs", "usage_days"]);
    assert_eq!(differences(&log, pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_is_missing_or_older_while_everything_is_rebuilt_under_load() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 500).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(50)).await;

    let runtime = Runtime::new(log.clone(), pool.clone(), projections::all(), quick(50));
    let mut position = runtime.position();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(runtime.run(shutdown.clone()));
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (pool, done) = (pool.clone(), done.clone());
        async move {
            let client = pool.get().await.unwrap();
            // As a server does it: prepared once, while tables come and go.
            let sql = "SELECT (SELECT min(position) FROM read.checkpoint), \
                       (SELECT count(*) FROM read_activity.activity), (SELECT sum(runs)::bigint FROM read_queries.queries)";
            let statement = client.prepare(sql).await.unwrap();
            let (mut last, mut reads) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let row = client.query_one(&statement, &[]).await.expect("the tables are there");
                let (position, told, runs): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
                assert!(position >= last, "{position} after {last}");
                assert_eq!(told, position, "one transaction, one state");
                assert!(runs >= 500, "{runs}");
                (last, reads) = (position, reads + 1);
            }
            reads
        }
    });
    let rebuilds = async {
        for _ in 0..3 {
            let rebuilt = rebuild_all(&log, pool).await.unwrap();
            assert_eq!(rebuilt.differences, Some(vec![]));
        }
    };
    let writes = async {
        for round in 0..60 {
            tell_some(&mut story, 500 + round * 10, 10).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    join(rebuilds, writes).await;
    let head = log.head().await.unwrap();
    let reached = position.wait_for(|p| *p >= head);
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect("it goes on").unwrap();
    done.store(true, Ordering::Relaxed);
    let reads = reader.await.unwrap();
    println!("{reads} reads during 3 rebuilds");
    shutdown.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(differences(&log, pool).await, []);
}

/// Schemas that are not the live ones.
async fn beside(pool: &Pool) -> Vec<String> {
    let sql =
        "SELECT nspname::text AS n FROM pg_namespace WHERE nspname ~ '^read_(next|old|check)' ORDER BY 1";
    rows(pool, sql).await.iter().map(|r| r["n"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_rebuild_left_is_removed_unless_someone_is_at_work_on_it() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 10).await;
    let database = database().await;
    let pool = database.pool();
    ensure(pool, &projections::all()).await.unwrap();
    let left =
        "CREATE SCHEMA read_next; CREATE SCHEMA read_next_runs; CREATE TABLE read_next_runs.runs (id int);
                CREATE SCHEMA read_check; CREATE SCHEMA read_check_runs";
    let client = pool.get().await.unwrap();
    client.batch_execute(left).await.unwrap();
    let lock = "SELECT pg_advisory_lock(hashtextextended('weir projector read_check', 0))";
    client.batch_execute(lock).await.unwrap();
    project(&log, pool, quick(100)).await;
    settled(pool, &["read_check", "read_check_runs"], &log).await;
    client.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    settled(pool, &[], &log).await;
}

/// Runs until just these schemas are beside the live ones.
async fn settled(pool: &Pool, wanted: &[&str], log: &Arc<dyn EventLog>) {
    let options = Options { grace: Duration::ZERO, ..quick(100) };
    let shutdown = CancellationToken::new();
    let runtime = Runtime::new(log.clone(), pool.clone(), projections::all(), options);
    let running = tokio::spawn(runtime.run(shutdown.clone()));
    until(async || beside(pool).await == wanted).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_were_replaced_stay_for_a_while() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 50).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    let all = projections::all();
    let part = all.only(&["runs", "usage"]);
    // The second finds what the first one replaced.
    for _ in 0..2 {
        let rebuilt = rebuild(&log, pool, &all, &part, |_| {}).await.unwrap();
        assert_eq!(rebuilt.differences, Some(vec![]));
        assert_eq!(beside(pool).await, ["read_old_runs", "read_old_usage"]);
    }
    let kept = row(pool, "SELECT count(*)::int AS n FROM read_old_runs.runs").await;
    assert_eq!(kept, json!({ "n": 50 }));
    project(&log, pool, quick(100)).await;
    assert_eq!(beside(pool).await, ["read_old_runs", "read_old_usage"], "not yet");
    settled(pool, &[], &log).await;
    assert_eq!(differences(&log, pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_can_be_rebuilt_and_verified_alone() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 60).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    let client = pool.get().await.unwrap();
    client.batch_execute("DELETE FROM read_usage.usage_days; DELETE FROM read_runs.runs").await.unwrap();
    let all = projections::all();
    let tables = |d: &[Difference]| d.iter().map(|d| d.table.clone()).collect::<Vec<_>>();
    let usage = all.only(&["usage"]);
    assert_eq!(tables(&verify(&log, pool, &all, &usage, |_| {}).await.unwrap()), ["usage_days"]);
    let rebuilt = rebuild(&log, pool, &all, &usage, |_| {}).await.unwrap();
    assert_eq!(tables(&rebuilt.differences.unwrap()), ["usage_days"]);
    // The others are as they were.
    assert_eq!(tables(&differences(&log, pool).await), ["runs"]);
    tell_some(&mut story, 60, 10).await;
    project(&log, pool, quick(100)).await;
    assert_eq!(tables(&differences(&log, pool).await), ["runs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_folded_anew_while_the_rest_goes_on() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 60).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    let client = pool.get().await.unwrap();
    let ask = "DELETE FROM read_usage.usage_days; INSERT INTO projector.requests (name) VALUES ('usage'), ('ghosts')";
    client.batch_execute(ask).await.unwrap();
    let runtime = Runtime::new(log.clone(), pool.clone(), projections::all(), quick(100));
    let mut position = runtime.position();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(runtime.run(shutdown.clone()));
    let open = "SELECT name FROM projector.requests";
    until(async || rows(pool, open).await == [json!({ "name": "ghosts" })]).await;
    tell_some(&mut story, 60, 10).await;
    let head = log.head().await.unwrap();
    position.wait_for(|p| *p >= head).await.unwrap();
    shutdown.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(differences(&log, pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rebuilds_at_once_do_not_meet() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 200).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    let (a, b) = join(rebuild_all(&log, pool), rebuild_all(&log, pool)).await;
    let refused = [&a, &b].into_iter().filter(|r| matches!(r, Err(RebuildError::AlreadyRunning))).count();
    let done = [&a, &b].into_iter().filter(|r| r.is_ok()).count();
    assert!(done >= 1 && done + refused == 2, "{a:?} {b:?}");
    assert_eq!(differences(&log, pool).await, []);
}

/// A projection in several versions, each with tables of another shape.
pub(crate) struct Extra<const V: i32>;

impl<const V: i32> Projection for Extra<V> {
    const NAME: &'static str = "extra";
    const VERSION: i32 = V;
    const SCHEMA: &'static str = "CREATE TABLE extra (position bigint PRIMARY KEY, version int NOT NULL)";
    type Delta = Vec<i64>;

    fn fold(delta: &mut Vec<i64>, event: &Recorded) {
        delta.push(i64::try_from(event.position.0).unwrap());
    }

    async fn write(tx: &Tx<'_>, delta: Vec<i64>) -> Result<(), tokio_postgres::Error> {
        let sql = "INSERT INTO extra SELECT unnest($1::bigint[]), $2";
        tx.execute(sql, &[&delta, &V]).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_build_takes_over_once_its_tables_are_there_and_the_older_leaves_them_alone() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 400).await;
    let database = database().await;
    let pool = database.pool();
    let start = |projections: Projections| {
        let runtime = Runtime::new(log.clone(), pool.clone(), projections, quick(20));
        let (position, status) = (runtime.position(), runtime.status());
        let shutdown = CancellationToken::new();
        (position, status, tokio::spawn(runtime.run(shutdown.clone())), shutdown)
    };
    let older = projections::all().with::<Extra<1>>();
    let (mut position, mut old_status, old_task, old_stop) = start(older.clone());
    let head = log.head().await.unwrap();
    position.wait_for(|p| *p >= head).await.unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (pool, done) = (pool.clone(), done.clone());
        async move {
            let mut client = pool.get().await.unwrap();
            let (mut last, mut versions, mut reads) = (0, BTreeSet::new(), 0);
            while !done.load(Ordering::Relaxed) {
                // As the read side does it: one moment for all statements of an answer.
                let tx = client
                    .build_transaction()
                    .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
                    .read_only(true)
                    .start()
                    .await
                    .unwrap();
                tx.batch_execute("LOCK TABLE read.checkpoint IN ACCESS SHARE MODE").await.unwrap();
                let at = "SELECT min(position), max(position) FROM read.checkpoint";
                let at = tx.query_one(at, &[]).await.expect("the checkpoint is there");
                let (position, furthest): (i64, i64) = (at.get(0), at.get(1));
                let sql = "SELECT count(*), coalesce(min(version), 0), coalesce(max(version), 0), \
                           (SELECT count(*) FROM read_activity.activity) FROM read_extra.extra";
                let row = tx.query_one(sql, &[]).await.expect("the tables are there");
                let (rows, from, to, told): (i64, i32, i32, i64) =
                    (row.get(0), row.get(1), row.get(2), row.get(3));
                tx.commit().await.unwrap();
                assert!(position >= last, "{position} after {last}");
                assert_eq!((rows, told), (position, position), "one transaction, one state");
                assert_eq!((from, furthest), (to, position), "never mixed");
                versions.insert(from);
                (last, reads) = (position, reads + 1);
            }
            (reads, versions)
        }
    });
    let newer = projections::all().with::<Extra<2>>();
    let (mut new_position, mut new_status, new_task, new_stop) = start(newer.clone());
    let writes = async {
        for round in 0..40 {
            tell_some(&mut story, 400 + round * 10, 10).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let lives = async {
        new_status.wait_for(|s| *s == Status::Live).await.unwrap();
        old_status.wait_for(|s| *s == Status::Outdated).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(60), join(writes, lives)).await.expect("it takes over");
    let head = log.head().await.unwrap();
    new_position.wait_for(|p| *p >= head).await.unwrap();
    done.store(true, Ordering::Relaxed);
    let (reads, versions) = reader.await.unwrap();
    println!("{reads} reads");
    assert_eq!(Vec::from_iter(versions), [1, 2], "both served");

    // The older one touches nothing, not even by hand, or alone.
    new_stop.cancel();
    new_task.await.unwrap().unwrap();
    let refused = rebuild(&log, pool, &older, &older, |_| {}).await;
    assert!(matches!(refused, Err(RebuildError::Newer)), "{refused:?}");
    tell_some(&mut story, 900, 10).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(*old_status.borrow_and_update(), Status::Outdated);
    let n = row(pool, "SELECT min(version) AS v, count(*)::int AS n FROM extra").await;
    assert_eq!(n, json!({ "v": 2, "n": head.0 }));
    old_stop.cancel();
    old_task.await.unwrap().unwrap();
    project_with(&log, pool, newer.clone(), quick(100)).await;
    assert_eq!(verify(&log, pool, &newer, &newer, |_| {}).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_goes_on_being_built_where_a_killed_process_left_it() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 300).await;
    let database = database().await;
    let pool = database.pool();
    project_with(&log, pool, projections::all().with::<Extra<1>>(), quick(100)).await;
    let newer = projections::all().with::<Extra<2>>();
    let built = "SELECT to_regclass('read_next.checkpoint') IS NOT NULL AS n";
    let mut begun = 0;
    for _ in 0..40 {
        let runtime = Runtime::new(log.clone(), pool.clone(), newer.clone(), quick(3));
        let mut status = runtime.status();
        let task = tokio::spawn(runtime.run(CancellationToken::new()));
        // It is killed as soon as it is further than the one before.
        let wanted = begun + 20;
        let further = status.wait_for(|s| {
            matches!(s, Status::Rebuilding { position, .. } if position.0 >= wanted) || *s == Status::Live
        });
        let over = matches!(*further.await.unwrap(), Status::Live);
        task.abort();
        let _ = task.await;
        if over {
            break;
        }
        // What it was about to commit when it was killed counts too.
        until(async || {
            let held = "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory'";
            rows(pool, held).await == [json!({ "n": 0 })]
        })
        .await;
        if rows(pool, built).await == [json!({ "n": true })] {
            let at = row(pool, "SELECT min(position)::int AS n FROM read_next.checkpoint").await;
            let at = at["n"].as_u64().unwrap();
            assert!(at >= wanted, "{at} after {wanted}: it began anew");
            begun = at;
        }
    }
    assert!(begun > 100, "it was killed {begun} events into it");
    project_with(&log, pool, newer.clone(), quick(100)).await;
    let n = row(pool, "SELECT min(version) AS v, count(*)::int AS n FROM extra").await;
    assert_eq!(n, json!({ "v": 2, "n": log.head().await.unwrap().0 }));
    assert_eq!(verify(&log, pool, &newer, &newer, |_| {}).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_projection_is_built_beside_the_old_ones_before_it_goes_on() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 100).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    let more = projections::all().with::<Extra<1>>();
    // Making the tables does not touch those of another version.
    ensure(pool, &more).await.unwrap();

    let runtime = Runtime::new(log.clone(), pool.clone(), more.clone(), quick(100));
    let mut position = runtime.position();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(runtime.run(shutdown.clone()));
    tell_some(&mut story, 100, 10).await;
    let head: Position = log.head().await.unwrap();
    position.wait_for(|p| *p >= head).await.unwrap();
    shutdown.cancel();
    running.await.unwrap().unwrap();
    let n = row(pool, "SELECT count(*)::int AS n FROM extra").await;
    assert_eq!(n, json!({ "n": head.0 }));
    assert_eq!(verify(&log, pool, &more, &more, |_| {}).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_definition_are_built_anew() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 50).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    // As an older build left it: one index more, and another digest.
    let client = pool.get().await.unwrap();
    let sql = "CREATE INDEX of_old ON read_runs.runs (at);
               UPDATE read.checkpoint SET tables = gen_random_uuid() WHERE name = 'runs'";
    client.batch_execute(sql).await.unwrap();
    let old =
        "SELECT count(*)::int AS n FROM pg_indexes WHERE schemaname = 'read_runs' AND indexname = 'of_old'";
    assert_eq!(row(pool, old).await, json!({ "n": 1 }));
    tell_some(&mut story, 50, 50).await;
    project(&log, pool, quick(100)).await;
    assert_eq!(row(pool, old).await, json!({ "n": 0 }));
    assert_eq!(differences(&log, pool).await, []);
}
