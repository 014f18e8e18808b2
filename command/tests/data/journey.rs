//! From a file to a chart, as people go.

use object_store::ObjectStoreExt;
use reqwest::{Method, StatusCode, multipart};
use serde_json::json;
use weir_command::Config;

use crate::world::{Answer, World};

const AIRLINES: &str = "carrier,name\nUA,United Air Lines Inc.\nAA,American Airlines Inc.\n";
const FLIGHTS: &str = "carrier,arr_delay,origin\nUA,11,EWR\nUA,20,LGA\nAA,NA,JFK\nAA,-18,JFK\nUA,5,EWR\n";

const JOIN: &str = "SELECT a.name, count(*) AS flights, avg(f.arr_delay) AS delay \
    FROM flights f JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY flights DESC";

#[tokio::test]
async fn from_a_file_to_a_chart() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();

    // Without a worker the file waits.
    let accepted = Answer::of(ada.upload("airlines", AIRLINES).send().await.unwrap()).await.ok();
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    assert_eq!((accepted.text("name"), accepted.text("status")), ("airlines", "ingesting"));
    assert_eq!(accepted.header("location"), format!("/api/v1/datasets/{}", accepted.text("id")));
    let early = ada.sql("SELECT * FROM airlines").await;
    early.refused(409, "dataset_not_ready");
    assert_eq!(early.header("retry-after"), "2");

    let _worker = weir.worker();
    let flights = ada.ready("flights", FLIGHTS).await.ok();
    assert_eq!(flights.body["rows"], 5);
    assert_eq!(flights.body["columns"][1]["type"], "int", "{}", flights.body);
    assert_eq!(flights.body["columns"][1]["nullable"], true);
    assert_eq!(flights.text("status"), "ready");
    assert!(flights.header("preference-applied").starts_with("wait="));
    let id = weir_events::DatasetId(accepted.text("id").parse().unwrap());
    weir.app.directory().settled(ada.workspace, id, 1, crate::world::SECOND * 10).await.unwrap();

    // Asked twice, computed once.
    let first = ada.sql(JOIN).await.ok();
    assert_eq!(first.body["rows"][0], json!(["United Air Lines Inc.", 3, 12.0]));
    assert_eq!(first.body["rows"][1], json!(["American Airlines Inc.", 2, -18.0]));
    assert_eq!(first.body["row_count"], 2);
    assert_eq!(first.body["truncated"], false);
    assert_eq!(first.body["datasets"].as_array().unwrap().len(), 2);
    assert_eq!((first.header("weir-cache"), &first.body["cache"]["hit"]), ("miss", &json!(false)));
    let second = ada.sql(&JOIN.replace("SELECT", "select  ")).await.ok();
    assert_eq!(second.header("weir-cache"), "hit; tier=1");
    assert_eq!(second.text("query_id"), first.text("query_id"), "the same pattern");
    assert_ne!(second.text("run_id"), first.text("run_id"), "another run");
    assert_eq!(world.files("results"), 1, "kept once");

    let csv = ada.request(Method::POST, "queries").header("accept", "text/csv").json(&json!({"sql": JOIN}));
    let csv = Answer::of(csv.send().await.unwrap()).await.ok();
    assert!(csv.body.as_str().unwrap().starts_with("name,flights,delay\n"), "{}", csv.body);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("weir-query-id"), first.text("query_id"));

    // Saved, renamed, given up.
    let query = format!("queries/{}", first.text("query_id"));
    let saved = ada.post(&format!("{query}/save"), json!({"name": "Delays"})).await.ok();
    assert_eq!(saved.text("name"), "Delays");
    ada.send(Method::PATCH, &query, json!({"name": "delays by carrier"})).await.ok();
    ada.send(Method::DELETE, &query, json!({})).await.ok();
    ada.send(Method::DELETE, &query, json!({})).await.refused(409, "query_not_saved");

    // A chart of the run, then of other SQL.
    let chart = json!({"type": "bar", "x": "name", "y": "delay", "title": "Delay by carrier"});
    let body = json!({"name": "Delay by carrier", "run_id": second.text("run_id"), "chart": chart});
    let drawn = ada.post("visualizations", body.clone()).await.ok();
    assert_eq!(drawn.status, StatusCode::CREATED);
    assert_eq!(drawn.body["spec"]["mark"]["type"], "bar", "{}", drawn.body);
    assert_eq!(drawn.body["spec"]["encoding"]["y"]["field"], "delay", "{}", drawn.body);
    assert_eq!(drawn.text("query_id"), first.text("query_id"));
    ada.post("visualizations", body).await.refused(409, "name_taken");
    let path = format!("visualizations/{}", drawn.text("id"));
    let data = ada.get(&format!("{path}/data")).await.ok();
    assert_eq!(data.body["rows"][0][0], "United Air Lines Inc.");
    assert_eq!(data.header("weir-cache"), "hit; tier=1", "it shares the results of queries");
    let sql = "SELECT name, length(name) AS delay FROM airlines";
    let changed =
        ada.send(Method::PATCH, &path, json!({"query": {"sql": sql}, "description": "odd"})).await.ok();
    assert_eq!((changed.text("sql"), changed.text("description")), (sql, "odd"));
    assert_eq!(changed.body["chart"]["x"], "name", "it is drawn as before");
    let broken =
        ada.send(Method::PATCH, &path, json!({"query": {"sql": "SELECT carrier FROM airlines"}})).await;
    broken.refused(422, "invalid_chart");
    ada.send(Method::PATCH, &path, json!({"spec": {"mark": 5}})).await.refused(422, "invalid_spec");
    ada.send(Method::DELETE, &path, json!({})).await.ok();
    ada.get(&format!("{path}/data")).await.refused(404, "visualization_not_found");
    ada.request(Method::POST, &format!("{path}/restore")).send().await.unwrap().error_for_status().unwrap();

    let suggested = ada.post("visualizations/suggest", json!({"dataset_id": flights.text("id")})).await.ok();
    assert!(!suggested.body["items"].as_array().unwrap().is_empty(), "{}", suggested.body);
    // Only the answers of runs are kept.
    assert_eq!(world.files("results"), 1);
    let suggested = ada.post("visualizations/suggest", json!({"sql": JOIN})).await.ok();
    assert_eq!(world.files("results"), 1);
    assert!(suggested.body["items"][0]["spec"].is_object(), "{}", suggested.body);
}

