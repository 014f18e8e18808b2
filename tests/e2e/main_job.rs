//! The main job: from files to a dashboard, every number folded from events.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;
use weir_tests::{Weir, expect};

const JOIN: &str = "SELECT a.name, count(*) AS flights, avg(f.arr_delay) AS delay \
    FROM flights f JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY flights DESC";

#[tokio::test(flavor = "multi_thread")]
async fn five_files_become_a_dashboard() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;

    let mut columns = std::collections::BTreeMap::new();
    for file in ["airlines.csv", "airports.csv", "planes.csv", "weather.csv", "flights.csv.gz"] {
        let dataset = ada.upload_sample(file).await;
        assert_eq!(dataset["status"], "ready", "{dataset}");
        for column in dataset["columns"].as_array().unwrap() {
            let name = format!("{}.{}", dataset["name"].as_str().unwrap(), column["name"].as_str().unwrap());
            columns.insert(name, column["type"].as_str().unwrap().to_owned());
        }
    }
    for (column, wanted) in [
        ("planes.speed", ["int", "float"].as_slice()),
        ("weather.wind_gust", &["int", "float"]),
        ("flights.time_hour", &["timestamp", "timestamptz"]),
        ("flights.arr_delay", &["int", "float"]),
        ("flights.tailnum", &["text"]),
    ] {
        assert!(wanted.contains(&columns[column].as_str()), "{column} is {}", columns[column]);
    }

    let answer = ada.make("/api/v1/queries", &json!({"sql": JOIN}), StatusCode::OK).await;
    assert_eq!(answer["columns"][0]["name"], "name");
    assert_eq!(answer["rows"][0][0], "United Air Lines Inc.", "{answer}");
    assert_eq!(answer["rows"][0][1], 2101);
    assert_eq!(answer["truncated"], false);
    assert_eq!(answer["datasets"].as_array().unwrap().len(), 2, "{answer}");

    let chart = json!({
        "name": "Flights by airline", "query": {"sql": JOIN},
        "chart": {"type": "bar", "x": "name", "y": "flights", "title": "Flights by airline"},
    });
    let saved = ada.make("/api/v1/visualizations", &chart, StatusCode::CREATED).await;
    let acknowledged = Instant::now();
    let dashboard = ada.dashboard(saved["position"].as_u64().unwrap()).await;
    let mut visible = acknowledged.elapsed();
    println!("the dashboard had everything {visible:?} after the last command's answer");
    // Other tests run beside this one and can only make it slower: the best of a few counts.
    for n in 0..5 {
        let described = json!({"description": format!("Once more: {n}")});
        let path = format!("/api/v1/visualizations/{}", saved["id"].as_str().unwrap());
        let described = ada.request(Method::PATCH, &path).json(&described).send().await.unwrap();
        let described = expect(described, StatusCode::OK).await;
        let acknowledged = Instant::now();
        ada.dashboard(described["position"].as_u64().unwrap()).await;
        println!("and again after {:?}", acknowledged.elapsed());
        visible = visible.min(acknowledged.elapsed());
    }
    assert!(visible < Duration::from_millis(50), "{visible:?}");

    let overview = &dashboard["overview"];
    assert_eq!(overview["datasets"], 5, "{overview}");
    assert_eq!(overview["queries"], 1, "{overview}");
    assert_eq!(overview["queries_today"], 1, "{overview}");
    assert_eq!(overview["visualizations"], 1, "{overview}");
    assert_eq!(overview["total_rows"], 16 + 1458 + 3322 + 1002 + 12208, "{overview}");
    assert_eq!(dashboard["recent"]["uploads"].as_array().unwrap().len(), 5);
    assert_eq!(dashboard["recent"]["queries"][0]["rows"], answer["row_count"], "{dashboard}");
    assert_eq!(dashboard["gallery"][0]["name"], "Flights by airline", "{dashboard}");
    assert_eq!(dashboard["usage"]["days"].as_array().unwrap().last().unwrap()["uploads"], 5);

    let activity: Vec<(u64, String)> = dashboard["activity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["position"].as_u64().unwrap(), a["type"].as_str().unwrap().to_owned()))
        .collect();
    assert!(activity.windows(2).all(|w| w[0].0 > w[1].0), "newest first: {activity:?}");
    let kinds: Vec<&str> = activity.iter().map(|(_, kind)| kind.as_str()).take(2).collect();
    assert!(kinds[0].contains("visualization.saved") && kinds[1].contains("query.executed"), "{kinds:?}");
    assert_eq!(activity.iter().filter(|(_, k)| k.contains("dataset.ingested")).count(), 5, "{activity:?}");

    // The chart's rows, and the specification that draws them.
    let id = saved["id"].as_str().unwrap();
    let data = ada.read(&format!("/api/v1/visualizations/{id}/data")).await;
    assert_eq!(data["rows"][0][0], "United Air Lines Inc.", "{data}");
    // More than a list gives at a time.
    assert_eq!(
        ada.read(&format!("/api/v1/visualizations/{id}/data?limit=50000")).await["rows"],
        data["rows"]
    );
    let chart = ada.read(&format!("/api/v1/visualizations/{id}")).await;
    assert!(chart["spec"]["$schema"].as_str().unwrap().contains("vega-lite"), "{chart}");

    // The same question again comes from the cache, and is still a run of its own.
    let again = ada.make("/api/v1/queries", &json!({"sql": JOIN}), StatusCode::OK).await;
    assert_eq!(again["cache"]["hit"], true, "{again}");
    assert_eq!(again["rows"], answer["rows"]);
    let dashboard = ada.dashboard(again["position"].as_u64().unwrap()).await;
    assert_eq!(dashboard["overview"]["queries"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_rejected_with_the_place() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let request = ada.post("/api/v1/datasets?name=broken").header("content-type", "text/csv");
    let request = request.header("prefer", "wait=30").body("a,b,c\n1,2,3\n4,5\n6,7,8\n");
    let answer = request.send().await.unwrap();
    let position = answer.headers()["weir-position"].to_str().unwrap().to_owned();
    let problem = expect(answer, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(problem["code"], "dataset_rejected", "{problem}");
    assert_eq!(
        (&problem["errors"][0]["code"], &problem["errors"][0]["line"]),
        (&json!("ragged_row"), &json!(3))
    );
    let list = ada.read(&format!("/api/v1/datasets?min_position={position}")).await;
    let dataset = &list["items"][0];
    assert_eq!(dataset["status"], "rejected", "{list}");
    assert_eq!(dataset["rejection"]["row"], 3, "{dataset}");

    let answer =
        ada.post("/api/v1/queries").json(&json!({"sql": "SELECT * FROM broken"})).send().await.unwrap();
    let problem = expect(answer, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(problem["detail"].as_str().unwrap().contains("broken"), "{problem}");

    // How it is read can be corrected, without sending the file again.
    let path = format!("/api/v1/datasets/{}", dataset["id"].as_str().unwrap());
    let correction = json!({"options": {"allow_ragged": true}});
    let answer = ada.request(reqwest::Method::PATCH, &path).json(&correction).send().await.unwrap();
    expect(answer, StatusCode::OK).await;
    let mut now = ada.read(&path).await;
    for _ in 0..300 {
        if now["status"] == "ready" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        now = ada.read(&path).await;
    }
    assert_eq!(
        (&now["status"], &now["version"], &now["rows"]),
        (&json!("ready"), &json!(2), &json!(3)),
        "{now}"
    );
    let sql = json!({"sql": "SELECT count(c) AS n FROM broken"});
    assert_eq!(ada.make("/api/v1/queries", &sql, StatusCode::OK).await["rows"], json!([[2]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_name_gets_the_nearest_one() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let uploaded = ada.upload_sample("airlines.csv").await;
    for (sql, near) in [("SELECT * FROM airlinez", "airlines"), ("SELECT carier FROM airlines", "carrier")] {
        let answer = ada.post("/api/v1/queries").json(&json!({"sql": sql})).send().await.unwrap();
        let problem = expect(answer, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert!(problem["detail"].as_str().unwrap().contains(near), "{problem}");
    }
    for sql in ["DROP TABLE airlines", "COPY airlines TO '/etc/x'", "SELECT 1; SELECT 2", "SET x = 1"] {
        let answer = ada.post("/api/v1/queries").json(&json!({"sql": sql})).send().await.unwrap();
        expect(answer, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let list = format!("/api/v1/datasets?min_position={}", uploaded["position"]);
    assert_eq!(ada.read(&list).await["items"].as_array().unwrap().len(), 1);
}
