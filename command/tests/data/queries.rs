//! Limits, failures and callers who go away.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;
use weir_command::{
    Config,
    domain::{Ctx, ctx::Seed},
};
use weir_events::{Actor, Commit, Event, Filter, Position, QueryId, RunId, Subject, query};

use crate::world::{Answer, SECOND, Someone, Weir, World, until};

/// Runs for hours: every pair of a million million is looked at.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b \
    WHERE a.value * b.value = -1";

async fn nums(ada: &Someone) {
    let rows: Vec<String> = (0..3_000).map(|n| n.to_string()).collect();
    ada.ready("nums", format!("n\n{}\n", rows.join("\n"))).await;
}

/// Every fact about a run: its id and SQL, and whether it was answered.
async fn facts(weir: &Weir) -> Vec<(RunId, String, bool)> {
    let head = weir.log.head().await.unwrap();
    let mut events = weir.log.follow(Filter::All, Position::START);
    let mut facts = Vec::new();
    loop {
        let recorded = events.next().await.unwrap().unwrap().decode().unwrap();
        match recorded.event {
            Event::Query(query::Event::Executed(e)) => facts.push((e.run_id, e.sql, true)),
            Event::Query(query::Event::Failed(e)) => facts.push((e.run_id, e.sql, false)),
            _ => {}
        }
        if recorded.position == head {
            return facts;
        }
    }
}

/// The next run that failed after a position.
async fn next_failure(weir: &Weir, after: Position) -> query::Failed {
    let mut events = weir.log.follow(Filter::All, after);
    let found = async {
        loop {
            let recorded = events.next().await.unwrap().unwrap().decode().unwrap();
            if let Event::Query(query::Event::Failed(failed)) = recorded.event {
                return failed;
            }
        }
    };
    tokio::time::timeout(SECOND * 20, found).await.unwrap()
}

#[tokio::test]
async fn a_caller_who_goes_away_cancels() {
    let world = World::new().await;
    let weir =
        world.start(Config { concurrent_queries: 1, query_time: SECOND * 300, ..Config::default() }).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    nums(&ada).await;
    let head = weir.log.head().await.unwrap();
    let asked = ada.request(Method::POST, "queries").json(&json!({"sql": ENDLESS}));
    let gone = asked.timeout(Duration::from_millis(500)).send().await.unwrap_err();
    assert!(gone.is_timeout());
    let failed = next_failure(&weir, head).await;
    assert_eq!((failed.code.as_str(), failed.sql.as_str()), ("cancelled", ENDLESS));
    // Its turn is free again: the only one that there is.
    ada.sql("SELECT count(*) FROM nums").await.ok();
}

#[tokio::test]
async fn a_keyed_query_that_was_cancelled_is_answered_when_it_comes_again() {
    let world = World::new().await;
    let config = Config {
        concurrent_queries: 1,
        query_wait: SECOND * 60,
        query_time: SECOND * 300,
        ..Config::default()
    };
    let weir = world.start(config).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    nums(&ada).await;
    let running = tokio::spawn(ada.request(Method::POST, "queries").json(&json!({"sql": ENDLESS})).send());
    let sql = "SELECT count(*) FROM nums";
    let keyed =
        || ada.request(Method::POST, "queries").header("idempotency-key", "k").json(&json!({"sql": sql}));
    let mut n = 0;
    until("the endless query has its turn", async || {
        n += 1;
        let other =
            ada.request(Method::POST, "queries").json(&json!({"sql": format!("SELECT {n} FROM nums")}));
        other.timeout(Duration::from_millis(300)).send().await.is_err()
    })
    .await;
    let of_it = async || {
        let facts = facts(&weir).await.into_iter().filter(|(_, asked, _)| asked == sql);
        facts.map(|(id, _, answered)| (id, answered)).collect::<Vec<_>>()
    };
    // It waits for its turn too, until its caller loses patience.
    assert!(keyed().timeout(Duration::from_millis(300)).send().await.unwrap_err().is_timeout());
    until("it is cancelled", async || !of_it().await.is_empty()).await;
    running.abort();
    let mut answer = Answer::of(keyed().send().await.unwrap()).await;
    until("the key is free again", async || {
        if answer.status != 409 {
            return true;
        }
        answer = Answer::of(keyed().send().await.unwrap()).await;
        false
    })
    .await;
    let answer = answer.ok();
    let answered = RunId(answer.text("run_id").parse().unwrap());
    let runs = of_it().await;
    assert_eq!(runs.iter().map(|r| r.1).collect::<Vec<_>>(), [false, true], "each try is a run");
    assert_eq!(runs[1].0, answered);
    assert_ne!(runs[0].0, answered);
}