#[tokio::test]
async fn a_dataset_is_renamed_described_deleted_and_restored() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let flights = ada.ready("flights", FLIGHTS).await;
    let path = format!("datasets/{}", flights.text("id"));

    assert_eq!(
        ada.get(&format!("{path}/preview?limit=1000")).await.ok().body["rows"].as_array().unwrap().len(),
        5
    );
    let preview = ada.get(&format!("{path}/preview?limit=2")).await.ok();
    assert_eq!(preview.body["rows"].as_array().unwrap().len(), 2);
    assert_eq!((&preview.body["total_rows"], &preview.body["truncated"]), (&json!(5), &json!(true)));
    let file = ada.get(&format!("{path}/download")).await.ok();
    assert_eq!(file.body.as_str().unwrap(), FLIGHTS);
    let flights = weir_events::DatasetId(flights.text("id").parse().unwrap());
    let blob = weir.app.directory().dataset(ada.workspace, flights).unwrap().upload.blob;
    weir.blobs.delete(&object_store::path::Path::parse(&blob).unwrap()).await.unwrap();
    ada.get(&format!("{path}/download")).await.refused(410, "file_gone");
    assert!(file.header("content-disposition").starts_with("attachment"), "{:?}", file.headers);

    ada.send(Method::PATCH, &path, json!({"name": "FLIGHTS"})).await.ok();
    ada.sql("SELECT count(*) FROM flights").await.ok();
    let changed =
        ada.send(Method::PATCH, &path, json!({"name": "Trips 2013", "description": "On time"})).await.ok();
    assert_eq!(changed.text("description"), "On time");
    ada.sql("SELECT count(*) FROM flights").await.refused(422, "unknown_table");
    assert_eq!(ada.sql("SELECT count(*) FROM \"Trips 2013\"").await.ok().body["rows"][0][0], 5);

    ada.ready("flights", FLIGHTS).await;
    ada.send(Method::PATCH, &path, json!({"name": "Flights"})).await.refused(409, "name_taken");
    let cleared = ada.send(Method::PATCH, &path, json!({"description": null})).await.ok();
    assert_eq!(cleared.body["description"], json!(null));
    ada.send(Method::PATCH, &path, json!({"name": "a\u{0}b"})).await.refused(422, "invalid_value");

    ada.send(Method::DELETE, &path, json!({})).await.ok();
    ada.send(Method::DELETE, &path, json!({})).await.refused(404, "dataset_not_found");
    ada.sql("SELECT count(*) FROM \"Trips 2013\"").await.refused(422, "unknown_table");
    ada.get(&format!("{path}/preview")).await.refused(404, "dataset_not_found");
    ada.ready("Trips 2013", FLIGHTS).await;
    ada.post(&format!("{path}/restore"), json!({})).await.refused(409, "name_taken");
    let back = ada.post(&format!("{path}/restore"), json!({"name": "Trips again"})).await.ok();
    assert_eq!((back.text("name"), back.text("status")), ("Trips again", "ready"));
    assert_eq!(ada.sql("SELECT count(*) FROM \"trips again\"").await.ok().body["rows"][0][0], 5);
}

#[tokio::test]
async fn a_file_also_comes_as_the_raw_body_and_says_how_to_read_it() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let raw = ada
        .request(Method::POST, "datasets?name=zips&description=Postcodes&options=%7B%22header%22%3Afalse%7D")
        .header("content-type", "text/csv")
        .header("prefer", "wait=30")
        .body("02134,x\n10001,y\n");
    let made = Answer::of(raw.send().await.unwrap()).await.ok();
    assert_eq!(
        (made.text("name"), made.text("description"), &made.body["rows"]),
        ("zips", "Postcodes", &json!(2))
    );
    assert_eq!(made.body["columns"][0]["type"], "text");

    let nameless = ada.request(Method::POST, "datasets").header("content-type", "text/csv").body("a\n1\n");
    Answer::of(nameless.send().await.unwrap()).await.refused(422, "invalid_value");
    let form = multipart::Form::new().text("name", "x");
    let fileless = ada.request(Method::POST, "datasets").multipart(form);
    Answer::of(fileless.send().await.unwrap()).await.refused(422, "invalid_body");
    let form = multipart::Form::new().text("colour", "x");
    let unknown = ada.request(Method::POST, "datasets").multipart(form);
    Answer::of(unknown.send().await.unwrap()).await.refused(422, "invalid_body");
    assert_eq!(world.files("uploads"), 1);
}
