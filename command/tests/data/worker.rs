//! The ingest worker: several at once, one that dies, files that are gone.

use std::time::Duration;

use object_store::{ObjectStoreExt, path::Path};
use weir_command::{Config, directory::Status, process::ingest};
use weir_events::{DatasetId, Event, dataset};

use crate::world::{Answer, SECOND, Someone, Weir, World, until};

fn impatient() -> ingest::Options {
    ingest::Options {
        silence: SECOND,
        pause: Duration::from_millis(10),
        tries: 2,
        ..ingest::Options::default()
    }
}

async fn accepted(ada: &Someone, name: &str, content: impl Into<Vec<u8>>) -> DatasetId {
    let answer = Answer::of(ada.upload(name, content).send().await.unwrap()).await.ok();
    DatasetId(answer.text("id").parse().unwrap())
}

/// Every outcome that was written for a dataset.
async fn outcomes(weir: &Weir, ada: &Someone, id: DatasetId) -> Vec<dataset::Event> {
    let subject = weir_events::Subject::dataset(ada.workspace, id);
    let events = weir.log.load(&subject).await.unwrap().into_iter().map(|e| e.event);
    events
        .filter_map(|e| match e {
            Event::Dataset(e @ (dataset::Event::Ingested(_) | dataset::Event::Rejected(_))) => Some(e),
            _ => None,
        })
        .collect()
}

/// A file that takes a worker a while: 700,000 rows.
fn large() -> String {
    let mut text = String::from("n,square,text\n");
    for n in 0..700_000_u64 {
        text.push_str(&format!("{n},{},text of row {n}\n", n * n));
    }
    text
}

#[tokio::test]
async fn a_file_whose_worker_dies_is_read_by_another() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let id = accepted(&ada, "large", large()).await;
    let first = weir.worker_with(impatient());
    until("the worker has the file", async || weir.in_hand().await == 1).await;
    first.kill().await;
    let dataset = weir.app.directory().dataset(ada.workspace, id).unwrap();
    assert_eq!(dataset.status(), Status::Ingesting, "it died in the middle");

    let _second = weir.worker_with(impatient());
    let dataset = weir.app.directory().settled(ada.workspace, id, 1, SECOND * 60).await.unwrap();
    assert_eq!(dataset.ready.as_ref().unwrap().rows, 700_000);
    assert_eq!(outcomes(&weir, &ada, id).await.len(), 1);
    until("a table and its profile are left, nothing half-made", async || world.files("tables") == 2).await;
    assert_eq!(ada.sql("SELECT max(n) FROM large").await.ok().body["rows"][0][0], 699_999);
}

#[tokio::test]
async fn a_worker_that_is_stopped_hands_its_file_back_at_once() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let id = accepted(&ada, "large", large()).await;
    // Nobody would miss the worker for an hour, and nothing may fail.
    let options = || ingest::Options {
        silence: SECOND * 3600,
        tries: 1,
        pause: SECOND * 3600,
        ..ingest::Options::default()
    };
    for _ in 0..3 {
        let worker = weir.worker_with(options());
        until("the worker has the file", async || weir.in_hand().await == 1).await;
        worker.stop().await;
    }
    assert_eq!(outcomes(&weir, &ada, id).await, [], "it was stopped in the middle");
    let _last = weir.worker_with(options());
    let dataset = weir.app.directory().settled(ada.workspace, id, 1, SECOND * 30).await.unwrap();
    assert_eq!(dataset.status(), Status::Ready);
    until("a table and its profile are left, nothing half-made", async || world.files("tables") == 2).await;
}

#[tokio::test]
async fn an_upload_of_a_newer_release_waits_for_a_newer_worker() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let _worker = weir.worker_with(impatient());
    let jetstream = async_nats::jetstream::new(weir.client.clone());
    for kind in ["weir.dataset.uploaded.v99", "weir.dataset.sung.v1"] {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("ce-type", kind);
        headers.insert("ce-specversion", "1.0");
        let subject = format!("weir.{}.dataset.{}", ada.workspace, uuid::Uuid::now_v7());
        jetstream.publish_with_headers(subject, headers, "{}".into()).await.unwrap().await.unwrap();
    }
    // Others do not wait behind it, and it is not lost.
    ada.ready("flights", "a\n1\n").await;
    until("only the new upload waits", async || weir.in_hand().await == 1).await;
    let redelivered = async || {
        let stream = jetstream.get_stream_no_info(weir_infra::log::STREAM).await.unwrap();
        stream.consumer_info("ingest").await.unwrap().num_redelivered
    };
    until("it is offered again", async || redelivered().await == 1).await;
}

