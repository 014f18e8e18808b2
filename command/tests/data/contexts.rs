//! Contexts over HTTP: saved in versions, checked, asked, kept from being deleted in use.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_command::Config;

use crate::world::{Answer, Someone, Weir, Worker, World};

const CONTEXT: &str = "---
name: Shop
version: 1.0.0
description: Orders and the customers who placed them
datasets:
  - {id: orders, name: Orders, dataset_id: orders}
  - {id: customers, name: Customers, dataset_id: customers}
relationships:
  - {id: placed_by, type: many-to-one, from_dataset: orders, from_column: customer, to_dataset: customers, to_column: id}
metrics:
  - {id: revenue, name: Revenue, expression: SUM(orders.amount), data_type: float, datasets: [orders]}
  - {id: customer_count, name: Customers, expression: COUNT(*), data_type: integer, datasets: [customers]}
filters:
  - id: at_least
    name: Large orders
    condition: orders.amount >= {least}
    datasets: [orders]
    parameters: [{name: least, data_type: integer, default: 10}]
business_rules:
  - {id: paid, name: Amounts are positive, rule_type: quality, severity: warning, condition: orders.amount > 0, datasets: [orders]}
---
# Shop
";

impl Someone {
    async fn context(&self, text: &str) -> Answer {
        let request = self.request(Method::POST, "contexts").header("content-type", "text/markdown");
        Answer::of(request.body(text.to_owned()).send().await.unwrap()).await
    }

    async fn shop(&self) -> String {
        self.ready("orders", "id,customer,amount\n1,1,10\n2,1,-5\n3,2,20\n4,,\n").await;
        self.ready("customers", "id,city\n1,Oslo\n2,Rome\n3,Rome\n").await;
        self.context(CONTEXT).await.ok().text("id").to_owned()
    }
}

async fn world(world: &World) -> (Weir, Worker, Someone) {
    let weir = world.start(Config::default()).await;
    let (worker, ada) = (weir.worker(), weir.someone());
    (weir, worker, ada)
}

#[tokio::test]
async fn metrics_are_asked_for_by_name() {
    let all = World::new().await;
    let (_weir, _worker, ada) = world(&all).await;
    ada.shop().await;
    let asked = json!({
        "context": "shop", "metrics": ["revenue"], "dimensions": ["customers.city"], "filters": ["at_least"],
        "params": {"least": 15}, "order_by": [{"by": "revenue", "descending": true}],
    });
    let answer = ada.post("queries", asked.clone()).await.ok();
    assert_eq!(answer.body["rows"], json!([["Rome", 20]]), "{}", answer.body);
    assert_eq!(answer.body["context"]["version"], "1.0.0");
    assert!(answer.text("sql").contains("SUM("), "{}", answer.body);
    assert_eq!(answer.body["datasets"].as_array().unwrap().len(), 2);
    let rules = json!([{
        "id": "paid", "rule_type": "quality", "severity": "warning", "message": null, "rows": 4, "broken": 1,
        "undecided": 1,
    }]);
    assert_eq!(answer.body["rules"], rules);

    // The default of the parameter, and the same SQL from a cache.
    let mut defaults = asked.clone();
    defaults.as_object_mut().unwrap().remove("params");
    let answer = ada.post("queries", defaults).await.ok();
    assert_eq!(answer.body["rows"], json!([["Rome", 20], ["Oslo", 10]]));
    assert_eq!(ada.post("queries", asked).await.ok().header("weir-cache"), "hit; tier=1");

    // Two sides that would multiply each other: each number is right by itself.
    let both = json!({"context": "Shop@1.0.0", "metrics": ["revenue", "customer_count"]});
    assert_eq!(ada.post("queries", both).await.ok().body["rows"], json!([[25, 3]]));

    let sql = json!({"context": "shop", "sql": "SELECT customer, revenue FROM orders GROUP BY customer ORDER BY customer"});
    let answer = ada.post("queries", sql).await.ok();
    assert_eq!(answer.body["rows"], json!([[1, 5], [2, 20], [null, null]]));
}

#[tokio::test]
async fn what_does_not_fit_says_so() {
    let all = World::new().await;
    let (weir, _worker, ada) = world(&all).await;
    ada.shop().await;
    let refused = ada.post("queries", json!({"context": "shop", "metrics": ["revenu"]})).await;
    refused.refused(422, "invalid_context");
    assert_eq!(refused.body["errors"][0]["code"], "UNKNOWN_METRIC", "{}", refused.body);
    assert!(refused.text("detail").contains("'revenue'"), "{}", refused.body);
    ada.post("queries", json!({"context": "shopp", "metrics": ["revenue"]}))
        .await
        .refused(404, "context_not_found");
    ada.post("queries", json!({"metrics": ["revenue"]})).await.refused(422, "invalid_value");
    ada.post("queries", json!({"sql": "SELECT 1", "params": {"a": 1}})).await.refused(422, "invalid_value");
    let twice = json!({"context": "shop", "sql": "SELECT 1", "metrics": ["revenue"]});
    ada.post("queries", twice).await.refused(422, "invalid_value");

    let eve = weir.someone();
    eve.post("queries", json!({"context": "shop", "metrics": ["revenue"]}))
        .await
        .refused(404, "context_not_found");
    let stranger = eve.context(CONTEXT).await;
    stranger.refused(422, "invalid_context");
    assert_eq!(stranger.body["errors"][0]["code"], "DATASET_NOT_FOUND", "{}", stranger.body);
    assert_eq!(stranger.body["errors"][0]["line"], 6, "{}", stranger.body);

    let checked = ada
        .post(
            "contexts/validate",
            json!({"content": CONTEXT.replace("orders.amount >=", "orders.amuont >=")}),
        )
        .await;
    assert_eq!((checked.status, &checked.body["valid"]), (StatusCode::OK, &json!(false)));
    assert_eq!(checked.body["errors"][0]["code"], "COLUMN_NOT_FOUND", "{}", checked.body);
    assert_eq!(checked.body["errors"][0]["near"], "amount", "{}", checked.body);
    let form = json!({"content": CONTEXT.replace("orders.amount >=", "orders.amuont >="), "level": "schema"});
    assert_eq!(ada.post("contexts/validate", form).await.body["valid"], true);
}

