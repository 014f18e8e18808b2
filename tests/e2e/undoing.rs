//! What happened to one thing is told with what it changed, and can be taken back.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_tests::{Caller, Weir, expect};

async fn history(caller: &Caller, of: &str, position: u64) -> Vec<Value> {
    let request = caller.get(&format!("/api/v1/{of}/history?sort=position"));
    let answer = request.header("weir-min-position", position).send().await.unwrap();
    expect(answer, StatusCode::OK).await["items"].as_array().unwrap().clone()
}

async fn change(caller: &Caller, of: &str, body: &Value) -> u64 {
    let answer = caller.request(Method::PATCH, &format!("/api/v1/{of}")).json(body).send().await.unwrap();
    expect(answer, StatusCode::OK).await["position"].as_u64().unwrap()
}

async fn delete(caller: &Caller, of: &str) -> u64 {
    let answer = caller.request(Method::DELETE, &format!("/api/v1/{of}")).send().await.unwrap();
    expect(answer, StatusCode::OK).await["position"].as_u64().unwrap()
}

async fn undo(caller: &Caller, of: &str, position: u64) -> Value {
    caller.make(&format!("/api/v1/{of}/undo"), &json!({ "position": position }), StatusCode::OK).await
}

async fn refused(caller: &Caller, of: &str, position: u64) -> (u16, String) {
    let request = caller.post(&format!("/api/v1/{of}/undo")).json(&json!({ "position": position }));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json::<Value>().await.unwrap()["code"].as_str().unwrap().to_owned())
}

/// The change of a field, among those of an event.
fn changed<'a>(item: &'a Value, field: &str) -> &'a Value {
    let changes = item["changes"].as_array().unwrap();
    changes.iter().find(|c| c["field"] == field).unwrap_or_else(|| panic!("{field} in {item}"))
}

fn position(answer: &Value) -> u64 {
    answer["position"].as_u64().unwrap()
}

async fn shown(caller: &Caller, of: &str, position: u64) -> Value {
    let request = caller.get(&format!("/api/v1/{of}")).header("weir-min-position", position);
    expect(request.send().await.unwrap(), StatusCode::OK).await
}

