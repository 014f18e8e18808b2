//! Workspaces as they were: equal to what the live tables held then, shared, bounded, cleaned up.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use deadpool_postgres::Pool;
use futures::future::join_all;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use weir_events::{AsOf, EventLog, Position, Subject, WorkspaceId};
use weir_infra::testing::{Database, database};
use weir_projector::{Moment, Past, PastError, PastOptions, ensure, projections};

use crate::story::*;

fn past(log: &Arc<dyn EventLog>, pool: &Pool, options: PastOptions) -> Past {
    Past::new(log.clone(), pool.clone(), projections::all(), options)
}

/// A database, and a log in which so much has happened.
async fn world(events: u128) -> (Database, Story, Arc<dyn EventLog>) {
    let (database, mut story) = (database().await, Story::new());
    ensure(database.pool(), &projections::all()).await.unwrap();
    for n in 0..events {
        go_on(&mut story, n).await;
    }
    let log = story.shared();
    (database, story, log)
}

/// Everything that tables in these schemas hold of a workspace, by table.
async fn held(pool: &Pool, path: &[String], workspace: WorkspaceId) -> BTreeMap<String, Vec<Value>> {
    let tables = format!(
        "SELECT table_schema || '.' || table_name AS name FROM information_schema.columns \
         WHERE table_schema = ANY(ARRAY['{}']) AND column_name = 'workspace_id'",
        path.join("','")
    );
    let mut all = BTreeMap::new();
    for table in rows(pool, &tables).await {
        let table = table["name"].as_str().unwrap();
        let sql = format!("SELECT t.* FROM {table} t WHERE workspace_id = '{workspace}' ORDER BY t::text");
        let name = table.split_once('.').unwrap().1.to_owned();
        all.insert(name, rows(pool, &sql).await);
    }
    assert!(all.len() > 12, "{:?}", all.keys());
    all
}