#[tokio::test]
async fn a_keyed_query_whose_answer_nobody_kept_is_one_run_for_as_long_as_it_is_the_same() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    nums(&ada).await;
    let ask = async |sql: &str| {
        let cx = Ctx {
            workspace: ada.workspace,
            actor: Actor::User(ada.user),
            now: chrono::Utc::now(),
            correlation: Uuid::now_v7(),
            causation: None,
            traceparent: None,
            seed: Seed::Keyed(Uuid::from_u128(7)),
            dedup: Some("key".to_owned()),
        };
        weir.app.ask(&cx, sql, None).await.unwrap()
    };
    let first = ask("SELECT count(*) FROM nums").await;
    let again = ask("SELECT count(*) FROM nums").await;
    assert_eq!((again.id, again.position), (first.id, first.position));
    let other = ask("SELECT max(n) FROM nums").await;
    // Not the same for long.
    let (one, two) = (ask("SELECT random() FROM nums").await, ask("SELECT random() FROM nums").await);
    let runs = [first.id, other.id, one.id, two.id];
    let facts = facts(&weir).await;
    assert_eq!(facts.iter().map(|f| f.0).collect::<Vec<_>>(), runs);
    assert!(facts.iter().all(|f| f.2));
    assert_eq!(world.files("results"), 4, "one for each run");
}

#[tokio::test]
async fn typing_errors_make_no_patterns() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    for n in 0..3 {
        ada.sql(&format!("SELEC {n}")).await.refused(422, "syntax_error");
    }
    let nothing = QueryId(Uuid::nil());
    let events = weir.log.load(&Subject::query(ada.workspace, nothing)).await.unwrap();
    assert_eq!(events.len(), 3, "all on one subject");
    ada.post(&format!("queries/{nothing}/save"), json!({"name": "x"})).await.refused(404, "query_not_found");
}

#[tokio::test]
async fn names_for_queries_do_not_meet_their_runs() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let run = ada.sql("SELECT 1").await.ok();
    ada.sql("SELECT 1 / 0").await.refused(422, "division_by_zero");
    let id = QueryId(run.text("query_id").parse().unwrap());
    let path = format!("queries/{id}");
    ada.post(&format!("{path}/save"), json!({"name": "One"})).await.ok();
    let (runs, saved) = (Subject::query(ada.workspace, id), Subject::saved(ada.workspace, id));
    assert_eq!(weir.log.load(&runs).await.unwrap().len(), 1, "nothing but the run");
    let events: Vec<_> = weir.log.load(&saved).await.unwrap().into_iter().map(|e| e.event).collect();
    let one = query::Saved {
        name: "One".into(),
        sql: "SELECT 1".into(),
        pattern: "SELECT ?".into(),
        context: None,
    };
    assert_eq!(events, [Event::from(query::Event::from(one))]);

    // A stream of an older release has the name among the runs.
    let old = ada.sql("SELECT 'old' AS text").await.ok();
    let old = QueryId(old.text("query_id").parse().unwrap());
    let path = format!("queries/{old}");
    let runs = Subject::query(ada.workspace, old);
    let saved = query::Saved {
        name: "Old".into(),
        sql: "SELECT 'old' AS text".into(),
        pattern: "x".into(),
        context: None,
    };
    let name = Subject::name(ada.workspace, weir_events::name::Kind::Query, "Old");
    let commit = Commit::new()
        .event(weir.event(runs, query::Event::from(saved)))
        .event(weir.event(name, weir_events::name::Reserved { holder: old.0 }));
    let at = weir.log.append(commit).await.unwrap().last;
    assert!(weir.app.directory().wait_for(at, SECOND).await);
    ada.send(Method::PATCH, &path, json!({"name": "One"})).await.refused(409, "name_taken");
    ada.send(Method::PATCH, &path, json!({"name": "New"})).await.ok();
    assert_eq!(weir.app.directory().query(ada.workspace, old).unwrap().saved.as_deref(), Some("New"));
    ada.post(&format!("queries/{id}/save"), json!({"name": "Old"})).await.ok();
    ada.send(Method::DELETE, &path, json!({})).await.ok();
    ada.send(Method::DELETE, &path, json!({})).await.refused(409, "query_not_saved");
}