#[tokio::test]
async fn columns_that_no_event_can_describe_are_refused_at_once() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    // Each column is described with the texts that were missing values in it.
    let markers: Vec<String> = (0..25).map(|n| format!("{n:x<100}")).collect();
    let names: Vec<String> = (0..2_000).map(|n| format!("c{n}")).collect();
    let mut rows = vec![names.join(","), vec!["1"; names.len()].join(",")];
    rows.extend(markers.iter().map(|marker| vec![marker.as_str(); names.len()].join(",")));
    let options = serde_json::json!({ "missing": markers }).to_string();
    let query = [("name", "wide"), ("options", &options)];
    let query = reqwest::Url::parse_with_params("http://weir/", query).unwrap().query().unwrap().to_owned();
    let upload = ada.request(reqwest::Method::POST, &format!("datasets?{query}"));
    let upload = upload.header("content-type", "text/csv").body(rows.join("\n"));
    let answer = Answer::of(upload.send().await.unwrap()).await.ok();
    let id = DatasetId(answer.text("id").parse().unwrap());
    let _worker = weir.worker_with(ingest::Options { pause: SECOND * 3600, ..ingest::Options::default() });
    let dataset = weir.app.directory().settled(ada.workspace, id, 1, SECOND * 30).await.unwrap();
    assert_eq!(dataset.rejected.unwrap().code, "columns_too_large");
    until("no table is left", async || world.files("tables") == 0).await;
}

#[tokio::test]
async fn several_workers_share_the_files() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(accepted(&ada, &format!("t{n}"), format!("a\n{n}\n")).await);
    }
    let _workers = [weir.worker(), weir.worker(), weir.worker()];
    for id in ids {
        let dataset = weir.app.directory().settled(ada.workspace, id, 1, SECOND * 30).await.unwrap();
        assert_eq!(dataset.status(), Status::Ready);
        assert_eq!(outcomes(&weir, &ada, id).await.len(), 1);
    }
    assert_eq!(world.files("tables"), 24, "each with its profile");
}

#[tokio::test]
async fn a_file_that_cannot_be_had_is_given_up_after_some_tries() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let id = accepted(&ada, "lost", "a\n1\n").await;
    let blob = weir.app.directory().dataset(ada.workspace, id).unwrap().upload.blob;
    weir.blobs.delete(&Path::parse(&blob).unwrap()).await.unwrap();
    let _worker = weir.worker_with(impatient());
    let dataset = weir.app.directory().settled(ada.workspace, id, 1, SECOND * 30).await.unwrap();
    assert_eq!(dataset.status(), Status::Rejected);
    assert_eq!(dataset.rejected.unwrap().code, "ingest_failed");
    until("it is done with", async || weir.in_hand().await == 0).await;
}

#[tokio::test]
async fn a_dataset_that_is_deleted_while_it_waits_can_be_restored_ready() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let id = accepted(&ada, "flights", "a\n1\n").await;
    ada.send(reqwest::Method::DELETE, &format!("datasets/{id}"), serde_json::json!({})).await.ok();
    let _worker = weir.worker();
    until("it is read", async || !outcomes(&weir, &ada, id).await.is_empty()).await;
    ada.post(&format!("datasets/{id}/restore"), serde_json::json!({})).await.ok();
    assert_eq!(ada.sql("SELECT a FROM flights").await.ok().body["rows"][0][0], 1);
}

#[tokio::test]
async fn the_worker_waits_out_an_outage_of_the_log() {
    let mut world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let _worker = weir.worker();
    ada.ready("before", "a\n1\n").await;
    world.nats.kill().await;
    world.nats.restart().await;
    until("the log is back", async || weir.log.head().await.is_ok()).await;
    let id = accepted(&ada, "after", "a\n1\n").await;
    let dataset = weir.app.directory().settled(ada.workspace, id, 1, SECOND * 60).await.unwrap();
    assert_eq!(dataset.status(), Status::Ready);
}
