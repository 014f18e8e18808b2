//! Files that are fetched, and what nobody can reach through that.

use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::json;
use weir_command::Config;

use crate::world::World;

/// A server on this machine, as host and port.
fn server() -> String {
    let server = HttpServer::new(|| {
        App::new()
            .route("/flights.csv", web::get().to(async || HttpResponse::Ok().body("a,b\n1,2\n3,4\n")))
            .route("/large.csv", web::get().to(async || HttpResponse::Ok().body("x".repeat(5_000))))
            .route(
                "/broken.csv",
                web::get().to(async || {
                    let parts = [Ok(web::Bytes::from_static(b"a,b\n")), Err(std::io::Error::other("gone"))];
                    HttpResponse::Ok().streaming(futures::stream::iter(parts))
                }),
            )
            .route(
                "/inside",
                web::get().to(async || {
                    HttpResponse::Found().insert_header(("location", "http://127.0.0.1:1/secret")).finish()
                }),
            )
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0].to_string();
    tokio::spawn(server.run());
    address
}

#[tokio::test]
async fn a_file_is_fetched_and_read() {
    let host = server();
    let mut world = World::new().await;
    world.import_hosts = vec![host.clone()];
    let weir = world.start(Config::default()).await;
    let _worker = weir.worker();
    let ada = weir.someone();
    let import = json!({"url": format!("http://{host}/flights.csv?token=hunter2")});
    let made = ada.post("datasets/import", import.clone()).await.ok();
    let id = weir_events::DatasetId(made.text("id").parse().unwrap());
    let dataset = weir.app.directory().settled(ada.workspace, id, 1, Duration::from_secs(30)).await.unwrap();
    assert_eq!((made.text("name"), dataset.upload.file_name.as_deref()), ("flights", Some("flights.csv")));
    assert_eq!(dataset.upload.source, Some(format!("http://{host}/flights.csv")), "without what is secret");
    assert_eq!(ada.sql("SELECT sum(b) FROM flights").await.ok().body["rows"], json!([[6]]));
    ada.post("datasets/import", import).await.refused(409, "name_taken");
    assert_eq!(world.files("uploads"), 1);
}

#[tokio::test]
async fn what_cannot_be_fetched_leaves_nothing() {
    let host = server();
    let mut world = World::new().await;
    world.import_hosts = vec![host.clone()];
    let weir = world.start(Config { upload_bytes: 1_000, ..Config::default() }).await;
    let ada = weir.someone();
    for (path, status, code) in [
        ("nothing.csv", 502, "import_failed"),
        ("broken.csv", 502, "import_failed"),
        ("large.csv", 413, "payload_too_large"),
        ("inside", 422, "import_address_refused"),
    ] {
        let url = format!("http://{host}/{path}");
        ada.post("datasets/import", json!({"url": url, "name": "x"})).await.refused(status, code);
    }
    for url in [
        "http://127.0.0.1:1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "file:///etc/passwd",
        "https://169.254.169.254/",
    ] {
        ada.post("datasets/import", json!({"url": url, "name": "x"}))
            .await
            .refused(422, "import_address_refused");
    }
    crate::world::until("nothing is left", async || world.files("uploads") == 0).await;
    assert_eq!(weir.log.head().await.unwrap().0, 0);
}
