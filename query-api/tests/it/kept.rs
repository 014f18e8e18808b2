//! What is kept ready is what would be read now: through random histories, lost connections, exchanged tables and
//! every coding.

use std::{
    collections::HashMap,
    io::Read as _,
    time::{Duration, Instant},
};

use actix_web::web::Bytes;
use futures::future::join_all;

use crate::world::{Application, Person, Reply, World, get, request, send};

const PATHS: [&str; 6] = [
    "/api/v1/dashboard",
    "/api/v1/datasets?limit=2&sort=name",
    "/api/v1/datasets?sort=-rows",
    "/api/v1/activity?limit=5",
    "/api/v1/insights",
    "/api/v1/usage?days=7",
];

/// Ends all connections of the application, as a restart of the database does.
async fn cut(world: &World) {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    world.database.pool().get().await.unwrap().query(end, &[]).await.unwrap();
}

/// The answer as it is without anything kept.
async fn anew(app: &Application, person: &Person, path: &str) -> Reply {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let reply =
            send(app, request(person, path).insert_header(("cache-control", "max-age=0, no-cache"))).await;
        if reply.status == 200 {
            assert_eq!(reply.header("weir-cache"), "bypass");
            return reply;
        }
        // A connection that was cut is noticed when it is used.
        assert_eq!(reply.status, 503);
        assert!(Instant::now() < deadline, "the database does not come back");
    }
}

/// The same numbers every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[actix_web::test]
async fn through_a_random_history_two_processes_answer_as_if_they_kept_nothing() {
    let world = World::new().await;
    let apps = [world.app().await, world.second().await];
    let bare = world.second().await;
    let people = [&world.ada, &world.bob];
    let mut chance = Chance(20_261_123);
    let mut position = 100;
    let mut right: HashMap<(u64, usize, usize), Bytes> = HashMap::new();
    let (mut hits, mut misses) = (0, 0);
    for step in 0..60 {
        // Something happens: told with what it changed, told without, or to be found out.
        let (from, who) = (position, people[chance.below(2) as usize]);
        position += 1 + chance.below(3);
        let rows = format!(
            "{}; UPDATE datasets SET rows = coalesce(rows, 0) + 1, name = 'n{position}' WHERE workspace_id = '{}' \
             AND status = 'ready' AND id::text LIKE '%d1'",
            World::event(who, position),
            who.workspace
        );
        let hint = match chance.below(10) {
            0 => None,
            1 => Some(position.to_string()),
            _ => Some(format!("{position} {from} {}", who.workspace)),
        };
        world.project_with(position, &rows, hint.as_deref()).await;
        if step % 20 == 19 {
            cut(&world).await;
        }
        for (p, person) in people.iter().enumerate() {
            for (n, path) in PATHS.iter().enumerate() {
                let reply = anew(&bare, person, path).await;
                assert_eq!(reply.header("weir-position"), position.to_string());
                right.insert((position, p, n), reply.bytes);
            }
        }
        for _ in 0..30 {
            let (app, p, n) =
                (&apps[chance.below(2) as usize], chance.below(2) as usize, chance.below(6) as usize);
            let mut path = PATHS[n].to_owned();
            let newest = chance.below(2) == 0;
            if newest {
                path += if path.contains('?') { "&" } else { "?" };
                path += &format!("min_position={position}");
            }
            let reply = get(app, people[p], &path).await;
            if reply.status == 503 {
                continue;
            }
            let at: u64 = reply.header("weir-position").parse().unwrap();
            assert!(!newest || at == position, "{path} is of {at}, not of {position}");
            assert_eq!(right.get(&(at, p, n)), Some(&reply.bytes), "step {step}: {path} at {at}");
            match reply.header("weir-cache") {
                "hit; tier=1" => hits += 1,
                _ => misses += 1,
            }
        }
    }
    assert!(hits > 100 && misses > 100, "{hits} hits, {misses} misses");
}

