//! The archive: written while Weir is killed, read by SQL, and the stream made again from it.

use std::{collections::BTreeMap, process::Output, time::Duration};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;
use weir_tests::{Caller, Weir, binary, expect, root};

const OFTEN: [(&str, &str); 2] = [("WEIR_ARCHIVE_TIME", "100ms"), ("WEIR_ARCHIVE_EVENTS", "10")];

/// Runs `weir` on the data folder.
async fn weir(weir: &Weir, args: &[&str]) -> Output {
    let bin = std::env::var_os("WEIR_BIN_DIR").unwrap_or_else(|| root().join(".weir/bin").into());
    let mut command = Command::new(binary());
    command.args(args).arg("--data-dir").arg(weir.data()).env("WEIR_BIN_DIR", bin);
    command.output().await.unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Every event of a workspace, as the API has them.
async fn events(caller: &Caller) -> Vec<Value> {
    let (mut all, mut path) = (Vec::new(), "/api/v1/events?limit=200".to_owned());
    loop {
        let page = caller.read(&path).await;
        all.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { return all };
        path = format!("/api/v1/events?limit=200&cursor={cursor}");
    }
}

async fn ask(caller: &Caller, sql: &str) -> Value {
    caller.make("/api/v1/queries", &json!({"sql": sql, "limit": 100_000}), StatusCode::OK).await
}

/// The answer's rows by the columns' names.
fn rows(answer: &Value) -> Vec<BTreeMap<String, Value>> {
    let names: Vec<_> =
        answer["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let row = |row: &Value| {
        names.iter().map(|n| (*n).to_owned()).zip(row.as_array().unwrap().iter().cloned()).collect()
    };
    answer["rows"].as_array().unwrap().iter().map(row).collect()
}

/// What `weir.events` has up to a position is what the API has of the workspace.
async fn same_events(caller: &Caller) {
    let answer = ask(caller, "SELECT position, id, workspace, data FROM weir.events ORDER BY position").await;
    let to = answer["events_to"].as_u64().unwrap();
    assert!(to < answer["position"].as_u64().unwrap());
    let mut known = events(caller).await;
    known.retain(|event| event["position"].as_u64().unwrap() <= to);
    let found = rows(&answer);
    assert_eq!(found.len(), known.len());
    for (found, known) in found.iter().zip(&known) {
        assert_eq!((&found["position"], &found["id"]), (&known["position"], &known["id"]));
        assert_eq!(found["workspace"], caller.workspace);
        let data: Value = serde_json::from_str(found["data"].as_str().unwrap()).unwrap();
        assert_eq!(data, known["data"]);
    }
}

async fn archived_up_to(database: &str, position: u64) {
    let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let reached = async {
        loop {
            let row = client.query_one("SELECT position FROM archive.progress", &[]).await.unwrap();
            if u64::try_from(row.get::<_, i64>(0)).unwrap() >= position {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect("the archive gets there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_in_sql_is_whole_after_kills_and_the_stream_comes_back_from_it() {
    let mut server = Weir::start_with(&OFTEN).await;
    let (mut ada, mut bob) = (server.register("ada").await, server.register("bob").await);
    ada.upload("numbers", b"a,b\n1,2\n3,4\n".to_vec()).await;
    let chart = json!({"name": "c", "query": {"sql": "SELECT a, b FROM numbers"},
                       "chart": {"type": "bar", "x": "a", "y": "b"}});
    ada.make("/api/v1/visualizations", &chart, StatusCode::CREATED).await;
    for round in 0..4 {
        for n in 0..15 {
            ask(&ada, &format!("SELECT sum(a) + {} FROM numbers", n % 5)).await;
            ask(&bob, &format!("SELECT {n} AS secret_of_bob")).await;
        }
        let wrong = json!({"sql": "SELECT nothing FROM numbers"});
        ada.make("/api/v1/queries", &wrong, StatusCode::UNPROCESSABLE_ENTITY).await;
        // In the middle of what it archives: it does so ten times a second.
        tokio::time::sleep(Duration::from_millis(37 * round)).await;
        server.kill().await;
        server.restart().await;
        (ada.url, bob.url) = (server.url().to_owned(), server.url().to_owned());
    }
    same_events(&ada).await;
    same_events(&bob).await;

    // Whatever the SQL, nobody else's events are there.
    for sql in [
        "SELECT count(*) FROM weir.events WHERE data LIKE '%secret_of' || '_bob%'",
        "SELECT count(*) FROM weir.runs WHERE sql LIKE '%secret_of' || '_bob%'",
        "SELECT count(*) FROM (SELECT * FROM weir.events e CROSS JOIN (VALUES (1)) v) x WHERE data LIKE '%secret_of' || '_bob%'",
    ] {
        assert_eq!(ask(&ada, sql).await["rows"], json!([[0]]), "{sql}");
        assert_ne!(ask(&bob, sql).await["rows"], json!([[0]]), "{sql}");
    }
    let others = format!("SELECT count(*) FROM weir.events WHERE workspace <> '{}'", ada.workspace);
    assert_eq!(ask(&ada, &others).await["rows"], json!([[0]]));
    for sql in ["SELECT * FROM weir.secrets", "SELECT * FROM events", "SELECT * FROM archive.files"] {
        ada.make("/api/v1/queries", &json!({"sql": sql}), StatusCode::UNPROCESSABLE_ENTITY).await;
    }

    // Runs and usage are those of the read API.
    let answer = ask(&ada, "SELECT * FROM weir.runs ORDER BY position DESC LIMIT 50").await;
    let position = answer["position"].as_u64().unwrap();
    let request = ada.get("/api/v1/runs?limit=51").header("weir-min-position", position);
    let shown = expect(request.send().await.unwrap(), StatusCode::OK).await;
    // The first one is the run that asked.
    let shown = &shown["items"].as_array().unwrap()[1..];
    let found = rows(&answer);
    assert_eq!(found.len(), 50);
    for (found, shown) in found.iter().zip(shown) {
        for key in [
            "run_id",
            "query_id",
            "sql",
            "status",
            "rows",
            "bytes",
            "truncated",
            "elapsed_ms",
            "actor",
            "user_id",
            "position",
        ] {
            assert_eq!(found[key], shown[key], "{key}");
        }
        assert_eq!(found["cache_tier"], shown["cache"]["tier"]);
        let datasets: Vec<_> = shown["datasets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| json!(format!("{}@{}", d["name"].as_str().unwrap(), d["version"])))
            .collect();
        assert_eq!(found["datasets"], json!(datasets));
    }
    let receipt = ada.read(&format!("/api/v1/runs/{}/receipt", answer["run_id"].as_str().unwrap())).await;
    assert_eq!(receipt["events_to"], answer["events_to"]);
    assert_eq!(answer["cache"], json!({"hit": false, "tier": null}));
    let usage = expect(
        ada.get("/api/v1/usage?days=2").header("weir-min-position", position).send().await.unwrap(),
        StatusCode::OK,
    )
    .await;
    let answer = ask(&ada, "SELECT * FROM weir.usage ORDER BY day").await;
    let found = rows(&answer);
    for shown in usage["days"].as_array().unwrap() {
        let Some(found) = found.iter().find(|row| row["day"] == shown["date"]) else {
            assert_eq!(shown["queries"], 0);
            continue;
        };
        for key in [
            "uploads",
            "queries",
            "failed_queries",
            "visualizations",
            "active_users",
            "p50_ms",
            "p95_ms",
            "cache_hit_rate",
        ] {
            assert_eq!(found[key], shown[key], "{key}");
        }
    }

    // Exports: the lines are the API's, and the Parquet file says the same as a dataset.
    let (lines, file) = (server.data().join("out.jsonl"), server.data().join("out.parquet"));
    let known = events(&ada).await;
    let (first, last) = (known[3]["position"].to_string(), known[20]["position"].to_string());
    let mut args = vec!["events", "export", "--workspace", &ada.workspace, "--out", lines.to_str().unwrap()];
    args.extend(["--from", &first, "--to", &last]);
    text(&weir(&server, &args).await);
    let exported: Vec<Value> = std::fs::read_to_string(&lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(exported, known[3..=20]);
    let tail = text(&weir(&server, &["events", "tail", "--no-follow", "--workspace", &ada.workspace]).await);
    let tailed: Vec<Value> = tail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(tailed, known);
    let args = [
        "events",
        "export",
        "--workspace",
        &ada.workspace,
        "--format",
        "parquet",
        "--out",
        file.to_str().unwrap(),
    ];
    text(&weir(&server, &args).await);
    let request = ada.post("/api/v1/datasets?name=exported").header("prefer", "wait=30");
    expect(request.body(std::fs::read(&file).unwrap()).send().await.unwrap(), StatusCode::CREATED).await;
    let answer = ask(&ada, "SELECT position, id, type, data, actor FROM exported ORDER BY 1").await;
    let found = rows(&answer);
    assert_eq!(found.len(), known.len());
    for (found, known) in found.iter().zip(&known) {
        for key in ["position", "id", "type", "actor"] {
            assert_eq!(found[key], known[key], "{key}");
        }
        assert_eq!(serde_json::from_str::<Value>(found["data"].as_str().unwrap()).unwrap(), known["data"]);
    }

    // Everything is archived; the read models can be folded from there.
    let head = answer["position"].as_u64().unwrap();
    archived_up_to(server.runtime()["database_url"].as_str().unwrap(), head).await;
    let folded = text(&weir(&server, &["rebuild", "--from-archive"]).await);
    assert!(folded.contains("equal to a fresh fold"), "{folded}");
    assert!(folded.contains(&format!("Of them {head} were read from the archive.")), "{folded}");
    assert!(text(&weir(&server, &["verify"]).await).contains("equal"));

    // A log that has something is never filled.
    let refused = weir(&server, &["import-archive"]).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not empty"), "{refused:?}");

    // The log is lost, and comes back from the archive.
    let (known, dashboard) = (events(&ada).await, ada.read("/api/v1/dashboard").await);
    assert_eq!(server.stop().await, Some(0));
    std::fs::remove_dir_all(server.data().join("nats")).unwrap();
    std::fs::create_dir(server.data().join("nats")).unwrap();
    let filled = text(&weir(&server, &["import-archive"]).await);
    assert!(filled.contains(&format!("up to position {head}")), "{filled}");
    server.restart().await;
    (ada.url, bob.url) = (server.url().to_owned(), server.url().to_owned());
    assert_eq!(events(&ada).await, known);
    assert_eq!(ada.read("/api/v1/dashboard").await, dashboard);
    assert!(text(&weir(&server, &["verify"]).await).contains("equal"));
    // A subscriber goes on where it was.
    let after = known[known.len() - 3]["position"].to_string();
    let request = ada.get("/api/v1/events").header("accept", "text/event-stream");
    let mut stream = request.header("last-event-id", after).send().await.unwrap();
    let mut seen = String::new();
    while seen.matches("\ndata: ").count() < 2 {
        seen.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap()));
    }
    let positions: Vec<&str> = seen.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    for (seen, known) in positions.iter().zip(&known[known.len() - 2..]) {
        assert_eq!(&serde_json::from_str::<Value>(seen).unwrap(), known);
    }
    same_events(&ada).await;
}
