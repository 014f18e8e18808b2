//! What columns hold, and the types that they shall have.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_command::Config;

use crate::world::{Answer, World};

const PEOPLE: &str = "id,zip,joined\n1,2134,2013-01-01\n2,10001,2013-02-30\n3,,soon\n";

#[tokio::test]
async fn a_profile_says_what_the_columns_hold() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let (ada, eve) = (weir.someone(), weir.someone());
    let id = ada.ready("people", PEOPLE).await.text("id").to_owned();
    let profile = ada.get(&format!("datasets/{id}/profile")).await.ok();
    assert_eq!((&profile.body["rows"], &profile.body["likely_keys"][0]), (&json!(3), &json!("id")));
    let zip = &profile.body["columns"][1];
    assert_eq!(
        (&zip["name"], &zip["nulls"], &zip["distinct"]),
        (&json!("zip"), &json!(1), &json!(2)),
        "{zip}"
    );
    assert_eq!((&zip["min"], &zip["max"]), (&json!(2134), &json!(10001)), "{zip}");
    ada.get(&format!("datasets/{id}/profile?version=2")).await.refused(404, "version_not_found");
    ada.get(&format!("datasets/{id}/profile?colour=red")).await.refused(422, "invalid_parameter");
    eve.get(&format!("datasets/{id}/profile")).await.refused(404, "dataset_not_found");
}

#[tokio::test]
async fn types_are_corrected_once_it_is_known_what_does_not_fit() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let id = ada.ready("people", PEOPLE).await.text("id").to_owned();
    let path = format!("datasets/{id}");
    let head = weir.log.head().await.unwrap();
    let change = async |body: Value| ada.send(Method::PATCH, &path, body).await;

    let misfits = change(json!({"types": {"joined": "date"}})).await;
    misfits.refused(422, "types_do_not_fit");
    let found: Vec<_> =
        misfits.body["errors"].as_array().unwrap().iter().map(|e| (&e["line"], &e["detail"])).collect();
    assert_eq!(found, [(&json!(3), &json!("2013-02-30")), (&json!(4), &json!("soon"))], "{}", misfits.body);
    change(json!({"types": {"jioned": "date"}})).await.refused(422, "dataset_rejected");
    change(json!({"types": {"joined": "varchar"}})).await.refused(422, "invalid_body");
    assert_eq!(weir.log.head().await.unwrap(), head, "nothing has changed");

    change(json!({"types": {"joined": "date", "zip": "text"}, "allow_unfit": true})).await.ok();
    let dataset = weir_events::DatasetId(id.parse().unwrap());
    let dataset =
        weir.app.directory().settled(ada.workspace, dataset, 2, crate::world::SECOND * 30).await.unwrap();
    let ready = dataset.ready.unwrap();
    let types: Vec<_> = ready.columns.iter().map(|c| (c.data_type.as_str(), c.unfit)).collect();
    assert_eq!(types, [("int", 0), ("text", 0), ("date", 2)]);
    assert_eq!(ready.diff.as_ref().unwrap().retyped.len(), 2);
    let rows = ada.sql("SELECT zip, joined FROM people ORDER BY id").await.ok();
    assert_eq!(rows.body["rows"], json!([["2134", "2013-01-01"], ["10001", null], [null, null]]));
    // What was corrected before stays when something else is.
    change(json!({"types": {"id": "text"}, "allow_unfit": true})).await.ok();
    let dataset =
        weir.app.directory().settled(ada.workspace, dataset.id, 3, crate::world::SECOND * 30).await.unwrap();
    assert_eq!(dataset.ready.unwrap().columns[2].data_type, "date");
}

#[tokio::test]
async fn what_is_sent_oddly_is_refused() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let packed = ada.upload("packed", "a\n1\n").header("content-encoding", "br").send().await.unwrap();
    Answer::of(packed).await.refused(415, "unsupported_media_type");
    ada.sql("SELECT 'n\0ul'").await.refused(422, "invalid_value");
    let commas =
        ada.upload("commas", ",".repeat(3_000_000)).header("prefer", "wait=30").send().await.unwrap();
    let commas = Answer::of(commas).await;
    assert_eq!(
        (commas.status, &commas.body["errors"][0]["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("too_many_columns")),
        "{}",
        commas.body
    );
    for spec in [
        json!({"mark": "bar", "transform": [{"impute": "y", "key": "x", "keyvals": {"start": 0, "stop": 1e12}}]}),
        json!({"mark": "bar", "params": [{"name": "p", "bind": {"input": "text", "element": "body"}}]}),
        json!({"mark": "bar", "width": 1e300}),
        json!({"mark": "bar", "description": "a\u{0}b"}),
    ] {
        let chart = json!({"name": "odd", "query": {"sql": "SELECT 1 AS x"}, "spec": spec});
        ada.post("visualizations", chart).await.refused(422, "invalid_spec");
    }
}