#[actix_web::test]
async fn what_happens_elsewhere_costs_no_look_at_the_database() {
    let world = World::new().await;
    let app = &world.app().await;
    let first = get(app, &world.ada, "/api/v1/dashboard").await;
    let workspace = world.ada.workspace.to_string();
    let member =
        format!("INSERT INTO members VALUES ('{workspace}', '{}', 'viewer', now(), 101)", world.bob.user);
    world.project_with(101, &member, Some(&format!("101 100 {workspace}"))).await;
    let seen = |minimum: u64| {
        request(&world.bob, &format!("/api/v1/datasets?min_position={minimum}"))
            .insert_header(("weir-workspace", world.ada.workspace.to_string()))
    };
    assert_eq!(send(app, seen(101)).await.status, 200);
    let before = get(app, &world.ada, "/api/v1/dashboard?min_position=101").await;
    assert_ne!(before.bytes, first.bytes);

    let hint = format!("102 101 {}", world.bob.workspace);
    world.project_with(102, &World::event(&world.bob, 102), Some(&hint)).await;
    // Nothing can be read any more; who waits for the position learns of it by another way.
    world.database.pool().close();
    let reply = get(app, &world.ada, "/api/v1/dashboard?min_position=102").await;
    assert_eq!((reply.header("weir-cache"), &reply.ok()["position"]), ("hit; tier=1", &102.into()));
    assert_eq!(send(app, seen(102)).await.header("weir-cache"), "hit; tier=1", "nor who is a member");
    let his = get(app, &world.bob, "/api/v1/dashboard?min_position=102").await;
    assert_eq!(his.problem(), (503, "database_unavailable".to_owned()));
}

#[actix_web::test]
async fn whoever_is_removed_is_refused_whatever_is_kept() {
    let world = World::new().await;
    let app = &world.app().await;
    let (workspace, user) = (world.ada.workspace.to_string(), world.bob.user);
    let hint = |to: u64| format!("{to} {} {workspace}", to - 1);
    let member = format!("INSERT INTO members VALUES ('{workspace}', '{user}', 'viewer', now(), 101)");
    world.project_with(101, &member, Some(&hint(101))).await;
    let seen = |minimum: u64| {
        request(&world.bob, &format!("/api/v1/dashboard?min_position={minimum}"))
            .insert_header(("weir-workspace", workspace.clone()))
    };
    for _ in 0..2 {
        assert_eq!(send(app, seen(101)).await.status, 200);
    }
    let removed = format!("DELETE FROM members WHERE workspace_id = '{workspace}' AND user_id = '{user}'");
    world.project_with(102, &removed, Some(&hint(102))).await;
    assert_eq!(send(app, seen(102)).await.problem(), (404, "workspace_not_found".to_owned()));

    // A session that ends is refused at once, though its answers are kept.
    assert_eq!(get(app, &world.ada, "/api/v1/dashboard").await.status, 200);
    assert_eq!(get(app, &world.ada, "/api/v1/dashboard").await.header("weir-cache"), "hit; tier=1");
    world.log_out(&world.ada);
    let refused = get(app, &world.ada, "/api/v1/dashboard").await;
    assert_eq!(refused.problem(), (401, "token_revoked".to_owned()));
}

#[actix_web::test]
async fn tables_that_took_the_place_of_others_are_read_even_at_the_same_position() {
    let world = World::new().await;
    let app = &world.app().await;
    let path = "/api/v1/datasets";
    let before = get(app, &world.ada, path).await;
    assert_eq!(get(app, &world.ada, path).await.header("weir-cache"), "hit; tier=1");
    let exchange = "ALTER SCHEMA read RENAME TO was; CREATE SCHEMA read; \
        DO $$ DECLARE t text; BEGIN \
            FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'was' LOOP \
                EXECUTE format('CREATE TABLE read.%I AS SELECT * FROM was.%I', t, t); \
            END LOOP; END $$; \
        UPDATE read.datasets SET name = 'folded anew' WHERE name = 'flights'; \
        SELECT pg_notify('weir_position', '100')";
    world
        .database
        .pool()
        .get()
        .await
        .unwrap()
        .batch_execute(&format!("BEGIN; {exchange}; COMMIT"))
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let after = loop {
        let reply = get(app, &world.ada, path).await;
        if reply.status == 200 && reply.bytes != before.bytes {
            break reply;
        }
        assert!(Instant::now() < deadline, "the answer stays as it was");
    };
    assert_eq!(after.header("weir-position"), "100");
    assert!(after.ok().to_string().contains("folded anew"));
    assert_ne!(after.header("etag"), before.header("etag"));
}

