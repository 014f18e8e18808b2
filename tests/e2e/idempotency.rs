//! The same Idempotency-Key gives the same answer, also after a restart.

use reqwest::{
    RequestBuilder, StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use weir_tests::{Caller, Weir};

async fn keyed(caller: &Caller, path: &str, key: &str, body: &Value) -> (StatusCode, bool, Value) {
    sent(caller.post(path).json(body), key).await
}

async fn sent(request: RequestBuilder, key: &str) -> (StatusCode, bool, Value) {
    let answer = request.header("idempotency-key", key).send().await.unwrap();
    let replayed = answer.headers().get("idempotency-replayed").is_some_and(|v| v == "true");
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, replayed, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_its_first_answer_across_a_restart() {
    let mut weir = Weir::start().await;
    let mut ada = weir.register("ada").await;
    ada.upload_sample("airlines.csv").await;

    let query = json!({"sql": "SELECT name, random() AS r FROM airlines ORDER BY name"});
    let chart = json!({"name": "c", "query": {"sql": "SELECT name FROM airlines"}, "chart": {"type": "bar", "x": "name"}});
    let workspace = json!({"name": "second"});
    let key = json!({"name": "k", "role": "viewer"});
    let requests = [
        ("/api/v1/queries", &query),
        ("/api/v1/visualizations", &chart),
        ("/api/v1/workspaces", &workspace),
        ("/api/v1/api-keys", &key),
    ];
    let mut first = Vec::new();
    let mut last = 0;
    for (n, (path, body)) in requests.iter().enumerate() {
        let (status, replayed, answer) = keyed(&ada, path, &format!("key-{n}"), body).await;
        assert!(status.is_success() && !replayed, "{path}: {status} {answer}");
        last = last.max(answer["position"].as_u64().unwrap_or_default());
        first.push((status, answer));
    }

    assert_eq!(weir.stop().await, Some(0));
    weir.restart().await;
    weir.url().clone_into(&mut ada.url);

    for (n, (path, body)) in requests.iter().enumerate() {
        let (status, replayed, answer) = keyed(&ada, path, &format!("key-{n}"), body).await;
        assert!(replayed, "{path}: {status} {answer}");
        assert_eq!((status, &answer), (first[n].0, &first[n].1), "{path}");
        let other = json!({"name": "another", "sql": "SELECT 2", "role": "viewer"});
        let (status, _, answer) = keyed(&ada, path, &format!("key-{n}"), &other).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {answer}");
        assert_eq!(answer["code"], "idempotency_key_reused", "{path}");
    }
    // Whatever a repetition did is behind this in the log.
    let (_, _, marker) = keyed(&ada, "/api/v1/workspaces", "marker", &json!({"name": "marker"})).await;
    let position = marker["position"].as_u64().unwrap();
    assert!(position > last);
    for path in ["/api/v1/visualizations", "/api/v1/api-keys", "/api/v1/runs"] {
        let list = ada.read(&format!("{path}?min_position={position}")).await;
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{path}: {list}");
    }
}

/// The same file in the two ways in which it can be sent.
fn uploads(caller: &Caller, content: &str) -> [(&'static str, RequestBuilder); 2] {
    let raw =
        caller.post("/api/v1/datasets?name=raw").header("content-type", "text/csv").body(content.to_owned());
    // Every form has a boundary of its own.
    let part = Part::text(content.to_owned()).file_name("form.csv").mime_str("text/csv").unwrap();
    let form = caller.post("/api/v1/datasets").multipart(Form::new().text("name", "form").part("file", part));
    [("raw", raw), ("form", form)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_upload_gets_its_first_answer_across_a_restart() {
    let mut weir = Weir::start().await;
    let mut ada = weir.register("ada").await;
    let content = "a,b\n1,2\n".repeat(10_000);
    let mut first = Vec::new();
    for (key, upload) in uploads(&ada, &content) {
        let (status, replayed, answer) = sent(upload, key).await;
        assert_eq!((status, replayed), (StatusCode::ACCEPTED, false), "{key}: {answer}");
        first.push(answer);
    }

    assert_eq!(weir.stop().await, Some(0));
    weir.restart().await;
    weir.url().clone_into(&mut ada.url);

    for ((key, upload), first) in uploads(&ada, &content).into_iter().zip(&first) {
        let (status, replayed, answer) = sent(upload, key).await;
        assert_eq!((status, replayed, &answer), (StatusCode::ACCEPTED, true, first), "{key}");
    }
    for (key, upload) in uploads(&ada, "a,b\n3,4\n") {
        let (status, _, answer) = sent(upload, key).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{key}: {answer}");
        assert_eq!(answer["code"], "idempotency_key_reused", "{key}");
    }
    let marker = ada.upload("marker", b"a\n1\n".to_vec()).await;
    let position = marker["position"].as_u64().unwrap();
    let list = ada.read(&format!("/api/v1/datasets?sort=name&min_position={position}")).await;
    let names: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["form", "marker", "raw"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_at_once_under_one_key_one_is_carried_out() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let body = json!({"name": "once"});
    let all = (0..20).map(|_| keyed(&ada, "/api/v1/workspaces", "the key", &body));
    let answers = futures::future::join_all(all).await;
    for (status, _, answer) in &answers {
        assert!(*status == StatusCode::CREATED || *status == StatusCode::CONFLICT, "{status} {answer}");
    }
    assert_eq!(answers.iter().filter(|(s, replayed, _)| *s == StatusCode::CREATED && !replayed).count(), 1);
    let there = ada.read("/api/v1/workspaces").await;
    assert_eq!(there["items"].as_array().unwrap().iter().filter(|w| w["name"] == "once").count(), 1);
}
