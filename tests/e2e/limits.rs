//! What is over a limit gets a code that says so, and a time to come back where that helps.

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
