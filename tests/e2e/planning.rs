//! What a query would do is told without doing it, and a receipt says where the time of what was done went.

use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_tests::{Caller, Weir};

const SQL: &str = "SELECT carrier, count(*) AS n FROM flights WHERE delay > 3 GROUP BY carrier";

async fn plan(caller: &Caller, body: &Value, status: StatusCode) -> Value {
    caller.make("/api/v1/queries/plan", body, status).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_planned_and_nothing_of_it_is_written_down() {
    let weir = Weir::start().await;
    let (ada, bob) = (&weir.register("ada").await, &weir.register("bob").await);
    let made = ada.upload("flights", b"carrier,delay\nUA,3\nAA,4\n".to_vec()).await;
    let planned = plan(ada, &json!({ "sql": SQL }), StatusCode::OK).await;
    assert_eq!(planned["sql"], SQL);
    assert_eq!(
        planned["columns"],
        json!([{"name": "carrier", "type": "text"}, {"name": "n", "type": "int"}])
    );
    assert_eq!(planned["datasets"], json!([{"id": made["id"], "name": "flights", "version": 1}]));
    let steps = planned["plan"].as_str().unwrap();
    assert!(steps.contains("Aggregate") && steps.contains("TableScan: flights"), "{steps}");
    assert!(
        !steps.contains(&ada.workspace) && !steps.contains(".parquet"),
        "where files lie is no business: {steps}"
    );

    let about = "---\nname: Flights\nversion: 1.0.0\ndescription: Flights that left New York\ndatasets:\n  \
                 - {id: flights, name: Flights, dataset_id: flights}\nmetrics:\n  \
                 - {id: late, expression: SUM(flights.delay)}\n---\n";
    ada.make("/api/v1/contexts", &json!({ "content": about }), StatusCode::CREATED).await;
    let asked = json!({ "context": "Flights", "metrics": ["late"], "dimensions": ["carrier"] });
    let planned = plan(ada, &asked, StatusCode::OK).await;
    assert!(planned["sql"].as_str().unwrap().to_uppercase().contains("SUM("), "{planned}");

    for (caller, body, code) in [
        (ada, json!({ "sql": "SELECT nothing FROM flights" }), "unknown_column"),
        (ada, json!({ "sql": "DROP TABLE flights" }), "statement_not_allowed"),
        (ada, json!({ "question": "How many?" }), "invalid_value"),
        (bob, json!({ "sql": SQL }), "unknown_table"),
    ] {
        let refused = plan(caller, &body, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused["code"], code, "{body}: {refused}");
    }
    for caller in [ada, bob] {
        assert_eq!(caller.read("/api/v1/runs").await["items"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_where_the_time_went() {
    let weir = Weir::start().await;
    let ada = &weir.register("ada").await;
    ada.upload("flights", b"carrier,delay\nUA,3\nAA,4\n".to_vec()).await;
    for needed in [true, false] {
        let ran = ada.make("/api/v1/queries", &json!({ "sql": SQL }), StatusCode::OK).await;
        assert_eq!(ran["cache"]["hit"], !needed);
        let (run, position) = (ran["run_id"].as_str().unwrap(), &ran["position"]);
        let receipt = ada.read(&format!("/api/v1/runs/{run}/receipt?min_position={position}")).await;
        let stages = &receipt["stages"];
        assert!(stages["resolve_ms"].is_number() && stages["store_ms"].is_number(), "{receipt}");
        // What a cache had is neither planned nor run.
        for stage in ["wait_ms", "plan_ms", "run_ms"] {
            assert_eq!(stages[stage].is_number(), needed, "{stage}: {receipt}");
        }
        let together: f64 =
            ["resolve_ms", "wait_ms", "plan_ms", "run_ms"].iter().filter_map(|s| stages[s].as_f64()).sum();
        assert!(together <= receipt["elapsed_ms"].as_f64().unwrap(), "{receipt}");
    }
}
