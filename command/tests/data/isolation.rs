//! One tenant never sees another's, and SQL never sees the machine.

use reqwest::{Method, StatusCode};
use serde_json::json;
use weir_command::Config;
use weir_events::member::Role;

use crate::world::{Answer, World};

#[tokio::test]
async fn another_workspaces_things_are_not_there() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let (ada, eve) = (weir.someone(), weir.someone());
    let secret = ada.ready("salaries", "name,pay\nada,1\n").await;
    let run = ada.sql("SELECT pay FROM salaries").await.ok();
    let chart = json!({"type": "bar", "x": "name", "y": "pay"});
    let drawn = ada.post(
        "visualizations",
        json!({"name": "Pay", "query": {"sql": "SELECT * FROM salaries"}, "chart": chart.clone()}),
    );
    let drawn = drawn.await.ok();

    let denied = eve.sql("SELECT * FROM salaries").await;
    denied.refused(422, "unknown_table");
    assert!(!denied.text("detail").contains("Did you mean"), "{}", denied.body);
    let near = eve.sql("SELECT * FROM salarie").await;
    assert!(!near.body.to_string().contains("salaries"), "{}", near.body);

    let dataset = format!("datasets/{}", secret.text("id"));
    eve.get(&format!("{dataset}/preview")).await.refused(404, "dataset_not_found");
    eve.get(&format!("{dataset}/download")).await.refused(404, "dataset_not_found");
    eve.send(Method::PATCH, &dataset, json!({"name": "mine"})).await.refused(404, "dataset_not_found");
    eve.send(Method::DELETE, &dataset, json!({})).await.refused(404, "dataset_not_found");
    eve.post(&format!("{dataset}/restore"), json!({})).await.refused(404, "dataset_not_found");
    eve.post("visualizations/suggest", json!({"dataset_id": secret.text("id")}))
        .await
        .refused(404, "dataset_not_found");
    let query = format!("queries/{}", run.text("query_id"));
    eve.post(&format!("{query}/save"), json!({"name": "mine"})).await.refused(404, "query_not_found");
    let visualization = format!("visualizations/{}", drawn.text("id"));
    eve.get(&format!("{visualization}/data")).await.refused(404, "visualization_not_found");
    eve.send(Method::DELETE, &visualization, json!({})).await.refused(404, "visualization_not_found");
    let stolen = json!({"name": "x", "run_id": run.text("run_id"), "chart": chart});
    eve.post("visualizations", stolen).await.refused(404, "run_not_found");
    let sent = eve.request(Method::POST, "queries").header("weir-workspace", ada.workspace.to_string());
    let sent = sent.json(&json!({"sql": "SELECT 1"})).send().await.unwrap();
    Answer::of(sent).await.refused(404, "workspace_not_found");

    // The same names in another workspace are others' names, and others' results.
    eve.ready("salaries", "name,pay\neve,2\n").await;
    let own = eve.sql("SELECT * FROM salaries").await.ok();
    assert_eq!((own.header("weir-cache"), &own.body["rows"][0][0]), ("miss", &json!("eve")));
}

#[tokio::test]
async fn viewers_ask_and_editors_change() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let (ada, bob) = (weir.someone(), weir.someone());
    let dataset = ada.ready("flights", "a\n1\n").await;
    weir.invite(&bob, ada.workspace, Role::Viewer).await;
    let there = ada.workspace.to_string();
    let ask = |method, path: &str, body| {
        let request = bob.request(method, path).header("weir-workspace", &there).json(&body);
        async { Answer::of(request.send().await.unwrap()).await }
    };
    let run = ask(Method::POST, "queries", json!({"sql": "SELECT * FROM flights"})).await.ok();
    ask(Method::GET, &format!("datasets/{}/preview", dataset.text("id")), json!({})).await.ok();
    ask(Method::POST, "visualizations/suggest", json!({"sql": "SELECT * FROM flights"})).await.ok();
    for (method, path) in [
        (Method::PATCH, format!("datasets/{}", dataset.text("id"))),
        (Method::DELETE, format!("datasets/{}", dataset.text("id"))),
        (Method::POST, format!("queries/{}/save", run.text("query_id"))),
        (Method::POST, "visualizations".to_owned()),
    ] {
        ask(method, &path, json!({"name": "x"})).await.refused(403, "role_too_low");
    }
    let upload = bob.upload("mine", "a\n1\n").header("weir-workspace", &there).send().await.unwrap();
    assert_eq!(upload.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.files("uploads"), 1);
}

#[tokio::test]
async fn sql_reaches_nothing_but_the_tables() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    ada.ready("flights", "a\n1\n").await;
    let table = world.folder.path().join("blobs").display().to_string();
    let tries = [
        "SELECT * FROM '/etc/passwd'".to_owned(),
        format!("SELECT * FROM '{table}'"),
        "SELECT * FROM \"file:///etc/passwd\"".to_owned(),
        "SELECT * FROM information_schema.tables".to_owned(),
        "SELECT * FROM information_schema.df_settings".to_owned(),
        "SHOW TABLES".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'".to_owned(),
        "CREATE TABLE x AS SELECT 1".to_owned(),
        "COPY flights TO '/etc/flights.csv'".to_owned(),
        "COPY (SELECT 1) TO '/etc/x.csv'".to_owned(),
        "INSERT INTO flights VALUES (1)".to_owned(),
        "DELETE FROM flights".to_owned(),
        "DROP TABLE flights".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        "EXPLAIN ANALYZE INSERT INTO flights VALUES (1)".to_owned(),
        "SELECT * FROM read_csv('/etc/passwd')".to_owned(),
    ];
    for sql in tries {
        let answer = ada.sql(&sql).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{sql}: {}", answer.body);
        assert!(!answer.body.to_string().contains("root:"), "{sql}: {}", answer.body);
    }
    assert_eq!(ada.sql("SELECT count(*) FROM flights").await.ok().body["rows"][0][0], 1);
}
