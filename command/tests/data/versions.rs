//! Files that replace files: versions, what is different, and the way back.

use reqwest::{Method, StatusCode};
use serde_json::json;
use weir_command::Config;

use crate::world::{Answer, Someone, World};

impl Someone {
    async fn replace(&self, id: &str, body: &str) -> Answer {
        let request = self.request(Method::POST, &format!("datasets/{id}/versions"));
        let request = request.header("prefer", "wait=30").header("content-type", "text/csv");
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    }

    async fn back_to(&self, id: &str, version: u32) -> Answer {
        let path = format!("datasets/{id}/versions/{version}/restore");
        Answer::of(self.request(Method::POST, &path).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn a_new_file_is_a_new_version_and_old_ones_stay() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let id = ada.ready("flights", "a,b\n1,2\n3,4\n").await.text("id").to_owned();

    let second = ada.replace(&id, "a,c\n10,x\n20,y\n30,z\n").await;
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.body);
    assert_eq!((&second.body["version"], &second.body["rows"]), (&json!(2), &json!(3)));
    let diff = json!({"from": 1, "added": ["c"], "removed": ["b"], "retyped": [], "rows": 1});
    assert_eq!(second.body["diff"], diff);

    let sum = async |table: &str| ada.sql(&format!("SELECT sum(a) AS a FROM {table}")).await;
    assert_eq!(sum("flights").await.ok().body["rows"], json!([[60]]));
    let old = sum("FLIGHTS@1").await.ok();
    assert_eq!(old.body["rows"], json!([[4]]));
    assert_eq!(old.body["datasets"], json!([{"id": id, "name": "flights", "version": 1}]));
    let both = "SELECT count(*) AS n FROM flights AS new JOIN flights@1 AS old ON new.a = old.a * 10";
    let both = ada.sql(both).await.ok();
    assert_eq!(both.body["rows"], json!([[2]]));
    assert_eq!(both.body["datasets"].as_array().unwrap().len(), 2);
    let unknown = sum("flights@3").await;
    unknown.refused(422, "unknown_table");

    let back = ada.back_to(&id, 1).await.ok();
    assert_eq!((&back.body["version"], &back.body["status"]), (&json!(3), &json!("ready")));
    assert_eq!(back.body["diff"]["added"], json!(["b"]));
    assert_eq!(sum("flights").await.ok().body["rows"], json!([[4]]), "not what was cached of version 2");
    assert_eq!(sum("flights@2").await.ok().body["rows"], json!([[60]]));
    assert_eq!(ada.back_to(&id, 3).await.ok().body["version"], 3, "it is that already");
    ada.back_to(&id, 9).await.refused(404, "version_not_found");
}

#[tokio::test]
async fn a_version_that_cannot_be_read_leaves_the_one_before() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let id = ada.ready("flights", "a\n1\n").await.text("id").to_owned();
    ada.replace(&id, "a,b\n1\n").await.refused(422, "dataset_rejected");
    assert_eq!(ada.sql("SELECT a FROM flights").await.ok().body["rows"], json!([[1]]));
    ada.sql("SELECT a FROM flights@2").await.refused(422, "unknown_table");
    ada.back_to(&id, 2).await.refused(404, "version_not_found");
    let third = ada.replace(&id, "a\n5\n").await;
    assert_eq!((&third.body["version"], &third.body["diff"]["from"]), (&json!(3), &json!(1)));
}

#[tokio::test]
async fn one_version_at_a_time() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let sent = ada.upload("flights", "a\n1\n").send().await.unwrap();
    let id = Answer::of(sent).await.body["id"].as_str().unwrap().to_owned();
    // Nobody reads it yet.
    ada.replace(&id, "a\n2\n").await.refused(409, "dataset_not_ready");
    ada.back_to(&id, 1).await.refused(404, "version_not_found");
    assert_eq!(world.files("uploads"), 1, "the refused file is gone");

    let worker = weir.worker();
    weir.app
        .directory()
        .settled(ada.workspace, weir_events::DatasetId(id.parse().unwrap()), 1, crate::world::SECOND * 30)
        .await
        .unwrap();
    worker.stop().await;
    let race = (0..8).map(|n| {
        let (ada, id) = (ada.clone(), id.clone());
        async move {
            let path = format!("datasets/{id}/versions");
            ada.request(Method::POST, &path).body(format!("a\n{n}\n")).send().await.unwrap().status()
        }
    });
    let statuses = futures::future::join_all(race).await;
    assert_eq!(statuses.iter().filter(|s| **s == StatusCode::ACCEPTED).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|s| **s == StatusCode::CONFLICT).count(), 7, "{statuses:?}");
    assert_eq!(world.files("uploads"), 2);
}

#[tokio::test]
async fn a_version_has_no_name_and_no_other_owner() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let (ada, eve) = (weir.someone(), weir.someone());
    let id = ada.ready("flights", "a\n1\n").await.text("id").to_owned();
    eve.replace(&id, "a\n2\n").await.refused(404, "dataset_not_found");
    eve.back_to(&id, 1).await.refused(404, "dataset_not_found");
    let named = ada.request(Method::POST, &format!("datasets/{id}/versions?name=trips")).body("a\n2\n");
    Answer::of(named.send().await.unwrap()).await.refused(422, "invalid_value");
    assert_eq!(world.files("uploads"), 1);
    ada.upload("flights@2", "a\n1\n").send().await.map(|r| assert_eq!(r.status(), 422)).unwrap();
}
