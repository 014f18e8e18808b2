//! What can go wrong on the way in, and that nothing of it is left.

use reqwest::StatusCode;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use weir_command::Config;

use crate::world::{Answer, World, until};

#[tokio::test]
async fn of_uploads_under_one_name_one_wins() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let uploads = (0..8).map(|n| {
        let name = if n % 2 == 0 { "Flights" } else { "flights" };
        let sent = ada.upload(name, format!("a\n{n}\n")).send();
        async { sent.await.unwrap().status() }
    });
    let statuses = futures::future::join_all(uploads).await;
    assert_eq!(statuses.iter().filter(|s| **s == StatusCode::ACCEPTED).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|s| **s == StatusCode::CONFLICT).count(), 7, "{statuses:?}");
    assert_eq!(world.files("uploads"), 1, "the losers' files are gone");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_says_where_and_frees_its_name() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let bad = ada.upload("flights", "a,b\n1,2\n3\n").header("prefer", "wait=30").send().await.unwrap();
    let bad = Answer::of(bad).await;
    bad.refused(422, "dataset_rejected");
    assert_eq!(bad.body["errors"][0]["code"], "ragged_row", "{}", bad.body);
    assert_eq!(bad.body["errors"][0]["line"], 3, "{}", bad.body);
    assert!(bad.header("location").starts_with("/api/v1/datasets/"));
    assert!(!bad.header("weir-position").is_empty());
    assert_eq!(world.files("tables"), 0);
    ada.sql("SELECT * FROM flights").await.refused(422, "unknown_table");

    ada.ready("flights", "a,b\n1,2\n3,4\n").await;
    assert_eq!(ada.sql("SELECT sum(b) FROM flights").await.ok().body["rows"], json!([[6]]));
}

#[tokio::test]
async fn a_file_that_is_too_large_leaves_nothing() {
    let world = World::new().await;
    let weir = world.start(Config { upload_bytes: 1_000, ..Config::default() }).await;
    let ada = weir.someone();
    let exact = ada.upload("exact", "x".repeat(1_000)).send().await.unwrap();
    assert_eq!(exact.status(), StatusCode::ACCEPTED);
    let large = Answer::of(ada.upload("large", "x".repeat(1_001)).send().await.unwrap()).await;
    large.refused(413, "payload_too_large");

    // Without a length that could be looked at first.
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>("x".repeat(100)));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let sent = ada.request(reqwest::Method::POST, "datasets?name=chunked").body(body).send().await.unwrap();
    Answer::of(sent).await.refused(413, "payload_too_large");
    until("only the file that fits is there", async || world.files("uploads") == 1).await;
    let head = weir.log.head().await.unwrap();
    assert_eq!(head.0, 2, "one upload, one name");
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let address = weir.url.trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /api/v1/datasets?name=flights HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: text/csv\r\nContent-Length: 50000000\r\n\r\n",
        ada.token
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..12 {
        connection.write_all(&chunk).await.unwrap();
    }
    until("parts have arrived", async || world.files("uploads") > 0).await;
    drop(connection);
    until("they are gone", async || world.files("uploads") == 0).await;
    assert_eq!(weir.log.head().await.unwrap().0, 0);
}

#[tokio::test]
async fn a_keyed_upload_makes_one_dataset() {
    let world = World::new().await;
    let weir = world.start(Config::default()).await;
    let ada = weir.someone();
    let send = || ada.upload("flights", "a\n1\n").header("idempotency-key", "k1").send();
    let raw = || {
        ada.request(reqwest::Method::POST, "datasets?name=planes")
            .header("idempotency-key", "k2")
            .body("a\n1\n")
    };
    // A form has a boundary that is another one each time.
    let first = Answer::of(send().await.unwrap()).await.ok();
    assert_eq!(first.status, StatusCode::ACCEPTED);
    let second = Answer::of(send().await.unwrap()).await.ok();
    assert_eq!(first.text("id"), second.text("id"));
    assert_eq!(second.header("idempotency-replayed"), "true");
    let first = Answer::of(raw().send().await.unwrap()).await.ok();
    let second = Answer::of(raw().send().await.unwrap()).await.ok();
    assert_eq!(first.text("id"), second.text("id"));
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(world.files("uploads"), 2);
}