#[tokio::test]
async fn more_than_may_run_at_once_wait_and_then_are_refused() {
    let world = World::new().await;
    let config = Config {
        concurrent_queries: 1,
        query_wait: Duration::from_millis(100),
        query_time: SECOND * 300,
        ..Config::default()
    };
    let weir = world.start(config).await;
    let _worker = weir.worker();
    let (ada, bob) = (weir.someone(), weir.someone());
    nums(&ada).await;
    nums(&bob).await;
    let asked = ada.request(Method::POST, "queries").json(&json!({"sql": ENDLESS})).send();
    let running = tokio::spawn(asked);
    let mut head = weir.log.head().await.unwrap();
    let mut n = 0;
    // Until the endless one has its turn, others have it.
    until("the endless query has its turn", async || {
        n += 1;
        let answer = ada.sql(&format!("SELECT {n} FROM nums")).await;
        if answer.status == 429 {
            answer.refused(429, "too_many_queries");
            assert_eq!(answer.header("retry-after"), "2");
            return true;
        }
        head = weir.log.head().await.unwrap();
        false
    })
    .await;
    assert_eq!(weir.log.head().await.unwrap(), head, "a refusal writes nothing");
    let table =
        weir.app.directory().name_holder(ada.workspace, weir_events::name::Kind::Dataset, "nums").unwrap();
    ada.get(&format!("datasets/{table}/preview")).await.refused(429, "too_many_queries");
    // Charts look at answers too, and do not take a refusal for an answer without columns.
    for over in
        [json!({"sql": "SELECT * FROM nums"}), json!({"sql": "SELECT * FROM nums", "text": "count of n"})]
    {
        ada.post("visualizations/suggest", over).await.refused(429, "too_many_queries");
    }
    bob.sql("SELECT count(*) FROM nums").await.ok();
    running.abort();
}

#[tokio::test]
async fn limits_of_time_and_rows() {
    let world = World::new().await;
    let weir = world.start(Config { query_time: SECOND, max_rows: 2_000, ..Config::default() }).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    nums(&ada).await;
    ada.sql(ENDLESS).await.refused(422, "time_limit");
    let cut = ada.post("queries", json!({"sql": "SELECT n FROM nums", "limit": 10})).await.ok();
    assert_eq!((&cut.body["row_count"], &cut.body["truncated"]), (&json!(10), &json!(true)));
    for limit in [json!(0), json!(2_001)] {
        let refused = ada.post("queries", json!({"sql": "SELECT n FROM nums", "limit": limit})).await;
        refused.refused(422, "invalid_value");
        assert_eq!(refused.body["errors"][0]["field"], "limit");
    }
}

