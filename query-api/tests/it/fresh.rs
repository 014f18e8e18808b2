//! How new an answer is: minimum positions, entity tags and what is kept ready.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{World, get, request, send};

#[actix_web::test]
async fn a_read_waits_until_the_position_is_there() {
    let world =
        World::with(weir_query_api::Options { position_wait: Duration::from_secs(20), ..Default::default() })
            .await;
    let app = &world.app().await;
    let read = async {
        let request = request(&world.ada, "/api/v1/dashboard").insert_header(("weir-min-position", "105"));
        let began = Instant::now();
        (send(app, request).await, began.elapsed())
    };
    let write = async {
        // Not there yet, and then it is.
        world.project(104, "SELECT 1").await;
        world.project(105, &World::event(&world.ada, 105)).await;
    };
    let ((reply, took), ()) = futures::join!(read, write);
    let dashboard = reply.ok();
    assert_eq!(dashboard["position"], 105);
    assert_eq!(dashboard["activity"][0]["position"], 105);
    assert_eq!(reply.header("weir-position"), "105");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[actix_web::test]
async fn a_position_that_does_not_come_is_503() {
    let world = World::new().await;
    let app = &world.app().await;
    for path in ["/api/v1/dashboard?min_position=101", "/api/v1/datasets?min_position=18446744073709551615"] {
        let reply = get(app, &world.ada, path).await;
        assert_eq!(reply.problem(), (503, "position_not_reached".to_owned()));
        assert_eq!(reply.header("retry-after"), "1");
    }
    let anonymous =
        send(app, actix_web::test::TestRequest::get().uri("/api/v1/dashboard?min_position=101")).await;
    assert_eq!(anonymous.status, 401, "strangers do not wait");
}

#[actix_web::test]
async fn an_unchanged_answer_is_304() {
    let world = World::new().await;
    let app = &world.app().await;
    let (ada, bob) = (&world.ada, &world.bob);
    let path = "/api/v1/datasets?limit=2&sort=name";
    let first = get(app, ada, path).await;
    first.ok();
    let tag = first.header("etag").to_owned();
    assert_eq!(first.header("weir-position"), "100");
    assert_eq!(first.header("cache-control"), "private, no-cache");
    for name in ["authorization", "weir-workspace", "accept-encoding"] {
        let vary: Vec<_> =
            first.headers.get_all("vary").map(|v| v.to_str().unwrap().to_lowercase()).collect();
        assert!(vary.join(",").contains(name), "{vary:?}");
    }

    let again =
        |person, path: &str| request(person, path).insert_header(("if-none-match", format!("\"x\", {tag}")));
    let reply = send(app, again(ada, path)).await;
    assert_eq!((reply.status.as_u16(), reply.bytes.len()), (304, 0));
    assert_eq!(reply.header("etag"), tag);
    assert_eq!(send(app, again(ada, "/api/v1/datasets?sort=name&limit=2&min_position=3")).await.status, 304);
    assert_eq!(send(app, again(ada, "/api/v1/datasets?sort=name&limit=1")).await.status, 200);
    assert_eq!(send(app, again(ada, "/api/v1/visualizations?limit=2&sort=name")).await.status, 200);
    assert_eq!(send(app, again(bob, path)).await.status, 200, "another workspace's tag is another");

    // What happens elsewhere does not make Ada's answer another; her position moves on.
    world.project(101, &World::event(bob, 101)).await;
    let reply = send(app, again(ada, &format!("{path}&min_position=101"))).await;
    assert_eq!((reply.status.as_u16(), reply.header("weir-position")), (304, "101"));
    world.project(102, &World::event(ada, 102)).await;
    let reply = send(app, again(ada, &format!("{path}&min_position=102"))).await;
    assert_eq!(reply.status, 200);
    assert_ne!(reply.header("etag"), tag);

    // A projection that was replaced may say other things at the same position.
    let tag = reply.header("etag").to_owned();
    world.project(103, "UPDATE checkpoint SET version = 2 WHERE name = 'datasets'").await;
    let reply = get(app, ada, &format!("{path}&min_position=103")).await;
    assert_ne!(reply.header("etag"), tag);

    // So may one whose tables were made anew from other definitions.
    let tag = reply.header("etag").to_owned();
    world.project(104, "UPDATE checkpoint SET tables = gen_random_uuid() WHERE name = 'datasets'").await;
    let reply = get(app, ada, &format!("{path}&min_position=104")).await;
    assert_ne!(reply.header("etag"), tag);
}

#[actix_web::test]
async fn what_is_kept_ready_is_served_without_the_database() {
    let world = World::new().await;
    let app = &world.app().await;
    let path = "/api/v1/dashboard";
    let first = get(app, &world.ada, path).await;
    assert_eq!(first.header("weir-cache"), "miss");
    assert_eq!(get(app, &world.bob, path).await.header("weir-cache"), "miss", "everybody has their own");

    // Rows change behind the projector's back: only a read of the database would see it.
    world.database.pool().get().await.unwrap().batch_execute("DELETE FROM read.datasets").await.unwrap();
    let second = get(app, &world.ada, path).await;
    assert_eq!(second.header("weir-cache"), "hit; tier=1");
    assert_eq!(second.bytes, first.bytes);

    // Verified at a newer position, its own position is the newer one.
    world.project(101, &World::event(&world.bob, 101)).await;
    let third = get(app, &world.ada, "/api/v1/dashboard?min_position=101").await;
    assert_eq!(third.header("weir-cache"), "hit; tier=1");
    assert_eq!(third.ok()["position"], 101);

    world.project(102, &World::event(&world.ada, 102)).await;
    let fourth = get(app, &world.ada, "/api/v1/dashboard?min_position=102").await;
    assert_eq!(fourth.header("weir-cache"), "miss");
    assert_eq!(fourth.ok()["recent"]["uploads"], serde_json::json!([]));
}

#[actix_web::test]
async fn what_there_is_no_room_for_is_read_again() {
    let world = World::with(weir_query_api::Options { cache_bytes: 0, ..Default::default() }).await;
    let app = &world.app().await;
    let first = get(app, &world.ada, "/api/v1/dashboard").await;
    let second = get(app, &world.ada, "/api/v1/dashboard").await;
    assert_eq!((first.header("weir-cache"), second.header("weir-cache")), ("miss", "miss"));
    assert_eq!(second.bytes, first.bytes);
}

#[actix_web::test]
async fn reads_come_back_after_the_database_was_away() {
    let world = World::new().await;
    let app = &world.app().await;
    let client = world.database.pool().get().await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client.query(end, &[]).await.unwrap();
    drop(client);
    // The watcher has to connect again before it sees this.
    world.project(101, &World::event(&world.ada, 101)).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let reply = get(app, &world.ada, "/api/v1/dashboard?min_position=101").await;
        if reply.status == 200 {
            assert_eq!(reply.json()["position"], 101);
            break;
        }
        assert_eq!(reply.problem(), (503, "position_not_reached".to_owned()));
        assert!(Instant::now() < deadline, "the position is never seen");
    }
}

