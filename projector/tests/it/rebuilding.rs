//! Fresh folds: equal to the live tables, and swapped in under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use weir_events::{Position, Recorded, Subject};
use weir_infra::testing::database;
use weir_projector::{
    Projection, RebuildError, Runtime, Schema, Tx, checksum, ensure, projections, rebuild, verify,
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
    let rebuilt = rebuild(&log, pool, &projections::all(), |p| seen.push(p.position)).await.unwrap();
    assert_eq!(rebuilt.position, story.head().await);
    assert_eq!(rebuilt.events, story.head().await.0);
    assert_eq!(rebuilt.differences, Some(vec![]));
    assert_eq!(seen.last(), Some(&rebuilt.position));
    assert_eq!(checksum(pool, &Schema::live()).await.unwrap(), before);
    // And goes on from there.
    tell_some(&mut story, 300, 10).await;
    project(&log, pool, quick(17)).await;
    assert_eq!(verify(&log, pool, &projections::all()).await.unwrap(), []);
    let schemas = "SELECT nspname::text AS n FROM pg_namespace WHERE nspname LIKE 'read%'";
    assert_eq!(rows(pool, schemas).await, [json!({ "n": "read" })], "nothing is left over");
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
    client.batch_execute("UPDATE read.runs SET elapsed_ms = 0 WHERE position = 7").await.unwrap();
    client.batch_execute("DELETE FROM read.usage_days").await.unwrap();
    let tables = |d: &[weir_projector::Difference]| d.iter().map(|d| d.table.clone()).collect::<Vec<_>>();
    let found = verify(&log, pool, &projections::all()).await.unwrap();
    assert_eq!(tables(&found), ["runs", "usage_days"]);
    let rebuilt = rebuild(&log, pool, &projections::all(), |_| {}).await.unwrap();
    assert_eq!(tables(&rebuilt.differences.unwrap()), ["runs", "usage_days"]);
    assert_eq!(verify(&log, pool, &projections::all()).await.unwrap(), []);
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
                       (SELECT count(*) FROM read.activity), (SELECT sum(runs)::bigint FROM read.queries)";
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
            let rebuilt = rebuild(&log, pool, &projections::all(), |_| {}).await.unwrap();
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
    assert_eq!(verify(&log, pool, &projections::all()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_rebuild_left_is_removed_unless_someone_is_at_work_on_it() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 10).await;
    let database = database().await;
    let pool = database.pool();
    let left = "CREATE SCHEMA read_next; CREATE TABLE read_next.runs (id int); CREATE SCHEMA read_old;
                CREATE SCHEMA read_check; CREATE TABLE read_check.runs (id int)";
    let client = pool.get().await.unwrap();
    client.batch_execute(left).await.unwrap();
    let lock =
        |schema: &str| format!("SELECT pg_advisory_lock(hashtextextended('weir projector {schema}', 0))");
    client.batch_execute(&lock("read_check")).await.unwrap();
    let schemas = async || {
        let sql = "SELECT nspname::text AS n FROM pg_namespace WHERE nspname LIKE 'read%' ORDER BY 1";
        let rows = rows(pool, sql).await;
        rows.iter().map(|r| r["n"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    project(&log, pool, quick(100)).await;
    assert_eq!(schemas().await, ["read", "read_check"]);

    client.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    // The tables that were replaced go only after the rebuild that did it.
    client.batch_execute(&format!("CREATE SCHEMA read_old; {}", lock("read_next"))).await.unwrap();
    project(&log, pool, quick(100)).await;
    assert_eq!(schemas().await, ["read", "read_old"]);
    client.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    project(&log, pool, quick(100)).await;
    assert_eq!(schemas().await, ["read"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rebuilds_at_once_do_not_meet() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 200).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    let all = projections::all();
    let (a, b) = join(rebuild(&log, pool, &all, |_| {}), rebuild(&log, pool, &all, |_| {})).await;
    let refused = [&a, &b].into_iter().filter(|r| matches!(r, Err(RebuildError::AlreadyRunning))).count();
    let done = [&a, &b].into_iter().filter(|r| r.is_ok()).count();
    assert!(done >= 1 && done + refused == 2, "{a:?} {b:?}");
    assert_eq!(verify(&log, pool, &projections::all()).await.unwrap(), []);
}

/// A projection that a newer build has and this one has not.
struct Extra;

impl Projection for Extra {
    const NAME: &'static str = "extra";
    const VERSION: i32 = 1;
    const SCHEMA: &'static str = "CREATE TABLE extra (position bigint PRIMARY KEY)";
    type Delta = Vec<i64>;

    fn fold(delta: &mut Vec<i64>, event: &Recorded) {
        delta.push(i64::try_from(event.position.0).unwrap());
    }

    async fn write(tx: &Tx<'_>, delta: Vec<i64>) -> Result<(), tokio_postgres::Error> {
        tx.execute("INSERT INTO extra SELECT unnest($1::bigint[])", &[&delta]).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_projection_is_built_beside_the_old_ones_before_it_goes_on() {
    let mut story = Story::new();
    let log = story.shared();
    tell_some(&mut story, 0, 100).await;
    let database = database().await;
    let pool = database.pool();
    project(&log, pool, quick(100)).await;
    let more = projections::all().with::<Extra>();
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
    assert_eq!(verify(&log, pool, &more).await.unwrap(), []);
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
    let sql = "CREATE INDEX of_old ON read.runs (at);
               UPDATE read.checkpoint SET tables = gen_random_uuid() WHERE name = 'runs'";
    client.batch_execute(sql).await.unwrap();
    let old = "SELECT count(*)::int AS n FROM pg_indexes WHERE schemaname = 'read' AND indexname = 'of_old'";
    assert_eq!(row(pool, old).await, json!({ "n": 1 }));
    tell_some(&mut story, 50, 50).await;
    project(&log, pool, quick(100)).await;
    assert_eq!(row(pool, old).await, json!({ "n": 0 }));
    // One that did not know of digests yet.
    client.batch_execute("ALTER TABLE read.checkpoint DROP COLUMN tables").await.unwrap();
    project(&log, pool, quick(100)).await;
    assert_eq!(verify(&log, pool, &projections::all()).await.unwrap(), []);
}