async fn answered(caller: &Caller, sql: &str) -> Value {
    caller.make("/api/v1/queries", &json!({ "sql": sql }), StatusCode::OK).await["rows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn datasets_tell_what_changed_and_go_back() {
    let weir = Weir::start().await;
    let (ada, bob) = (&weir.register("ada").await, &weir.register("bob").await);
    let made = ada.upload("flights", b"carrier,delay\nUA,3\nAA,4\n".to_vec()).await;
    let of = &format!("datasets/{}", made["id"].as_str().unwrap());

    let renamed = change(ada, of, &json!({ "name": "delays", "description": "late ones" })).await;
    let request = ada.post(&format!("/api/v1/{of}/versions")).header("prefer", "wait=30");
    let second = request.header("content-type", "text/csv").body("carrier,delay,day\nUA,3.5,1\n");
    expect(second.send().await.unwrap(), StatusCode::CREATED).await;
    assert_eq!(answered(ada, "SELECT count(*) FROM delays").await, json!([[1]]));

    let told = history(ada, of, renamed).await;
    let kinds: Vec<_> = told.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "weir.dataset.uploaded.v2",
            "weir.dataset.ingested.v1",
            "weir.dataset.renamed.v1",
            "weir.dataset.described.v1",
            "weir.dataset.uploaded.v2",
            "weir.dataset.ingested.v1",
        ]
    );
    assert_eq!(changed(&told[2], "name"), &json!({ "field": "name", "from": "flights", "to": "delays" }));
    assert_eq!(changed(&told[5], "rows")["to"], 1);
    let columns = changed(&told[5], "columns")["diff"].as_str().unwrap();
    assert!(columns.contains("-delay: int\n+delay: float\n+day: int\n"), "{columns}");
    let at = |n: usize| told[n]["position"].as_u64().unwrap();
    assert!(told[2]["actor"].as_str().unwrap().starts_with("user:"));

    // The newest first, in pages, and as it was.
    let newest = ada.read(&format!("/api/v1/{of}/history?limit=1&fields=position,changes.field")).await;
    assert_eq!(newest["items"][0]["position"], told[5]["position"]);
    assert_eq!(newest["items"][0]["changes"][0], json!({ "field": "columns" }));
    let past = ada.read(&format!("/api/v1/{of}/history?as_of={}", at(2))).await;
    assert_eq!(past["items"].as_array().unwrap().len(), 3);
    assert_eq!(past["items"][0]["changes"], told[2]["changes"]);

    // Each part goes back on its own, and says what it takes back.
    let undone = undo(ada, of, at(4)).await;
    assert_eq!((undone["undone"].as_u64(), undone["changed"].as_bool()), (Some(at(4)), Some(true)));
    assert_eq!(answered(ada, "SELECT count(*), sum(delay) FROM delays").await, json!([[2, 7]]));
    let undone = undo(ada, of, at(2)).await;
    let now = shown(ada, of, position(&undone)).await;
    assert_eq!((&now["name"], &now["description"]), (&json!("flights"), &json!("late ones")));
    assert_eq!(undo(ada, of, at(2)).await["changed"], false);
    let events =
        ada.read(&format!("/api/v1/events?after={}&types=weir.dataset", position(&undone) - 3)).await;
    let taken_back =
        events["items"].as_array().unwrap().iter().find(|e| e["type"] == "weir.dataset.renamed.v1");
    let original = ada.read(&format!("/api/v1/events?after={}&limit=1", at(2) - 1)).await;
    assert_eq!(taken_back.unwrap()["causation"], original["items"][0]["id"]);

    // What came of something else, what nobody did, and what is another's.
    assert_eq!(refused(ada, of, at(1)).await, (409, "not_undoable".to_owned()));
    assert_eq!(refused(ada, of, 1).await, (404, "event_not_found".to_owned()));
    assert_eq!(refused(bob, of, at(2)).await, (404, "event_not_found".to_owned()));
    assert_eq!(bob.get(&format!("/api/v1/{of}/history")).send().await.unwrap().status(), 404);
    assert_eq!(refused(&weir.anonymous(), of, at(2)).await, (401, "token_missing".to_owned()));

    // A name that somebody else has by now.
    let gone = delete(ada, of).await;
    ada.upload("flights", b"a\n1\n".to_vec()).await;
    assert_eq!(refused(ada, of, gone).await, (409, "name_taken".to_owned()));

    let told = history(ada, of, gone).await;
    assert_eq!(changed(told.last().unwrap(), "deleted")["to"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_contexts_and_saved_queries_go_back_unless_changed_since() {
    let weir = Weir::start().await;
    let ada = &weir.register("ada").await;
    ada.upload("flights", b"carrier,delay\nUA,3\nAA,4\n".to_vec()).await;

    let chart = json!({ "name": "Delay", "query": { "sql": "SELECT carrier, delay FROM flights" },
                        "chart": { "type": "bar", "x": "carrier", "y": "delay" } });
    let made = ada.make("/api/v1/visualizations", &chart, StatusCode::CREATED).await;
    let of = &format!("visualizations/{}", made["id"].as_str().unwrap());
    let redrawn =
        change(ada, of, &json!({ "chart": { "type": "line", "x": "carrier", "y": "delay" } })).await;
    let told = history(ada, of, redrawn).await;
    let spec = changed(&told[1], "spec")["diff"].as_str().unwrap();
    assert!(spec.contains("bar") && spec.contains("line"), "{spec}");
    let again = change(ada, of, &json!({ "chart": { "type": "point", "x": "carrier", "y": "delay" } })).await;
    assert_eq!(refused(ada, of, redrawn).await, (409, "changed_since".to_owned()));
    undo(ada, of, again).await;
    let undone = undo(ada, of, redrawn).await;
    // Step by step, back to the first.
    assert_eq!(undone["changed"], true);
    assert_eq!(shown(ada, of, position(&undone)).await["chart"]["type"], "bar");

    let text = |version: &str, about: &str| {
        json!({ "content": format!(
            "---\nname: Delays\nversion: {version}\ndescription: The {about} text about delays\ndatasets:\n  - {{id: flights, name: Flights, dataset_id: flights}}\n---\n"
        ) })
    };
    let saved = ada.make("/api/v1/contexts", &text("1.0.0", "first"), StatusCode::CREATED).await;
    let of = &format!("contexts/{}", saved["id"].as_str().unwrap());
    let second = ada.make("/api/v1/contexts", &text("1.1.0", "second"), StatusCode::OK).await;
    let told = history(ada, of, position(&second)).await;
    let diff = changed(told.last().unwrap(), "text")["diff"].as_str().unwrap();
    assert!(diff.contains("-description: The first text about delays\n"), "{diff}");
    let undone = undo(ada, of, position(&second)).await;
    assert_eq!(shown(ada, of, position(&undone)).await["version"], "1.0.0");
    let gone = delete(ada, of).await;
    let undone = undo(ada, of, gone).await;
    assert_ne!(shown(ada, of, position(&undone)).await["status"], "deleted");

    let run = ada.make("/api/v1/queries", &json!({ "sql": "SELECT 1 AS x" }), StatusCode::OK).await;
    let of = &format!("queries/{}", run["query_id"].as_str().unwrap());
    let named = ada.make(&format!("/api/v1/{of}/save"), &json!({ "name": "One" }), StatusCode::OK).await;
    let renamed = change(ada, of, &json!({ "name": "Uno" })).await;
    assert_eq!(history(ada, of, renamed).await.len(), 2, "runs are not in it");
    undo(ada, of, renamed).await;
    let given_up = delete(ada, of).await;
    let undone = undo(ada, of, given_up).await;
    assert_eq!(shown(ada, of, position(&undone)).await["name"], "One");
    assert_eq!(refused(ada, of, position(&run)).await, (404, "event_not_found".to_owned()));
    assert_eq!(refused(ada, of, position(&named)).await, (409, "changed_since".to_owned()));
}