#[tokio::test]
async fn versions_never_change() {
    let all = World::new().await;
    let (weir, _worker, ada) = world(&all).await;
    let id = ada.shop().await;
    let again = ada.context(CONTEXT).await.ok();
    assert_eq!((again.status, &again.body["changed"]), (StatusCode::OK, &json!(false)));
    let changed = CONTEXT.replace("Large orders", "Big orders");
    let patched = ada.context(&changed).await.ok();
    assert_eq!((&patched.body["version"], &patched.body["id"]), (&json!("1.0.1"), &json!(id)));
    assert_eq!(patched.text("content"), changed.replace("1.0.0", "1.0.1"));
    assert_eq!(ada.context(&changed).await.ok().body["changed"], false, "it is there as 1.0.1");
    let next = ada.context(&changed.replace("1.0.0", "2.0.0")).await.ok();
    assert_eq!(next.body["version"], "2.0.0");
    let old = json!({"context": "shop@1.0.0", "metrics": ["revenue"]});
    assert_eq!(ada.post("queries", old).await.ok().body["context"]["version"], "1.0.0");

    // Eight at once: eight versions, or the same.
    let race = (0..8).map(|n| {
        let (ada, text) = (ada.clone(), CONTEXT.replace("Large", &format!("Large {n}")));
        async move { ada.context(&text).await.ok().text("version").to_owned() }
    });
    let mut versions = futures::future::join_all(race).await;
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 8, "{versions:?}");
    let id = weir_events::ContextId(id.parse().unwrap());
    assert_eq!(weir.app.directory().context(ada.workspace, id).unwrap().versions.len(), 11);
}

#[tokio::test]
async fn what_is_in_use_stays_unless_forced() {
    let all = World::new().await;
    let (_weir, _worker, ada) = world(&all).await;
    let id = ada.shop().await;
    let run = ada.post("queries", json!({"context": "shop", "metrics": ["revenue"]})).await.ok();
    ada.post(&format!("queries/{}/save", run.text("query_id")), json!({"name": "All revenue"})).await.ok();
    let chart =
        json!({"name": "Revenue", "run_id": run.text("run_id"), "chart": {"type": "bar", "x": "revenue"}});
    ada.post("visualizations", chart).await.ok();

    let path = format!("contexts/{id}");
    let kept = ada.send(Method::DELETE, &path, Value::Null).await;
    kept.refused(409, "context_in_use");
    let uses: Vec<&Value> = kept.body["errors"].as_array().unwrap().iter().map(|e| &e["detail"]).collect();
    assert_eq!(uses, [&json!("All revenue"), &json!("Revenue")], "{}", kept.body);
    ada.send(Method::DELETE, &format!("{path}?force=true"), Value::Null).await.ok();
    ada.post("queries", json!({"context": "shop", "metrics": ["revenue"]}))
        .await
        .refused(404, "context_not_found");
    ada.post(&format!("{path}/restore"), json!({})).await.ok();
    ada.post("queries", json!({"context": "shop", "metrics": ["revenue"]})).await.ok();
    ada.post("contexts/0190c7f2-0000-7000-8000-000000000001/restore", json!({}))
        .await
        .refused(404, "context_not_found");
}

#[tokio::test]
async fn other_forms_come_in_as_well() {
    let all = World::new().await;
    let (_weir, _worker, ada) = world(&all).await;
    ada.ready("orders", "id,amount\n1,10\n").await;
    let plain = ada
        .post("contexts", json!({"content": "# Plain\n\nOrders as they came in.\n", "dataset": "orders"}))
        .await;
    assert_eq!(
        (plain.status, &plain.body["version"]),
        (StatusCode::CREATED, &json!("1.0.0")),
        "{}",
        plain.body
    );
    ada.post("contexts", json!({"content": "x".repeat(300 << 10)})).await.refused(413, "payload_too_large");
    let odd = ada.request(Method::POST, "contexts").header("content-type", "image/png").body("x");
    Answer::of(odd.send().await.unwrap()).await.refused(415, "unsupported_media_type");
    ada.post("contexts", json!({"content": "name: [", "format": "osi"}))
        .await
        .refused(422, "invalid_context");
    let draft = CONTEXT.replace("version: 1.0.0", "version: 0.1.0\nstatus: draft");
    assert_eq!(ada.context(&draft).await.ok().body["status"], "draft", "its datasets need not be there yet");
}
