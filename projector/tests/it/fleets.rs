//! Whatever processes of whatever builds come, go and are killed while events arrive, and whoever of them leads: the
//! newest build's tables are in the end what a fresh fold makes.

use std::time::Duration;

use proptest::{prelude::*, sample::Index, test_runner::Config};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_events::Subject;
use weir_infra::testing::database;
use weir_projector::{Error, Projections, Runtime, Schema, Status, projections, verify};

use crate::{rebuilding::Extra, story::*};

/// What happens to a fleet.
#[derive(Debug, Clone)]
enum Move {
    /// So many events arrive.
    Tell(u8),
    /// A process of this build starts, with batches of this size.
    Start(u8, usize),
    /// One of the running ones is killed.
    Kill(Index),
    /// One of the running ones is asked to stop.
    Stop(Index),
    /// Somebody asks for a projection to be folded anew.
    Ask(u8),
    /// So many milliseconds pass.
    Pass(u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let batch = prop_oneof![1..8_usize, Just(64), Just(5_000)];
    let one = prop_oneof![
        3 => (1..60_u8).prop_map(Move::Tell),
        4 => (0..3_u8, batch).prop_map(|(build, batch)| Move::Start(build, batch)),
        2 => any::<Index>().prop_map(Move::Kill),
        1 => any::<Index>().prop_map(Move::Stop),
        1 => any::<u8>().prop_map(Move::Ask),
        3 => (0..120_u8).prop_map(Move::Pass),
    ];
    prop::collection::vec(one, 4..24)
}

/// The builds that there are: each has a newer version of one projection.
fn build(n: u8) -> Projections {
    let all = projections::all();
    match n {
        0 => all.with::<Extra<1>>(),
        1 => all.with::<Extra<2>>(),
        _ => all.with::<Extra<3>>(),
    }
}

/// As many processes as may run at once.
const AT_ONCE: usize = 3;

struct Process {
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

proptest! {
    #![proptest_config(Config { cases: 12, max_shrink_iters: 60, ..Config::default() })]

    #[test]
    fn any_fleet_leaves_what_a_fresh_fold_makes(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(case(moves));
    }
}

async fn case(moves: Vec<Move>) {
    let mut story = Story::new();
    let log = story.shared();
    let database = database().await;
    let pool = database.pool();
    let mut running: Vec<Process> = Vec::new();
    let (mut told, mut newest) = (0_u128, 0);
    for step in moves {
        match step {
            Move::Tell(n) => {
                for _ in 0..n {
                    told += 1;
                    let (w, run) =
                        (workspace(told % 3), executed(told, &[(told % 5, "t")], told as f64, None));
                    story.tell(Subject::query(w, pattern(told % 7)), run).await;
                }
            }
            Move::Start(n, batch) if running.len() < AT_ONCE => {
                newest = newest.max(n);
                let runtime = Runtime::new(log.clone(), pool.clone(), build(n), quick(batch));
                let stop = CancellationToken::new();
                running.push(Process { task: tokio::spawn(runtime.run(stop.clone())), stop });
            }
            Move::Kill(which) if !running.is_empty() => {
                let process = running.remove(which.index(running.len()));
                process.task.abort();
                let _ = process.task.await;
            }
            Move::Stop(which) if !running.is_empty() => {
                let process = running.remove(which.index(running.len()));
                process.stop.cancel();
                let ended = tokio::time::timeout(Duration::from_secs(60), process.task).await;
                ended.expect("it stops").unwrap().unwrap();
            }
            Move::Ask(n) => {
                let names = ["runs", "usage", "extra", "queries"];
                let client = pool.get().await.unwrap();
                let ask = "INSERT INTO projector.requests (name) SELECT $1::text \
                           WHERE to_regclass('projector.requests') IS NOT NULL ON CONFLICT DO NOTHING";
                // Before the first process has made its tables there is nobody to ask.
                let _ = client.execute(ask, &[&names[usize::from(n) % names.len()]]).await;
            }
            Move::Pass(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
            Move::Start(..) | Move::Kill(_) | Move::Stop(_) => {}
        }
    }
    for process in running {
        process.task.abort();
        let _ = process.task.await;
    }

    // One that is left of the newest build brings it to an end.
    let all = build(newest);
    let runtime = Runtime::new(log.clone(), pool.clone(), all.clone(), quick(50));
    let (mut position, mut status, stop) = (runtime.position(), runtime.status(), CancellationToken::new());
    let last = tokio::spawn(runtime.run(stop.clone()));
    let head = log.head().await.unwrap();
    let ended = async {
        status.wait_for(|s| *s == Status::Live).await.unwrap();
        position.wait_for(|p| *p >= head).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(90), ended).await.expect("it comes to an end");
    stop.cancel();
    last.await.unwrap().unwrap();

    assert_eq!(verify(&log, pool, &all, &all, |_| {}).await.unwrap(), []);
    let path = Schema::live().path(&all).join(", ");
    let client = pool.get().await.unwrap();
    client.batch_execute(&format!("SET search_path TO {path}")).await.unwrap();
    let sql = "SELECT (SELECT count(*) FROM extra WHERE version = $1)::int, (SELECT count(*) FROM extra)::int, \
               (SELECT count(*) FROM runs)::int, (SELECT coalesce(sum(runs), 0) FROM queries)::int, \
               (SELECT count(*) FROM dead_letters)::int";
    let row = client.query_one(sql, &[&i32::from(newest + 1)]).await.unwrap();
    let found: Vec<i32> = (0..5).map(|n| row.get(n)).collect();
    let events = i32::try_from(head.0).unwrap();
    let runs = i32::try_from(told).unwrap();
    assert_eq!(json!(found), json!([events, events, runs, runs, 0]));
}
