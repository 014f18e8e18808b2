//! What every route answers, in full.

use crate::world::{World, get};

/// Compares an answer with the one that was looked at.
macro_rules! shape {
    ($app:expr, $person:expr, $name:literal, $path:expr) => {
        insta::assert_json_snapshot!($name, get($app, $person, $path).await.ok());
    };
}

#[actix_web::test]
async fn every_route_answers_in_its_shape() {
    let world = World::new().await;
    let (app, ada) = (&world.app().await, &world.ada);
    let at = |path: &str, thing: &str| path.replace("{id}", &ada.id(thing));

    shape!(app, ada, "datasets", "/api/v1/datasets");
    shape!(app, ada, "dataset", &at("/api/v1/datasets/{id}", "d1"));
    shape!(app, ada, "dataset_deleted", &at("/api/v1/datasets/{id}?fields=name,status,deleted_at", "d5"));
    shape!(app, ada, "dataset_versions", &at("/api/v1/datasets/{id}/versions", "d2"));
    shape!(app, ada, "queries", "/api/v1/queries");
    shape!(app, ada, "query", &at("/api/v1/queries/{id}", "a1"));
    shape!(app, ada, "runs", "/api/v1/runs");
    shape!(app, ada, "run", &at("/api/v1/runs/{id}", "e1"));
    shape!(app, ada, "receipt", &at("/api/v1/runs/{id}/receipt", "e3"));
    shape!(app, ada, "visualizations", "/api/v1/visualizations");
    shape!(app, ada, "visualization", &at("/api/v1/visualizations/{id}", "c1"));
    shape!(app, ada, "visualization_deleted", &at("/api/v1/visualizations/{id}?fields=name,status", "c2"));
    shape!(app, ada, "visualization_history", &at("/api/v1/visualizations/{id}/history", "c1"));
    shape!(app, ada, "activity", "/api/v1/activity");
    shape!(app, ada, "usage", "/api/v1/usage?days=3");
    shape!(app, ada, "insights", "/api/v1/insights");
    shape!(app, ada, "dashboard", "/api/v1/dashboard");
}

#[actix_web::test]
async fn an_empty_workspace_has_zeroes_and_empty_lists() {
    let world = World::new().await;
    let app = &world.app().await;
    world.project(101, &format!("DELETE FROM overview WHERE workspace_id = '{0}'; DELETE FROM activity WHERE workspace_id = '{0}'; \
        DELETE FROM datasets WHERE workspace_id = '{0}'; DELETE FROM dataset_use WHERE workspace_id = '{0}'; \
        DELETE FROM queries WHERE workspace_id = '{0}'; DELETE FROM runs WHERE workspace_id = '{0}'; \
        DELETE FROM visualizations WHERE workspace_id = '{0}'; DELETE FROM usage_days WHERE workspace_id = '{0}'; \
        DELETE FROM usage_users WHERE workspace_id = '{0}'; DELETE FROM dismissals WHERE workspace_id = '{0}'", world.bob.workspace)).await;
    let path =
        "/api/v1/dashboard?min_position=101&fields=position,as_of,overview,recent,gallery,activity,insights";
    insta::assert_json_snapshot!("dashboard_empty", get(app, &world.bob, path).await.ok());
}

#[actix_web::test]
async fn filters_choose() {
    let world = World::new().await;
    let (app, ada) = (&world.app().await, &world.ada);
    let user = ada.user;
    for (path, field, wanted) in [
        ("/api/v1/datasets?status=ready", "name", "airlines flights weather"),
        ("/api/v1/datasets?status=rejected", "name", "broken"),
        ("/api/v1/datasets?deleted=true", "name", "old"),
        ("/api/v1/datasets?status=deleted", "name", "old"),
        ("/api/v1/datasets?name=flights", "name", "flights"),
        ("/api/v1/datasets?q=ALL%20OF", "name", "flights"),
        ("/api/v1/datasets?format=csv&sort=name", "name", "airlines flights weather"),
        ("/api/v1/datasets?sort=-queries_7d&limit=1", "name", "flights"),
        ("/api/v1/queries?saved=true&sort=name", "name", "all airlines,carriers"),
        ("/api/v1/queries?q=COUNT", "sql", "SELECT count(*) FROM flights"),
        ("/api/v1/runs?status=failed", "code", ""),
        ("/api/v1/runs?since=2026-03-10", "position", "50 45"),
        ("/api/v1/runs?until=2026-03-10T00:00:00Z&sort=position", "position", "30 40"),
        (&format!("/api/v1/runs?query_id={}", ada.id("a2")), "position", "45"),
        (&format!("/api/v1/runs?dataset_id={}", ada.id("d1")), "position", "50 45 30"),
        ("/api/v1/visualizations?deleted=true", "name", "Given up"),
        ("/api/v1/visualizations?q=bar", "name", "Flights by carrier"),
        ("/api/v1/activity?type=weir.query.executed.v1", "position", "50"),
        ("/api/v1/activity?aggregate=query,visualization&limit=2", "position", "55 54"),
        ("/api/v1/activity?actor=system:ingest", "position", "11"),
        (&format!("/api/v1/activity?actor=user:{user}"), "position", "54 50 10"),
        (&format!("/api/v1/activity?actor={user}"), "position", "55 54 50 10"),
        (&format!("/api/v1/activity?subject={}", ada.id("d1")), "position", "11 10"),
        ("/api/v1/activity?since=2026-03-10T09:30:00Z&until=2026-03-10T09:40:00Z", "position", "54"),
    ] {
        let list = get(app, ada, path).await.ok();
        let items = list["items"].as_array().unwrap();
        let mut found: Vec<String> = items
            .iter()
            .map(|i| i[field].as_str().map_or_else(|| i[field].to_string(), str::to_owned))
            .collect();
        let separator = if wanted.contains(',') { "," } else { " " };
        if !path.contains("sort") && field == "name" {
            found.sort();
        }
        let wanted = match (field, wanted) {
            ("sql", sql) => sql.to_owned(),
            ("code", _) => "null".to_owned(),
            _ => wanted.to_owned(),
        };
        assert_eq!(found.join(separator), wanted, "{path}");
    }
}
