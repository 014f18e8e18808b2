//! Many rows: the newest page is found through an index, not by sorting everything.

use std::time::Instant;

use serde_json::Value;

use crate::world::{World, get};

async fn crowded() -> World {
    let world = World::new().await;
    let (workspace, user) = (world.ada.workspace, world.ada.user);
    let rows = format!(
        "INSERT INTO activity SELECT '{workspace}', 1000 + n, now(), 'user:{user}', '{user}', 't', 'dataset', '{workspace}', \
             NULL, 't', '{{}}' FROM generate_series(1, 20000) n; \
         INSERT INTO runs SELECT '{workspace}', gen_random_uuid(), gen_random_uuid(), 'SELECT 1', 'ok', NULL, NULL, 1, 1, \
             false, 1, NULL, 'h', NULL, '[]', 'e', NULL, NULL, NULL, NULL, now(), 'user:{user}', '{user}', 1000 + n FROM generate_series(1, 20000) n; \
         INSERT INTO queries (workspace_id, id, pattern, last_sql, runs, failures, cache_hits, first_run_at, last_run_at, \
             position, first_position) SELECT '{workspace}', gen_random_uuid(), 'p', 's', n % 50, 0, 0, now(), \
             '2026-03-01'::timestamptz + n * interval '1 second', n, n FROM generate_series(1, 10000) n; \
         INSERT INTO query_latency SELECT workspace_id, id, '{{1,2,3,4,5}}', '{{1,1,1,1,1}}' FROM queries \
             WHERE workspace_id = '{workspace}' ON CONFLICT DO NOTHING; \
         INSERT INTO datasets (workspace_id, id, name, uploaded_version, upload_key, upload_bytes, sha256, options, \
             created_at, updated_at, position) SELECT '{workspace}', gen_random_uuid(), 'd' || n, 1, 'k', n, 's', '{{}}', \
             '2026-03-01'::timestamptz + n * interval '1 second', now(), n FROM generate_series(1, 10000) n; \
         INSERT INTO visualizations SELECT '{workspace}', gen_random_uuid(), 'v' || n, NULL, 's', gen_random_uuid(), NULL, \
             '{{}}', NULL, 1, '2026-03-01'::timestamptz + n * interval '1 second', '{user}', now(), '{user}', NULL, n \
             FROM generate_series(1, 10000) n; \
         UPDATE overview SET position = 30000"
    );
    world.project(30_000, &rows).await;
    world.database.pool().get().await.unwrap().batch_execute("VACUUM ANALYZE").await.unwrap();
    world
}

/// The plan of a list's statement in its default order with all filters off, as the dashboard reads it.
async fn plan(world: &World, name: &str, filters: &str) -> String {
    let client = world.database.pool().get().await.unwrap();
    let (_, sql) = weir_query_api::statements().into_iter().find(|(n, _)| n == name).unwrap();
    let execute = format!("EXECUTE list ('{}', NULL, NULL, 51, {filters})", world.ada.workspace);
    client.batch_execute(&format!("SET search_path TO read; PREPARE list AS {sql}")).await.unwrap();
    // From the sixth time on PostgreSQL may plan without looking at the parameters, and a connection
    // keeps its statements for as long as it lives.
    client.batch_execute(&format!("{execute};").repeat(6)).await.unwrap();
    let explain = format!("EXPLAIN (FORMAT JSON) {execute}");
    let plan: Value = client.query_one(&explain, &[]).await.unwrap().get(0);
    client.batch_execute("DEALLOCATE list; RESET search_path").await.unwrap();
    plan.to_string()
}

#[actix_web::test]
async fn the_newest_page_comes_from_an_index() {
    let world = crowded().await;
    for (name, index, filters) in [
        (
            "datasets/list sort=-created_at",
            "datasets_created",
            "'2026-03-10', false, NULL, NULL, NULL, NULL, NULL",
        ),
        ("runs/list sort=-position", "runs_recent", "NULL, NULL, NULL, NULL, NULL, NULL"),
        ("visualizations/list sort=-created_at", "visualizations_created", "false, NULL, NULL, NULL, NULL"),
        ("activity/list sort=-position", "activity_pkey", "NULL, NULL, NULL, NULL, NULL, NULL, NULL"),
    ] {
        let plan = plan(&world, name, filters).await;
        assert!(plan.contains(&format!("\"{index}\"")), "{name}: {plan}");
    }
}

#[actix_web::test]
async fn the_dashboard_of_a_crowded_workspace_is_read_at_once() {
    let world = crowded().await;
    let app = &world.app().await;
    world.state.warm_up(8).await.unwrap();
    assert!(get(app, &world.bob, "/api/v1/dashboard?min_position=30000").await.status.is_success());
    let began = Instant::now();
    let miss = get(app, &world.ada, "/api/v1/dashboard").await;
    let computed = began.elapsed();
    assert_eq!(miss.header("weir-cache"), "miss");
    let began = Instant::now();
    let hit = get(app, &world.ada, "/api/v1/dashboard").await;
    let kept = began.elapsed();
    assert_eq!((hit.header("weir-cache"), &hit.bytes), ("hit; tier=1", &miss.bytes));
    println!("the dashboard over 20,000 runs: {computed:?} from the database, {kept:?} from memory");
}
