//! What is over a limit gets a code that says so, and a time to come back where that helps.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use futures::future::{Either, select};
use reqwest::StatusCode;
use serde_json::json;
use weir_tests::{Weir, expect, root};

/// Counts a million million pairs, which takes longer than anybody waits.
const ENDLESS: &str = "FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_turn_does_not_come_is_refused_with_a_time_to_come_back() {
    let limits = [("WEIR_QUERY_CONCURRENCY", "1"), ("WEIR_QUERY_WAIT", "200ms"), ("WEIR_QUERY_TIME", "10m")];
    let weir = Weir::start_with(&limits).await;
    let (ada, bob) = (weir.register("ada").await, weir.register("bob").await);
    let ask = |n: u8| {
        let sql = json!({"sql": format!("SELECT count(*) + {n} {ENDLESS}")});
        Box::pin(ada.post("/api/v1/queries").json(&sql).send())
    };
    // One of the two has the only turn and keeps it; the other one is answered.
    let (refused, running) = match select(ask(1), ask(2)).await {
        Either::Left(answered) => answered,
        Either::Right(answered) => answered,
    };
    let refused = refused.unwrap();
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait > 0);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let problem = expect(refused, StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!(problem["code"], "too_many_queries", "{problem}");

    // Another workspace has turns of its own.
    let sql = json!({"sql": "SELECT 1 AS one"});
    bob.make("/api/v1/queries", &sql, StatusCode::OK).await;
    ada.make("/api/v1/queries", &sql, StatusCode::TOO_MANY_REQUESTS).await;
    // Whoever goes away gives the turn back.
    drop(running);
    loop {
        let answer = ada.post("/api/v1/queries").json(&sql).send().await.unwrap();
        if answer.status() != StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(expect(answer, StatusCode::OK).await["rows"], json!([[1]]));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_limited_as_they_are_sent_and_as_they_are_unpacked() {
    let packed = std::fs::read(root().join("samples/nycflights13/flights.csv.gz")).unwrap();
    // The file fits, what is in it does not.
    let limits = [("WEIR_UPLOAD_BYTES", "300KiB"), ("WEIR_UNPACKED_BYTES", "400KiB")];
    assert!(packed.len() < 300 << 10);
    let weir = Weir::start_with(&limits).await;
    let ada = weir.register("ada").await;
    let upload = async |name: &str, body: Vec<u8>, status| {
        let request = ada.post(&format!("/api/v1/datasets?name={name}")).header("content-type", "text/csv");
        expect(request.header("prefer", "wait=30").body(body).send().await.unwrap(), status).await
    };
    let bomb = upload("bomb", packed, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(bomb["code"], "dataset_rejected", "{bomb}");
    assert_eq!(bomb["errors"][0]["code"], "file_too_large", "{bomb}");
    assert!(bomb["detail"].as_str().unwrap().contains("409600 bytes"), "{bomb}");

    let large = upload("large", b"1,2\n".repeat(100 << 10), StatusCode::PAYLOAD_TOO_LARGE).await;
    assert_eq!(large["code"], "payload_too_large", "{large}");
    assert!(large["detail"].as_str().unwrap().contains("307200 bytes"), "{large}");

    let fits = upload("fits", b"1,2\n".repeat(50 << 10), StatusCode::CREATED).await;
    assert_eq!((&fits["status"], &fits["rows"]), (&json!("ready"), &json!(50 << 10)), "{fits}");
}

/// Takes connections and never answers, as a server that hangs does.
async fn silent() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_may_have_is_limited() {
    let limits = [
        ("WEIR_CSV_COLUMNS", "4"),
        ("WEIR_CSV_CELL_BYTES", "100"),
        ("WEIR_CSV_ROW_BYTES", "1KiB"),
        ("WEIR_WORKBOOK_BYTES", "1KiB"),
    ];
    let weir = Weir::start_with(&limits).await;
    let ada = weir.register("ada").await;
    // Its parts take some kilobytes even with nothing on it.
    let mut book = rust_xlsxwriter::Workbook::new();
    book.add_worksheet();
    let workbook = book.save_to_buffer().unwrap();
    let wide = "1,".repeat(200).into_bytes();
    for (name, file, code) in [
        ("columns", b"a,b,c,d,e\n1,2,3,4,5\n".to_vec(), "too_many_columns"),
        ("cell", format!("a\n{}\n", "x".repeat(101)).into_bytes(), "cell_too_large"),
        ("row", [b"a,b\n".to_vec(), wide.repeat(10)].concat(), "row_too_large"),
        ("workbook", workbook, "file_too_large"),
    ] {
        let request = ada.post(&format!("/api/v1/datasets?name={name}")).header("prefer", "wait=30");
        let refused =
            expect(request.body(file).send().await.unwrap(), StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused["code"], "dataset_rejected", "{name}: {refused}");
        assert_eq!(refused["errors"][0]["code"], code, "{name}: {refused}");
    }
    ada.upload("fits", format!("a,b,c,d\n1,2,3,{}\n", "x".repeat(100)).into_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_may_use_up_is_limited() {
    let limits = [
        ("WEIR_QUERY_TIME", "5s"),
        ("WEIR_QUERY_MEMORY", "2MiB"),
        ("WEIR_QUERY_ROWS", "5"),
        ("WEIR_QUERY_MAX_ROWS", "20000"),
        ("WEIR_QUERY_BYTES", "64KiB"),
        ("WEIR_KEPT_RESULT_BYTES", "2KiB"),
        ("WEIR_RESULT_CACHE_BYTES", "0"),
    ];
    let weir = Weir::start_with(&limits).await;
    let ada = weir.register("ada").await;
    let ask = async |sql: &str, limit: Option<u32>, status| {
        let body = json!({"sql": sql, "limit": limit});
        expect(ada.post("/api/v1/queries").json(&body).send().await.unwrap(), status).await
    };
    let refused = ask(&format!("SELECT count(*) {ENDLESS}"), None, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["code"], "time_limit", "{refused}");
    let hungry = "SELECT count(*) FROM (SELECT value, array_agg(value) FROM generate_series(1, 3000000) GROUP BY value)";
    let refused = ask(hungry, None, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["code"], "memory_limit", "{refused}");

    let numbers = "SELECT value FROM generate_series(1, 20000)";
    let cut = ask(numbers, None, StatusCode::OK).await;
    assert_eq!((&cut["row_count"], &cut["truncated"]), (&json!(5), &json!(true)));
    let cut = ask(numbers, Some(20_000), StatusCode::OK).await;
    let rows = cut["row_count"].as_u64().unwrap();
    assert!(cut["truncated"] == json!(true) && (1_000..20_000).contains(&rows), "{rows} rows in 64 KiB");
    let refused = ask(numbers, Some(20_001), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["code"], "invalid_value", "{refused}");

    // With no memory for results only what the blob store keeps is found again: a small one and no large one.
    let again = async |sql: &str| {
        let first = ask(sql, Some(1_000), StatusCode::OK).await;
        let second = ask(sql, Some(1_000), StatusCode::OK).await;
        assert_eq!(first["cache"]["hit"], json!(false));
        let rows = ada.get(&format!("/api/v1/runs/{}/result", second["run_id"].as_str().unwrap()));
        let rows = rows.header("weir-min-position", second["position"].as_u64().unwrap());
        (second["cache"].clone(), rows.send().await.unwrap())
    };
    let (cache, rows) = again("SELECT 1 AS small").await;
    assert_eq!(cache, json!({"hit": true, "tier": 3}));
    expect(rows, StatusCode::OK).await;
    let (cache, rows) = again("SELECT value AS large FROM generate_series(1, 1000)").await;
    assert_eq!(cache["hit"], json!(false));
    assert_eq!(expect(rows, StatusCode::NOT_FOUND).await["code"], "result_not_kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_queries_may_use_up_together_is_limited() {
    let hungry = "SELECT cardinality(array_agg(value)) FROM generate_series(1, 3000000)";
    let sort = "SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY md5(value::text)) AS n \
                FROM generate_series(1, 1000000))";
    for (sql, limits) in [
        (hungry, [("WEIR_ENGINE_MEMORY", "8MiB"), ("WEIR_QUERY_TIME", "2m")]),
        (sort, [("WEIR_QUERY_MEMORY", "16MiB"), ("WEIR_ENGINE_SPILL", "64KiB")]),
    ] {
        let weir = Weir::start_with(&limits).await;
        let ada = weir.register("ada").await;
        let refused =
            ada.make("/api/v1/queries", &json!({"sql": sql}), StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused["code"], "memory_limit", "{limits:?}: {refused}");
        ada.make("/api/v1/queries", &json!({"sql": "SELECT 1"}), StatusCode::OK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_others_is_limited() {
    let silent = silent().await;
    let (host, model) = (silent.to_string(), format!("http://{silent}/v1"));
    let limits = [
        ("WEIR_IMPORT_HOSTS", host.as_str()),
        ("WEIR_IMPORT_TIME", "3s"),
        ("WEIR_IMPORT_CONCURRENCY", "1"),
        ("WEIR_MODEL_NAME", "silent"),
        ("WEIR_MODEL_URL", model.as_str()),
        ("WEIR_MODEL_TIME", "3s"),
        ("WEIR_MODEL_CONCURRENCY", "1"),
        ("WEIR_QUERY_WAIT", "200ms"),
        ("WEIR_POSITION_WAIT", "100ms"),
    ];
    let weir = Weir::start_with(&limits).await;
    let ada = weir.register("ada").await;
    ada.upload("numbers", b"a,b\n1,2\n".to_vec()).await;
    for (path, body, late, busy) in [
        (
            "datasets/import",
            json!({"url": format!("http://{host}/x.csv")}),
            "import_timeout",
            "too_many_imports",
        ),
        ("queries", json!({"question": "What is the sum of a?"}), "model_timeout", "too_many_questions"),
    ] {
        let path = format!("/api/v1/{path}");
        let ask = || Box::pin(ada.post(&path).json(&body).send());
        // Whichever comes second finds the only turn taken, and is told so before the first one's time is up.
        let (second, first) = match select(ask(), ask()).await {
            Either::Left(answered) => answered,
            Either::Right(answered) => answered,
        };
        let second = second.unwrap();
        assert!(second.headers().contains_key("retry-after"), "{busy}");
        assert_eq!(expect(second, StatusCode::TOO_MANY_REQUESTS).await["code"], busy);
        assert_eq!(expect(first.await.unwrap(), StatusCode::GATEWAY_TIMEOUT).await["code"], late);
    }
    let ahead = ada.get("/api/v1/dashboard").header("weir-min-position", 1_000_000).send().await.unwrap();
    assert!(ahead.headers().contains_key("retry-after"));
    assert_eq!(expect(ahead, StatusCode::SERVICE_UNAVAILABLE).await["code"], "position_not_reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_attempts_are_limited() {
    let limits = [("WEIR_API_KEYS", "2"), ("WEIR_LOGIN_ATTEMPTS", "2"), ("WEIR_ADDRESS_ATTEMPTS", "8")];
    let weir = Weir::start_with(&limits).await;
    let ada = weir.register("ada").await;
    for name in ["one", "two"] {
        ada.make("/api/v1/api-keys", &json!({"name": name, "role": "viewer"}), StatusCode::CREATED).await;
    }
    let body = json!({"name": "three", "role": "viewer"});
    let refused = ada.make("/api/v1/api-keys", &body, StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "too_many_api_keys", "{refused}");

    let guess = async |email: &str| {
        let body = json!({"email": email, "password": "a wrong password"});
        weir.anonymous().post("/api/v1/auth/login").json(&body).send().await.unwrap()
    };
    for _ in 0..2 {
        expect(guess(&ada.email).await, StatusCode::UNAUTHORIZED).await;
    }
    let refused = guess(&ada.email).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(expect(refused, StatusCode::TOO_MANY_REQUESTS).await["code"], "too_many_attempts");
    // Others may try from there until the address has had all of its own; registering was one.
    let mut tried = 0;
    let refused = loop {
        let answer = guess(&format!("{tried}@example.org")).await;
        if answer.status() != StatusCode::UNAUTHORIZED {
            break answer;
        }
        tried += 1;
    };
    assert!((4..=6).contains(&tried), "{tried} more attempts");
    assert_eq!(expect(refused, StatusCode::TOO_MANY_REQUESTS).await["code"], "too_many_attempts");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_no_more_at_a_time_than_is_allowed() {
    let weir = Weir::start_with(&[("WEIR_INGEST_PARALLEL", "1")]).await;
    let ada = weir.register("ada").await;
    let file = "1,abc,2.5,2013-01-01\n".repeat(100_000).into_bytes();
    let mut left = Vec::new();
    for n in 0..4 {
        let request = ada.post(&format!("/api/v1/datasets?name=f{n}")).body(file.clone());
        let made = expect(request.send().await.unwrap(), StatusCode::ACCEPTED).await;
        left.push((made["id"].as_str().unwrap().to_owned(), made["position"].as_u64().unwrap()));
    }
    let mut most = 0;
    while let Some((id, position)) = left.last() {
        let metrics = ada.get("/metrics").send().await.unwrap().text().await.unwrap();
        let running = metrics.lines().find_map(|line| line.strip_prefix("weir_ingest_running "));
        most = most.max(running.expect("the gauge").parse().unwrap());
        assert!(most <= 1, "{most} at a time");
        let dataset = ada.read(&format!("/api/v1/datasets/{id}?min_position={position}")).await;
        if dataset["status"] == "ready" {
            left.pop();
        }
    }
    assert_eq!(most, 1, "the files were too small to see one being read");
}

/// However much one workspace has read, another's file is not kept waiting by it.
#[tokio::test(flavor = "multi_thread")]
async fn nobodys_files_take_all_turns_or_all_time() {
    let weir = Weir::start_with(&[("WEIR_INGEST_TIME", "3s"), ("WEIR_INGEST_WAITING", "4")]).await;
    let (ada, bob) = (weir.register("ada").await, weir.register("bob").await);
    // Little to send, and minutes to read.
    let mut blank = GzEncoder::new(Vec::new(), Compression::best());
    blank.write_all(&b"\n".repeat(1 << 20)).unwrap();
    let mut slow = GzEncoder::new(Vec::new(), Compression::best());
    slow.write_all(b"a,b\n1,2\n").unwrap();
    let slow = [slow.finish().unwrap(), blank.finish().unwrap().repeat(4_000)].concat();
    let mut first = None;
    for n in 0..4 {
        let request = ada.post(&format!("/api/v1/datasets?name=slow{n}")).body(slow.clone());
        let made = expect(request.send().await.unwrap(), StatusCode::ACCEPTED).await;
        first.get_or_insert(made["id"].as_str().unwrap().to_owned());
    }
    let fifth = ada.post("/api/v1/datasets?name=slow5").body(slow).send().await.unwrap();
    assert!(fifth.headers().contains_key("retry-after"));
    assert_eq!(expect(fifth, StatusCode::TOO_MANY_REQUESTS).await["code"], "too_many_files");

    let small = bob.post("/api/v1/datasets?name=small").header("prefer", "wait=30").body("a\n1\n");
    let small = expect(small.send().await.unwrap(), StatusCode::CREATED).await;
    assert_eq!(small["status"], "ready");
    let mine = ada.read("/api/v1/datasets?status=ingesting").await;
    assert!(!mine["items"].as_array().unwrap().is_empty(), "nothing was in the way: {mine}");

    let first = format!("/api/v1/datasets/{}", first.unwrap());
    let begun = Instant::now();
    let told = loop {
        let dataset = ada.read(&first).await;
        if dataset["status"] != "ingesting" {
            break dataset;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it is read for ever: {dataset}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(
        (&told["status"], &told["rejection"]["code"]),
        (&json!("rejected"), &json!("time_limit")),
        "{told}"
    );
}

/// The test that shows what happens at each limit: where it is, and its name.
const SHOWN_BY: [(&str, &str, &str); 48] = [
    ("upload_bytes", HERE, "uploads_are_limited_as_they_are_sent_and_as_they_are_unpacked"),
    ("unpacked_bytes", HERE, "uploads_are_limited_as_they_are_sent_and_as_they_are_unpacked"),
    ("workbook_bytes", HERE, "what_a_file_may_have_is_limited"),
    ("webhooks", WEBHOOKS, "who_is_away_for_long_is_given_up_and_waits_for_nobody"),
    ("webhook_time", WEBHOOKS, "events_are_told_signed_in_order_and_until_they_arrive"),
    ("webhook_retry", WEBHOOKS, "events_are_told_signed_in_order_and_until_they_arrive"),
    ("webhook_give_up", WEBHOOKS, "who_is_away_for_long_is_given_up_and_waits_for_nobody"),
    ("webhook_waiting", WEBHOOKS, "who_is_away_for_long_is_given_up_and_waits_for_nobody"),
    ("csv_columns", HERE, "what_a_file_may_have_is_limited"),
    ("csv_cell_bytes", HERE, "what_a_file_may_have_is_limited"),
    ("csv_row_bytes", HERE, "what_a_file_may_have_is_limited"),
    ("ingest_parallel", HERE, "files_are_read_no_more_at_a_time_than_is_allowed"),
    ("ingest_time", HERE, "nobodys_files_take_all_turns_or_all_time"),
    ("ingest_waiting", HERE, "nobodys_files_take_all_turns_or_all_time"),
    ("import_time", HERE, "waiting_for_others_is_limited"),
    ("import_concurrency", HERE, "waiting_for_others_is_limited"),
    ("query_time", HERE, "what_a_query_may_use_up_is_limited"),
    ("query_memory", HERE, "what_a_query_may_use_up_is_limited"),
    ("query_rows", HERE, "what_a_query_may_use_up_is_limited"),
    ("query_max_rows", HERE, "what_a_query_may_use_up_is_limited"),
    ("query_bytes", HERE, "what_a_query_may_use_up_is_limited"),
    ("query_concurrency", HERE, "a_query_whose_turn_does_not_come_is_refused_with_a_time_to_come_back"),
    ("query_wait", HERE, "a_query_whose_turn_does_not_come_is_refused_with_a_time_to_come_back"),
    ("engine_memory", HERE, "what_all_queries_may_use_up_together_is_limited"),
    ("engine_spill", HERE, "what_all_queries_may_use_up_together_is_limited"),
    ("kept_result_bytes", HERE, "what_a_query_may_use_up_is_limited"),
    ("result_cache_bytes", HERE, "what_a_query_may_use_up_is_limited"),
    ("redis_wait", SHARED, "a_server_that_is_frozen_costs_little_and_then_nothing"),
    ("redis_connect_time", SHARED, "without_a_server_nothing_is_waited_for"),
    ("redis_value_bytes", SHARED, "large_values_stay_here"),
    ("cache_result_ttl", SHARED, "what_is_put_can_be_got_until_its_time_is_over"),
    ("cache_llm_ttl", "command/src/app/questions/cache.rs", "what_is_too_much_or_too_old_is_not_kept"),
    ("cache_bytes", "query-api/tests/it/fresh.rs", "what_there_is_no_room_for_is_read_again"),
    ("position_wait", HERE, "waiting_for_others_is_limited"),
    ("event_streams", "tests/e2e/subscribing.rs", "streams_are_limited_and_end_with_their_token"),
    ("past_kept", PAST, "what_nobody_looks_at_makes_room"),
    ("past_events", PAST, "too_much_is_refused_and_what_takes_too_long_goes_on"),
    ("past_wait", PAST, "too_much_is_refused_and_what_takes_too_long_goes_on"),
    ("archive_time", ARCHIVE, "what_waits_is_archived_in_time_or_by_number"),
    ("archive_events", ARCHIVE, "what_waits_is_archived_in_time_or_by_number"),
    ("model_time", HERE, "waiting_for_others_is_limited"),
    ("model_concurrency", HERE, "waiting_for_others_is_limited"),
    (
        "model_prompt_bytes",
        "command/src/app/questions/prompt_tests.rs",
        "thousands_of_tables_and_columns_are_cut_to_the_ones_that_matter",
    ),
    ("model_cache_bytes", "command/src/app/questions/cache.rs", "what_is_too_much_or_too_old_is_not_kept"),
    (
        "reply_bytes",
        "infra/src/http/idempotency/tests.rs",
        "a_full_bucket_keeps_no_answers_and_fails_no_requests",
    ),
    ("api_keys", HERE, "keys_and_attempts_are_limited"),
    ("login_attempts", HERE, "keys_and_attempts_are_limited"),
    ("address_attempts", HERE, "keys_and_attempts_are_limited"),
];
const HERE: &str = "tests/e2e/limits.rs";
const WEBHOOKS: &str = "tests/e2e/webhooks.rs";
const ARCHIVE: &str = "archive/tests/archive/main.rs";
const PAST: &str = "projector/tests/it/past.rs";
const SHARED: &str = "infra/src/cache/tests.rs";

#[test]
fn every_limit_is_shown_by_a_test() {
    let page = std::fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let keys = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let keys: std::collections::BTreeSet<&str> = keys.collect();
    let shown: std::collections::BTreeSet<&str> = SHOWN_BY.iter().map(|(key, _, _)| *key).collect();
    assert_eq!(keys, shown);
    for (key, file, test) in SHOWN_BY {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{key}: {file} has no test {test}");
    }
}