#[actix_web::test]
async fn the_past_is_read_where_it_is_and_told_apart_from_the_present() {
    let world = World::new().await;
    let app = &world.app().await;
    let get = async |path: &str| get(app, &world.ada, path).await;

    let then = get("/api/v1/dashboard?as_of=60").await;
    let body = then.ok();
    assert_eq!((&body["position"], &body["as_of"]), (&json!(60), &json!("2026-03-09T12:00:00Z")));
    assert_eq!(body["usage"]["days"][29]["date"], "2026-03-09", "days are counted back from then");
    assert_eq!((then.header("weir-position"), then.header("weir-cache")), ("60", "miss"));
    let now = get("/api/v1/dashboard").await;
    assert_eq!(now.ok()["as_of"], json!(null));
    assert_ne!(then.header("etag"), now.header("etag"));

    // What has been can be kept for good: other events change nothing.
    world.project(101, &World::event(&world.ada, 101)).await;
    assert!(get("/api/v1/dashboard?min_position=101").await.header("weir-cache").starts_with("miss"));
    assert_eq!(get("/api/v1/dashboard?as_of=60").await.header("weir-cache"), "hit; tier=1");
    let again = request(&world.ada, "/api/v1/dashboard?as_of=60");
    let again = again.insert_header(("if-none-match", then.header("etag")));
    assert_eq!(send(app, again).await.status, 304);

    let by_time = get("/api/v1/usage?as_of=2026-03-08T23:59:59Z").await;
    assert_eq!((by_time.ok()["to"].as_str(), by_time.header("weir-position")), (Some("2026-03-08"), "60"));
    assert_eq!(
        get("/api/v1/usage?as_of=2026-03-08").await.ok()["to"],
        "2026-03-08",
        "a date is its first moment"
    );
    assert_eq!(get("/api/v1/dashboard?as_of=500").await.problem(), (422, "as_of_ahead".to_owned()));
    for list in ["datasets", "queries", "runs", "visualizations", "contexts", "activity", "insights"] {
        assert_eq!(get(&format!("/api/v1/{list}?as_of=60")).await.header("weir-position"), "60", "{list}");
    }
}
