//! Health, metrics, documentation, and how the routes stand beside others.

use actix_web::{http::Method, test::TestRequest};

use crate::world::{World, get, request, send};

#[actix_web::test]
async fn health_tells_what_is_wrong() {
    let world = World::new().await;
    let app = &world.app().await;
    let anonymous = async |path: &str| send(app, TestRequest::get().uri(path)).await;
    assert_eq!(anonymous("/health/live").await.status, 200);
    let ready = anonymous("/health/ready").await.ok();
    insta::assert_json_snapshot!("ready", ready);

    let client = world.database.pool().get().await.unwrap();
    client.batch_execute("ALTER SCHEMA read RENAME TO elsewhere").await.unwrap();
    let reply = anonymous("/health/ready").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["checks"][0]["ok"], false);
    assert_eq!(anonymous("/health/live").await.status, 200);
    let broken = get(app, &world.ada, "/api/v1/datasets").await;
    assert!(broken.status.is_server_error());
    let text = String::from_utf8_lossy(&broken.bytes).into_owned();
    assert!(!text.contains("relation") && !text.contains("checkpoint"), "{text}");
}

#[actix_web::test]
async fn metrics_count_reads_and_tell_nothing_of_tenants() {
    let world = World::new().await;
    let app = &world.app().await;
    for _ in 0..3 {
        get(app, &world.ada, &format!("/api/v1/datasets/{}", world.ada.id("d1"))).await.ok();
    }
    let text = String::from_utf8(send(app, TestRequest::get().uri("/metrics")).await.bytes.to_vec()).unwrap();
    let line = r#"weir_read_answer_seconds_count{outcome="hit",route="/api/v1/datasets/{id}"} 2"#;
    assert!(text.contains(line), "{text}");
    assert!(text.contains("weir_read_position 100"), "{text}");
    assert!(!text.contains(&world.ada.id("d1")) && !text.contains(&world.ada.workspace.to_string()));
}

#[actix_web::test]
async fn documentation_is_served_from_here_alone() {
    let world = World::new().await;
    let app = &world.app().await;
    let anonymous = async |path: &str| send(app, TestRequest::get().uri(path)).await;
    let document = anonymous("/openapi.json").await;
    assert!(document.ok()["paths"]["/api/v1/dashboard"]["get"].is_object());
    let again =
        TestRequest::get().uri("/openapi.json").insert_header(("if-none-match", document.header("etag")));
    assert_eq!(send(app, again).await.status, 304);

    assert_eq!(anonymous("/docs").await.header("location"), "/docs/");
    let page = anonymous("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    let html = String::from_utf8(page.bytes.to_vec()).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    let mut assets = 0;
    for part in html
        .split('"')
        .filter(|part| part.starts_with("./") || part.ends_with(".css") || part.ends_with(".js"))
    {
        let asset = anonymous(&format!("/docs/{}", part.trim_start_matches("./"))).await;
        assert_eq!(asset.status, 200, "{part}");
        assets += 1;
    }
    assert!(assets >= 4, "{html}");
    let start = String::from_utf8(anonymous("/docs/swagger-initializer.js").await.bytes.to_vec()).unwrap();
    assert!(start.contains("/openapi.json") && start.contains(r#""validatorUrl": "none""#), "{start}");
    assert_eq!(anonymous("/docs/nothing.js").await.problem(), (404, "not_found".to_owned()));

    let errors = String::from_utf8(anonymous("/docs/errors").await.bytes.to_vec()).unwrap();
    assert!(
        errors.contains(r#"<tr id="position_not_reached"><td><code>position_not_reached</code></td><td>503"#)
    );
}

#[actix_web::test]
async fn other_methods_are_left_to_others() {
    let world = World::new().await;
    let app = &world.app().await;
    let post = send(app, TestRequest::post().uri("/api/v1/datasets")).await;
    assert_eq!(post.bytes, "another crate's");
    let head = send(app, request(&world.ada, "/api/v1/datasets").method(Method::HEAD)).await;
    assert_eq!(head.status, 200);
    assert!(head.headers.contains_key("etag"));
    assert_eq!(send(app, TestRequest::delete().uri("/api/v1/dashboard")).await.status, 404);
}

#[actix_web::test]
async fn answers_are_compressed_for_those_who_can_read_it() {
    let world = World::new().await;
    let app = &world.app().await;
    let plain = get(app, &world.ada, "/api/v1/dashboard").await;
    for encoding in ["gzip", "br", "zstd"] {
        let request = request(&world.ada, "/api/v1/dashboard").insert_header(("accept-encoding", encoding));
        let reply = send(app, request).await;
        assert_eq!(reply.header("content-encoding"), encoding);
        assert!(reply.bytes.len() * 2 < plain.bytes.len());
        assert_eq!(reply.header("etag"), plain.header("etag"));
    }
}

#[actix_web::test]
async fn the_description_is_complete() {
    let document = serde_json::to_value(weir_query_api::openapi()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{method} {path}");
            assert!(
                operation["operationId"].is_string() && operation["tags"][0].is_string(),
                "{method} {path}"
            );
            let open = !path.starts_with("/api/");
            assert_eq!(operation["security"].is_null(), open, "{method} {path}");
            // Those of the installation are there, or not one's own.
            let refused = if path.starts_with("/api/v1/admin/") { "403" } else { "404" };
            let statuses = ["200", "401", refused, "422", "503"];
            for status in if open { [].as_slice() } else { &statuses } {
                assert!(operation["responses"][status].is_object(), "{method} {path} {status}");
            }
        }
    }
    assert_eq!(schemas["Binary"]["format"], "binary");
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is not described");
    }
    for (name, schema) in schemas {
        assert!(schema["description"].is_string() || name.starts_with("List_"), "{name} has no description");
    }
}
