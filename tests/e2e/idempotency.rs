//! The same Idempotency-Key gives the same answer, also after a restart.

use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_tests::{Caller, Weir};

async fn keyed(caller: &Caller, path: &str, key: &str, body: &Value) -> (StatusCode, bool, Value) {
    let answer = caller.post(path).header("idempotency-key", key).json(body).send().await.unwrap();
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
    for (n, (path, body)) in requests.iter().enumerate() {
        let (status, replayed, answer) = keyed(&ada, path, &format!("key-{n}"), body).await;
        assert!(status.is_success() && !replayed, "{path}: {status} {answer}");
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
    assert_eq!(ada.read("/api/v1/visualizations").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(ada.read("/api/v1/api-keys").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(ada.read("/api/v1/runs").await["items"].as_array().unwrap().len(), 1);
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
