//! Real processes are killed in the middle of 1,000 concurrent commands. Afterwards every
//! acknowledged command is there once, whatever was not acknowledged is there wholly or not at all
//! and can be sent again, and the read models equal a fresh fold.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use weir_events::EventLog;
use weir_tests::{Caller, Weir, signal};

const COMMANDS: usize = 1_000;

/// What came of one command: the new workspace's id if it was acknowledged.
type Outcome = (usize, Option<String>);

/// Each command makes a workspace: two events in one commit.
async fn command(caller: &Caller, n: usize) -> Outcome {
    let request = caller
        .post("/api/v1/workspaces")
        .header("idempotency-key", format!("crash-{n}"))
        .timeout(Duration::from_secs(20))
        .json(&json!({"name": format!("crash {n}")}));
    let id = match request.send().await {
        Ok(answer) if answer.status() == StatusCode::CREATED => {
            // The status line was the acknowledgement; a body cut off by the crash has no id.
            answer.json::<Value>().await.ok().and_then(|b| b["id"].as_str().map(str::to_owned))
        }
        _ => None,
    };
    (n, id)
}

/// Sends all commands with 100 on the way at once; after 300 answers calls `strike`.
async fn storm(caller: &Caller, strike: impl FnOnce()) -> Vec<Outcome> {
    let mut strike = Some(strike);
    let mut outcomes = Vec::with_capacity(COMMANDS);
    let mut running = stream::iter(0..COMMANDS).map(|n| command(caller, n)).buffer_unordered(100);
    while let Some(outcome) = running.next().await {
        outcomes.push(outcome);
        if outcomes.len() == 300 {
            strike.take().expect("once")();
        }
    }
    outcomes
}

async fn workspaces(caller: &Caller) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = caller.read(&format!("/api/v1/workspaces?limit=200{cursor}")).await;
        for item in page["items"].as_array().expect("items") {
            let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
            assert_eq!(item["role"], "owner", "made whole, with its owner: {item}");
            if text("name").starts_with("crash ") {
                all.push((text("id"), text("name")));
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

async fn afterwards(weir: &Weir, caller: &Caller, outcomes: &[Outcome]) {
    let acknowledged: BTreeSet<&String> = outcomes.iter().filter_map(|(_, id)| id.as_ref()).collect();
    println!("{} of {COMMANDS} commands were acknowledged", acknowledged.len());
    assert!(acknowledged.len() >= 290, "the storm had begun before the strike");
    let there = workspaces(caller).await;
    let ids: BTreeSet<&String> = there.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), there.len(), "none is there twice");
    assert!(acknowledged.is_subset(&ids), "lost: {:?}", acknowledged.difference(&ids).collect::<Vec<_>>());

    // What was not acknowledged is sent again under its key, and then everything is there once.
    let again: Vec<usize> = outcomes.iter().filter(|(_, id)| id.is_none()).map(|(n, _)| *n).collect();
    let retried: Vec<Outcome> =
        stream::iter(again).map(|n| settle(caller, n)).buffer_unordered(50).collect().await;
    assert!(retried.iter().all(|(_, id)| id.is_some()));
    let names: Vec<String> = workspaces(caller).await.into_iter().map(|(_, name)| name).collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (COMMANDS, COMMANDS));

    equal_to_a_fresh_fold(weir).await;
}

/// Sends a command until it is acknowledged: its first try may still hold the key for a moment.
async fn settle(caller: &Caller, n: usize) -> Outcome {
    for _ in 0..600 {
        let outcome = command(caller, n).await;
        if outcome.1.is_some() {
            return outcome;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (n, None)
}

/// Folds the whole stream afresh beside the live read models and compares table by table.
async fn equal_to_a_fresh_fold(weir: &Weir) {
    let runtime = weir.runtime();
    let text = |key: &str| runtime[key].as_str().unwrap_or_else(|| panic!("{key} in {runtime}")).to_owned();
    let nats = weir_infra::nats::connect(&text("nats_url")).await.expect("NATS");
    let log = weir_infra::log::JetStreamLog::connect(nats, Default::default()).await.expect("the log");
    let pool = weir_infra::postgres::connect(&text("database_url"), 4).expect("a pool");
    let log: Arc<dyn EventLog> = Arc::new(log);
    wait_for(&pool, log.head().await.expect("a head").0).await;
    let all = weir_projector::projections::all();
    let differences = weir_projector::verify(&log, &pool, &all).await.expect("a fresh fold");
    assert!(differences.is_empty(), "{differences:?}");
}

async fn wait_for(pool: &weir_infra::postgres::Pool, position: u64) {
    let position = i64::try_from(position).expect("it fits");
    for _ in 0..600 {
        let client = pool.get().await.expect("a connection");
        let row =
            client.query_one("SELECT min(position) FROM read.checkpoint", &[]).await.expect("a checkpoint");
        if row.get::<_, i64>(0) >= position {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the read models did not reach {position}");
}

#[tokio::test(flavor = "multi_thread")]
async fn weir_is_killed_in_the_middle_of_a_thousand_commands() {
    let mut weir = Weir::start().await;
    let mut caller = weir.register("ada").await;
    let pid = weir.pid();
    let outcomes = storm(&caller, || signal(pid, Signal::KILL)).await;
    weir.kill().await;
    weir.restart().await;
    weir.url().clone_into(&mut caller.url);
    afterwards(&weir, &caller, &outcomes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_killed_in_the_middle_of_a_thousand_commands() {
    server_is_killed("nats_pid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_in_the_middle_of_a_thousand_commands() {
    server_is_killed("postgres_pid").await;
}

/// Weir itself stays up and starts the server again.
async fn server_is_killed(key: &str) {
    let weir = Weir::start().await;
    let caller = weir.register("ada").await;
    let pid = u32::try_from(weir.runtime()[key].as_u64().expect("a pid")).expect("a pid");
    let outcomes = storm(&caller, || signal(pid, Signal::KILL)).await;
    for _ in 0..300 {
        let ready = caller.get("/health/ready").send().await;
        if ready.is_ok_and(|r| r.status() == StatusCode::OK) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_ne!(weir.runtime()[key].as_u64(), Some(u64::from(pid)), "another process took over");
    afterwards(&weir, &caller, &outcomes).await;
}
