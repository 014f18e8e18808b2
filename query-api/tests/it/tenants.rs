//! One workspace never sees another's.

use std::collections::HashSet;

use actix_web::test::TestRequest;

use crate::world::{World, get, request, send};

fn paths() -> Vec<String> {
    let document = serde_json::to_value(weir_query_api::openapi()).unwrap();
    document["paths"].as_object().unwrap().keys().filter(|path| path.starts_with("/api/")).cloned().collect()
}

fn thing(path: &str) -> &'static str {
    match path.split('/').nth(3).unwrap() {
        "datasets" => "d1",
        "queries" => "a1",
        "runs" => "e3",
        _ => "c1",
    }
}

fn filled(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{query_id}", id).replace("{run_id}", id)
}

#[actix_web::test]
async fn every_route_wants_a_token_and_keeps_workspaces_apart() {
    let world = World::new().await;
    let app = &world.app().await;
    let (ada, bob) = (&world.ada, &world.bob);
    assert!(paths().len() >= 16);
    for path in paths() {
        let hers = filled(&path, &ada.id(thing(&path)));
        let anonymous = send(app, TestRequest::get().uri(&hers)).await;
        assert_eq!(anonymous.problem(), (401, "token_missing".to_owned()), "{path}");
        assert!(anonymous.headers.contains_key("www-authenticate"), "{path}");

        let his = get(app, bob, &hers).await;
        // What belongs to the installation is its owner's, and here nobody is.
        if path.starts_with("/api/v1/admin/") {
            assert_eq!(his.problem(), (403, "operator_required".to_owned()), "{path}");
            continue;
        }
        if path.contains('{') {
            assert_eq!(his.status, 404, "{path}");
        } else {
            let text = his.ok().to_string();
            assert!(!text.contains(&ada.id("")[..34]), "{path} shows Bob something of Ada's");
            assert!(text.contains(&bob.id("")[..34]) || path.ends_with("usage"), "{path}: {text}");
        }
        let elsewhere = request(bob, &hers).insert_header(("weir-workspace", ada.workspace.to_string()));
        assert_eq!(send(app, elsewhere).await.problem(), (404, "workspace_not_found".to_owned()), "{path}");
    }
}

#[actix_web::test]
async fn what_is_no_id_names_nothing() {
    let world = World::new().await;
    let app = &world.app().await;
    for path in [
        "/api/v1/datasets/flights",
        "/api/v1/runs/1",
        "/api/v1/queries/a'b",
        "/api/v1/visualizations/x/history",
    ] {
        assert_eq!(get(app, &world.ada, path).await.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn a_member_reads_until_the_membership_ends() {
    let world = World::new().await;
    let app = &world.app().await;
    let (ada, bob) = (&world.ada, &world.bob);
    let in_hers = |minimum: u64| {
        request(bob, &format!("/api/v1/datasets?min_position={minimum}"))
            .insert_header(("weir-workspace", ada.workspace.to_string()))
    };
    assert_eq!(send(app, in_hers(0)).await.status, 404);

    let member = format!("('{}', '{}', 'viewer', now(), 101)", ada.workspace, bob.user);
    world.project(101, &format!("INSERT INTO members VALUES {member}")).await;
    let seen = send(app, in_hers(101)).await.ok();
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(4));
    assert_eq!(send(app, in_hers(101)).await.status, 200, "remembered");

    world
        .project(102, &format!("DELETE FROM members WHERE user_id = '{}' AND role = 'viewer'", bob.user))
        .await;
    assert_eq!(send(app, in_hers(102)).await.status, 404);
}

#[actix_web::test]
async fn a_database_that_is_away_is_called_so_before_it_is_known_who_is_a_member() {
    let world = World::new().await;
    let app = &world.app().await;
    world.database.pool().close();
    let hers = request(&world.bob, "/api/v1/datasets");
    let reply = send(app, hers.insert_header(("weir-workspace", world.ada.workspace.to_string()))).await;
    assert_eq!(reply.problem(), (503, "database_unavailable".to_owned()));
    assert_eq!(reply.header("retry-after"), "2");
}

#[actix_web::test]
async fn every_statement_prepares_and_names_its_workspace() {
    let world = World::new().await;
    let client = world.database.pool().get().await.unwrap();
    client.batch_execute("SET search_path TO read").await.unwrap();
    let tables = "SELECT table_name::text FROM information_schema.tables \
                  WHERE table_schema = 'read' AND table_name NOT IN ('checkpoint', 'dead_letters')";
    let tables = client.query(tables, &[]).await.unwrap();
    let tables: Vec<String> = tables.iter().map(|row| row.get(0)).collect();
    let statements = weir_query_api::statements();
    assert!(statements.len() > 40);
    let mut read = HashSet::new();
    for (name, sql) in statements {
        if let Err(error) = client.prepare(&sql).await {
            panic!("{name}: {error:?}\n{sql}");
        }
        assert!(sql.contains("workspace_id = $1"), "{name} is not about one workspace:\n{sql}");
        // Every table that it reads is tied to that workspace.
        let words: Vec<&str> =
            sql.split_whitespace().map(|word| word.trim_matches(['(', ')', ','])).collect();
        let reads: Vec<&str> = words
            .windows(2)
            .filter(|pair| matches!(pair[0], "FROM" | "JOIN") && tables.iter().any(|table| table == pair[1]))
            .map(|pair| pair[1])
            .collect();
        assert!(
            sql.matches("workspace_id = $1").count() >= reads.len(),
            "{name} reads {reads:?}, and one of them without its workspace:\n{sql}"
        );
        read.extend(reads.into_iter().map(str::to_owned));
    }
    let unread: Vec<_> = tables.iter().filter(|table| !read.contains(*table)).collect();
    assert!(read.len() >= 10, "only {read:?} are found in the statements, not {unread:?}");
}