/// One thing more in each of a few workspaces.
async fn go_on(story: &mut Story, n: u128) {
    let w = workspace(n % 3);
    let position = match n % 5 {
        0 => story.tell(Subject::dataset(w, table(n)), uploaded(&format!("t{n}"), 1, 10)).await,
        1 => story.tell(Subject::dataset(workspace((n - 1) % 3), table(n - 1)), ingested(1, 50)).await,
        2 => story.tell(Subject::visualization(w, chart(n)), saved_chart("c", None)).await,
        3 => story.tell(Subject::query(w, pattern(n % 4)), failed(n)).await,
        _ => {
            let run = executed(n, &[(n % 5, "t")], n as f64, None);
            story.tell(Subject::query(w, pattern(n % 4)), run).await
        }
    };
    if position.0.is_multiple_of(7) {
        story.minutes_later(60 * 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_moment_is_what_the_live_tables_were() {
    let (database, mut story, log) = world(0).await;
    let pool = database.pool();
    let live = weir_projector::Schema::live().path(&projections::all());
    let mut seen = Vec::new();
    for n in 0..40 {
        go_on(&mut story, n).await;
        if n % 4 == 3 {
            project(&log, pool, quick(5)).await;
            for w in 0..3 {
                let w = workspace(w);
                seen.push((w, story.head().await, story.now, held(pool, &live, w).await));
            }
        }
    }
    let past = past(&log, pool, PastOptions::default());
    for (w, position, time, was) in &seen {
        let by_position = past.at(*w, AsOf::Position(*position)).await.unwrap();
        assert_eq!(by_position.position, *position);
        assert!(by_position.time <= Some(*time));
        assert_eq!(held(pool, &by_position.path, *w).await, *was, "{w} at {position}");
        let by_time = past.at(*w, AsOf::Time(*time)).await.unwrap();
        assert_eq!(by_time.time, Some(*time));
        assert_eq!(by_time.path, by_position.path, "the same moment is folded once: {w} at {position}");
    }
    // Before anything, and more than there is.
    let nothing = past.at(workspace(1), AsOf::Position(Position::START)).await.unwrap();
    assert_eq!(nothing.time, None);
    assert!(held(pool, &nothing.path, workspace(1)).await.values().all(Vec::is_empty));
    let head = story.head().await;
    let ahead = past.at(workspace(1), AsOf::Position(Position(head.0 + 1))).await;
    assert!(matches!(ahead, Err(PastError::Ahead { head: at }) if at == head), "{ahead:?}");
    // The live tables are as they were, and nobody else's events are in those of the past.
    assert_eq!(differences(&log, pool).await, []);
    let (w, position, ..) = &seen[0];
    let one = past.at(*w, AsOf::Position(*position)).await.unwrap();
    let activity = one.path.iter().find(|schema| schema.ends_with("_activity")).unwrap();
    let all = row(pool, &format!("SELECT count(*) FROM {activity}.activity")).await["count"].clone();
    assert_eq!(all, held(pool, &one.path, *w).await["activity"].len());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_share_one_fold() {
    let (database, _story, log) = world(30).await;
    let pool = database.pool();
    // Two processes, as far as the database can tell.
    let both = [0, 1].map(|_| past(&log, pool, PastOptions::default()));
    let asked = (0..20).map(|n| both[n % 2].at(workspace(1), AsOf::Position(Position(20))));
    let moments: Vec<Moment> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert!(moments.iter().all(|m| m == &moments[0]), "{moments:?}");
    assert_eq!(kept(pool).await, 1);
    let live = held(pool, &moments[0].path, workspace(1)).await;
    assert!(!live["activity"].is_empty());
}

/// How many moments there are, by notes and by schemas.
async fn kept(pool: &Pool) -> u64 {
    let notes = row(pool, "SELECT count(*) FROM projector.past").await;
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^past_[0-9a-f]{32}$'";
    assert_eq!(notes, row(pool, schemas).await);
    notes["count"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_looks_at_makes_room() {
    let (database, _story, log) = world(30).await;
    let pool = database.pool();
    let past = past(&log, pool, PastOptions { kept: 3, kept_of_one: 2, ..PastOptions::default() });
    let at = |w: u128, p: u64| past.at(workspace(w), AsOf::Position(Position(p)));
    let first = at(1, 5).await.unwrap();
    let second = at(1, 15).await.unwrap();
    assert_eq!(at(1, 5).await.unwrap(), first);
    at(1, 25).await.unwrap();
    assert_eq!(kept(pool).await, 2, "of one workspace");
    let gone = format!("SELECT to_regnamespace('{}') IS NULL AS gone", second.path[0]);
    assert_eq!(row(pool, &gone).await["gone"], true, "the one that was not looked at for longest");
    at(2, 5).await.unwrap();
    at(2, 15).await.unwrap();
    assert_eq!(kept(pool).await, 3, "of all");
    assert_eq!(at(1, 5).await.unwrap(), first, "folded again");

    // Nothing is taken from under a reader.
    let schemas = rows(pool, "SELECT schema FROM projector.past").await;
    let mut client = pool.get().await.unwrap();
    let reader = client.transaction().await.unwrap();
    for schema in &schemas {
        let lock =
            format!("LOCK TABLE {}.checkpoint IN ACCESS SHARE MODE", schema["schema"].as_str().unwrap());
        reader.batch_execute(&lock).await.unwrap();
    }
    let busy = at(3, 20).await;
    assert!(matches!(busy, Err(PastError::Busy)), "{busy:?}");
    reader.rollback().await.unwrap();
    at(3, 20).await.unwrap();
    assert_eq!(kept(pool).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_refused_and_what_takes_too_long_goes_on() {
    let (database, _story, log) = world(60).await;
    let pool = database.pool();
    let small = past(&log, pool, PastOptions { events: 5, ..PastOptions::default() });
    let (few, many) = (AsOf::Position(Position(6)), AsOf::Position(Position(60)));
    small.at(workspace(1), few).await.unwrap();
    for _ in 0..2 {
        let refused = small.at(workspace(1), many).await;
        assert!(matches!(refused, Err(PastError::TooLarge { limit: 5 })), "{refused:?}");
    }
    let impatient = past(&log, pool, PastOptions { wait: Duration::ZERO, ..PastOptions::default() });
    let late = impatient.at(workspace(2), many).await;
    assert!(matches!(late, Err(PastError::NotYet)), "{late:?}");
    until(async || impatient.at(workspace(2), many).await.is_ok()).await;
    // One workspace cannot take the turns of all.
    let asked = (10..40).map(|p| impatient.at(workspace(0), AsOf::Position(Position(p))));
    let refused = join_all(asked).await;
    assert!(refused.iter().any(|r| matches!(r, Err(PastError::Busy))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_leaves_is_removed() {
    let (database, _story, log) = world(10).await;
    let pool = database.pool();
    let options = PastOptions { keep: Duration::from_secs(3600), ..PastOptions::default() };
    let past = past(&log, pool, options);
    let fine = past.at(workspace(1), AsOf::Position(Position(5))).await.unwrap();
    let client = pool.get().await.unwrap();
    let broken = format!("past_{:032x}", 7);
    let orphan = format!("past_{:032x}", 8);
    client
        .batch_execute(&format!(
            "CREATE SCHEMA {broken}; CREATE SCHEMA {broken}_runs; CREATE TABLE {broken}_runs.runs (a int);
             INSERT INTO projector.past VALUES ('{broken}', gen_random_uuid(), 3, NULL, NULL, now() - interval '2 min');
             INSERT INTO projector.runner (schema) VALUES ('{broken}');
             CREATE SCHEMA {orphan}_usage"
        ))
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let care = tokio::spawn({
        let (past, stop) = (past.clone(), stop.clone());
        async move { past.run(stop).await }
    });
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^past_0{31}'";
    until(async || row(pool, left).await["count"] == 0).await;
    stop.cancel();
    care.await.unwrap();
    assert_eq!(kept(pool).await, 1, "and nothing else");
    let runners = "SELECT count(*) FROM projector.runner WHERE starts_with(schema, 'past_')";
    assert_eq!(row(pool, runners).await["count"], 1);
    assert_eq!(past.at(workspace(1), AsOf::Position(Position(5))).await.unwrap(), fine);
}