#[tokio::test]
async fn values_are_written_into_the_sql_and_nothing_else_is() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    nums(&ada).await;
    let ask = async |sql: &str, params| ada.post("queries", json!({"sql": sql, "params": params})).await;
    let sql = "SELECT count(*) AS c, '$least' AS t FROM nums WHERE n >= $least AND n IN ($some)";
    let answer = ask(sql, json!({"least": 2, "some": [1, 2, 3]})).await.ok();
    assert_eq!(answer.body["rows"], json!([[2, "$least"]]));
    assert_eq!(answer.text("sql"), sql.replace(">= $least", ">= 2").replace("$some", "1, 2, 3"));
    // What could end a text and begin something else stays a text.
    for text in ["' OR 1 = 1 --", "\\' OR 1 = 1 --", "it''s", "\\"] {
        let answer = ask("SELECT $a AS a", json!({"a": text})).await.ok();
        assert_eq!(answer.body["rows"], json!([[text]]));
    }
    let answer = ask("SELECT $a AS a", json!({"a": "y"})).await.ok();
    let other = ask("SELECT $a AS a", json!({"a": "x"})).await.ok();
    assert_eq!(answer.text("query_id"), other.text("query_id"), "one pattern");

    let missing = ask("SELECT n FROM nums\nWHERE n > $most", json!({"least": 1})).await;
    missing.refused(422, "invalid_value");
    let place = &missing.body["errors"][0];
    assert_eq!(
        (&place["field"], &place["line"], &place["column"]),
        (&json!("params"), &json!(2), &json!(11))
    );
    ask("SELECT 1", json!({"a": 1})).await.refused(422, "invalid_value");
    ask("SELECT $a", json!({"a": {"b": 1}})).await.refused(422, "invalid_value");
}

#[tokio::test]
async fn what_fails_says_where_and_is_written_down() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    nums(&ada).await;

    let head = weir.log.head().await.unwrap();
    let syntax = ada.sql("SELECT n\nFORM nums WHERE").await;
    syntax.refused(422, "syntax_error");
    assert_eq!(syntax.body["errors"][0]["line"], 2, "{}", syntax.body);
    let failed = next_failure(&weir, head).await;
    assert_eq!(failed.code, "syntax_error");
    assert_eq!(syntax.header("weir-run-id"), failed.run_id.to_string());

    let table = ada.sql("SELECT n FROM numz").await;
    table.refused(422, "unknown_table");
    assert!(table.text("detail").contains("nums"), "{}", table.body);
    ada.sql("SELECT m FROM nums").await.refused(422, "unknown_column");
    ada.sql(" ").await.refused(422, "invalid_value");
    ada.post("queries", json!({})).await.refused(422, "invalid_value");
    ada.post("queries", json!({"question": "How many?"})).await.refused(501, "model_not_configured");
    ada.post("queries", json!({"metrics": ["delay"]})).await.refused(422, "invalid_value");
    ada.post("queries", json!({"sql": "SELECT ?", "params": {"a": 1}})).await.refused(422, "invalid_value");
    let html =
        ada.request(Method::POST, "queries").header("accept", "text/html").json(&json!({"sql": "SELECT 1"}));
    Answer::of(html.send().await.unwrap()).await.refused(406, "not_acceptable");

    let missing = uuid::Uuid::now_v7();
    ada.post(&format!("queries/{missing}/save"), json!({"name": "x"})).await.refused(404, "query_not_found");
}

#[tokio::test]
async fn what_can_change_is_not_cached() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    nums(&ada).await;
    for _ in 0..2 {
        let volatile = ada.sql("SELECT random() AS chance FROM nums").await.ok();
        assert_eq!(volatile.header("weir-cache"), "miss");
    }
    // The same name for other data is another question.
    assert_eq!(ada.sql("SELECT count(*) FROM nums").await.ok().body["rows"][0][0], 3_000);
    let old =
        weir.app.directory().name_holder(ada.workspace, weir_events::name::Kind::Dataset, "nums").unwrap();
    ada.send(Method::DELETE, &format!("datasets/{old}"), json!({})).await.ok();
    ada.ready("nums", "n\n1\n").await;
    let fresh = ada.sql("SELECT count(*) FROM nums").await.ok();
    assert_eq!((fresh.header("weir-cache"), &fresh.body["rows"][0][0]), ("miss", &json!(1)));
}

#[tokio::test]
async fn those_who_ask_the_same_at_once_share_one_computation() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    nums(&ada).await;
    let sql = "SELECT sum(a.n) FROM nums a, nums b";
    let answers = futures::future::join_all((0..10).map(|_| ada.sql(sql))).await;
    let misses = answers.iter().filter(|a| a.header("weir-cache") == "miss").count();
    assert_eq!(misses, 1);
    let runs: std::collections::HashSet<&str> = answers.iter().map(|a| a.text("run_id")).collect();
    assert_eq!(runs.len(), 10, "each is a run of its own");
}