#[actix_web::test]
async fn every_coding_holds_the_same_answer() {
    let world = World::new().await;
    let app = &world.app().await;
    for path in ["/api/v1/dashboard", "/api/v1/datasets?sort=name"] {
        let plain = get(app, &world.ada, path).await;
        assert_eq!(plain.header("content-encoding"), "");
        for coding in ["br", "zstd", "gzip"] {
            let packed = async || {
                send(app, request(&world.ada, path).insert_header(("accept-encoding", coding))).await
            };
            let (first, second) = (packed().await, packed().await);
            assert_eq!(first.header("content-encoding"), coding);
            assert_eq!(first.headers.get_all("content-encoding").count(), 1);
            assert!(first.bytes.len() < plain.bytes.len() / 2, "{coding}: {}", first.bytes.len());
            assert_eq!(first.bytes, second.bytes, "{coding} is packed once");
            assert_eq!(unpacked(coding, &first.bytes), plain.bytes, "{coding}");
            assert_eq!(first.header("etag"), plain.header("etag"));
            let again = request(&world.ada, path)
                .insert_header(("accept-encoding", coding))
                .insert_header(("if-none-match", plain.header("etag")));
            let again = send(app, again).await;
            assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
            assert_eq!(again.header("content-encoding"), "");
        }
    }
    // The position in it moves on; what is packed does, too.
    world.project(101, &World::event(&world.bob, 101)).await;
    let path = "/api/v1/dashboard?min_position=101";
    let packed = send(app, request(&world.ada, path).insert_header(("accept-encoding", "gzip"))).await;
    assert_eq!(unpacked("gzip", &packed.bytes), get(app, &world.ada, path).await.bytes);
}

fn unpacked(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain),
        "zstd" => zstd::Decoder::new(bytes).unwrap().read_to_end(&mut plain),
        _ => flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain),
    }
    .unwrap();
    plain
}

#[actix_web::test]
async fn of_many_who_ask_the_same_at_once_one_reads() {
    let world = World::new().await;
    let app = &world.app().await;
    let replies = join_all((0..50).map(|_| get(app, &world.ada, "/api/v1/dashboard"))).await;
    for reply in &replies {
        assert_eq!((reply.status.as_u16(), &reply.bytes), (200, &replies[0].bytes));
    }
    let misses = replies.iter().filter(|reply| reply.header("weir-cache") == "miss").count();
    assert_eq!(misses, 1);
    let metrics = send(app, actix_web::test::TestRequest::get().uri("/metrics")).await;
    let text = String::from_utf8(metrics.bytes.to_vec()).unwrap();
    let shared = "weir_read_answer_seconds_count{outcome=\"shared\",route=\"/api/v1/dashboard\"} 49";
    assert!(text.contains(shared), "{text}");
    assert!(text.contains("weir_read_cache_bytes"), "{text}");
}

#[actix_web::test]
async fn a_read_that_fails_keeps_nobody_waiting() {
    let world = World::new().await;
    let app = &world.app().await;
    world.database.pool().close();
    let began = Instant::now();
    let replies = join_all((0..20).map(|_| get(app, &world.ada, "/api/v1/dashboard"))).await;
    assert!(replies.iter().all(|reply| reply.status == 503));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
