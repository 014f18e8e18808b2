//! Weir dies while a file is being read.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use weir_tests::{Weir, expect};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_being_read_when_weir_was_killed_becomes_ready_once() {
    let mut weir = Weir::start().await;
    let mut ada = weir.register("ada").await;
    let rows = 2_000_000;
    let mut content = String::from("n,carrier,note\n");
    for n in 0..rows {
        content.push_str(&format!("{n},UA,row {n}\n"));
    }
    let request = ada.post("/api/v1/datasets?name=large").header("content-type", "text/csv").body(content);
    let upload = expect(request.send().await.unwrap(), StatusCode::ACCEPTED).await;
    let path = format!("/api/v1/datasets/{}", upload["id"].as_str().unwrap());
    let position = upload["position"].as_u64().unwrap();
    // Its worker has it by now, or is about to.
    let dataset = ada.read(&format!("{path}?min_position={position}")).await;
    assert_eq!(dataset["status"], "ingesting", "{dataset}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    weir.kill().await;
    weir.restart().await;
    weir.url().clone_into(&mut ada.url);

    let mut dataset = ada.read(&format!("{path}?min_position={position}")).await;
    assert_eq!(dataset["status"], "ingesting", "it was read before the kill: {dataset}");
    // The silent worker's turn ends after half a minute.
    for _ in 0..600 {
        if dataset["status"] != "ingesting" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        dataset = ada.read(&path).await;
    }
    assert_eq!(
        (&dataset["status"], &dataset["version"], &dataset["rows"]),
        (&json!("ready"), &json!(1), &json!(rows)),
        "{dataset}"
    );
    let versions = ada.read(&format!("{path}/versions")).await;
    assert_eq!(versions["items"].as_array().map(Vec::len), Some(1), "{versions}");
    let sql = json!({"sql": "SELECT count(*) AS n, sum(n) AS s FROM large"});
    let answer = ada.make("/api/v1/queries", &sql, StatusCode::OK).await;
    assert_eq!(answer["rows"], json!([[rows, i64::from(rows) * (i64::from(rows) - 1) / 2]]));
    let read = ada.read(&format!("/api/v1/activity?limit=200&min_position={}", answer["position"])).await;
    let read = read["items"].as_array().unwrap().iter().filter(|a| a["type"] == "weir.dataset.ingested.v1");
    assert_eq!(read.count(), 1, "read once");
}
