//! Lists: pages, orders, fields, and what is refused.

use std::collections::HashSet;

use serde_json::Value;

use crate::world::{Person, World, get};

fn dataset(person: &Person, n: usize, created: &str, rows: &str) -> String {
    format!(
        "INSERT INTO datasets (workspace_id, id, name, uploaded_version, upload_key, upload_bytes, sha256, rows, \
         options, created_at, updated_at, position) VALUES ('{}', gen_random_uuid(), 'more {n:03}', 1, 'k', {n}, 's', \
         {rows}, '{{}}', {created}, '2026-03-03', 1);",
        person.workspace
    )
}

async fn walk(
    world: &World,
    path: &str,
    limit: usize,
    mut between: impl FnMut(usize) -> String,
) -> Vec<Value> {
    let app = &world.app().await;
    let (mut items, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let sign = if path.contains('?') { '&' } else { '?' };
        let position = 200 + page as u64;
        world.project(position, &format!("{}; {}", between(page), World::event(&world.ada, position))).await;
        let reply =
            get(app, &world.ada, &format!("{path}{sign}limit={limit}{cursor}&min_position={position}")).await;
        let mut list = reply.ok();
        let page = list["items"].as_array_mut().unwrap();
        assert!(page.len() <= limit);
        items.append(page);
        match list["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
    unreachable!()
}

fn ids(items: &[Value], field: &str) -> HashSet<String> {
    items.iter().map(|item| item[field].to_string()).collect()
}

#[actix_web::test]
async fn pages_neither_skip_nor_repeat_while_rows_come_in() {
    let world = World::new().await;
    let ada = &world.ada;
    // Many of the same moment, some without rows: ids and nulls decide.
    let many: String = (0..40)
        .map(|n| {
            dataset(
                ada,
                n,
                if n % 2 == 0 { "'2026-03-03'" } else { "'2026-03-04'" },
                if n % 3 == 0 { "NULL" } else { "7" },
            )
        })
        .collect();
    world.project(101, &many).await;
    for sort in [
        "-created_at",
        "created_at",
        "name",
        "-name",
        "rows",
        "-rows",
        "bytes",
        "-queries_7d",
        "-last_used_at",
        "last_used_at",
        "-updated_at",
    ] {
        let app = &world.app().await;
        world.project(150, &World::event(ada, 150)).await;
        let path = format!("/api/v1/datasets?sort={sort}");
        let before = get(app, ada, &format!("{path}&limit=200&min_position=150")).await.ok();
        let before = ids(before["items"].as_array().unwrap(), "id");
        assert!(before.len() >= 44);
        let mut n = 900;
        let items = walk(&world, &path, 7, |page| {
            n += 1;
            // A new one in front, in the middle and at the end of most orders.
            let created = ["'2027-01-01'", "'2026-03-03'", "'2020-01-01'"][page % 3];
            dataset(ada, n, created, ["NULL", "7", "1000000"][page % 3])
        })
        .await;
        let seen = ids(&items, "id");
        assert_eq!(seen.len(), items.len(), "{sort} repeats");
        assert!(seen.is_superset(&before), "{sort} skips");
        world
            .project(
                151,
                &format!(
                    "DELETE FROM datasets WHERE workspace_id = '{}' AND name LIKE 'more 9%'; \
            DELETE FROM activity WHERE workspace_id = '{0}' AND position > 100; {}",
                    ada.workspace,
                    World::event(ada, 151)
                ),
            )
            .await;
    }
}

#[actix_web::test]
async fn every_order_is_an_order() {
    let world = World::new().await;
    let app = &world.app().await;
    for (path, sorts) in [
        ("/api/v1/datasets", "created_at,updated_at,name,bytes,rows,queries_7d,last_used_at"),
        ("/api/v1/queries", "last_run_at,first_run_at,saved_at,runs,failures,name"),
        ("/api/v1/runs", "position"),
        ("/api/v1/visualizations", "created_at,updated_at,name"),
        ("/api/v1/activity", "position"),
    ] {
        for sort in sorts.split(',') {
            let read = async |sign: &str| {
                let list =
                    get(app, &world.ada, &format!("{path}?sort={sign}{sort}&fields={sort}")).await.ok();
                let items = list["items"].as_array().unwrap().clone();
                items.into_iter().map(|i| i[sort].clone()).filter(|v| !v.is_null()).collect::<Vec<_>>()
            };
            let (mut up, down) = (read("").await, read("-").await);
            up.reverse();
            assert_eq!(up, down, "{path} by {sort}");
            let walked =
                walk(&world, &format!("{path}?sort=-{sort}&fields={sort}"), 1, |_| String::from("SELECT 1"))
                    .await;
            let walked: Vec<_> =
                walked.into_iter().map(|i| i[sort].clone()).filter(|v| !v.is_null()).collect();
            if path != "/api/v1/activity" {
                assert_eq!(walked, down, "{path} by {sort}, one by one");
            }
        }
    }
}

#[actix_web::test]
async fn fields_reduce_the_answer() {
    let world = World::new().await;
    let (app, ada) = (&world.app().await, &world.ada);
    let list =
        get(app, ada, "/api/v1/datasets?fields=name,columns.name&status=ready&sort=name&limit=1").await.ok();
    assert_eq!(
        list["items"],
        serde_json::json!([{"name": "airlines", "columns": [{"name": "carrier"}, {"name": "name"}]}])
    );
    assert!(list["next_cursor"].is_string(), "the list itself stays whole");
    let dashboard = get(app, ada, "/api/v1/dashboard?fields=overview.datasets,usage.days.date").await.ok();
    assert_eq!(dashboard["overview"], serde_json::json!({"datasets": 3}));
    assert_eq!(dashboard["usage"]["days"].as_array().map(Vec::len), Some(30));
    assert_eq!(dashboard.as_object().map(serde_json::Map::len), Some(2));
    let dashboard = get(app, ada, "/api/v1/dashboard?fields=position").await.ok();
    assert_eq!(dashboard, serde_json::json!({"position": 100}));
}

#[actix_web::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let world = World::new().await;
    let (app, ada) = (&world.app().await, &world.ada);
    let other = get(app, ada, "/api/v1/datasets?limit=1&sort=name").await.ok()["next_cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = ada.id("e1");
    for (path, code, field) in [
        ("/api/v1/datasets?limit=0", "invalid_parameter", "limit"),
        ("/api/v1/datasets?limit=201", "invalid_parameter", "limit"),
        ("/api/v1/datasets?limit=x", "invalid_parameter", "limit"),
        ("/api/v1/datasets?sort=shoe_size", "invalid_parameter", "sort"),
        ("/api/v1/datasets?sort=id;DROP", "invalid_parameter", "sort"),
        ("/api/v1/datasets?colour=red", "invalid_parameter", "colour"),
        ("/api/v1/datasets?status=ready&status=ready", "invalid_parameter", "status"),
        ("/api/v1/datasets?status=fine", "invalid_parameter", "status"),
        ("/api/v1/datasets?status=ready&deleted=true", "invalid_parameter", "deleted"),
        ("/api/v1/datasets?created_by=me", "invalid_parameter", "created_by"),
        ("/api/v1/datasets?fields=nme", "invalid_parameter", "fields"),
        ("/api/v1/datasets?fields=", "invalid_parameter", "fields"),
        ("/api/v1/datasets?cursor=abc", "invalid_cursor", "cursor"),
        (&format!("/api/v1/datasets?cursor={other}"), "invalid_cursor", "cursor"),
        (&format!("/api/v1/datasets?sort=name&cursor={other}x"), "invalid_cursor", "cursor"),
        (&format!("/api/v1/queries?sort=name&cursor={other}"), "invalid_cursor", "cursor"),
        (&format!("/api/v1/visualizations?sort=name&cursor={other}"), "invalid_cursor", "cursor"),
        (&format!("/api/v1/datasets?sort=name&status=ready&cursor={other}"), "invalid_cursor", "cursor"),
        ("/api/v1/datasets?as_of=soon", "invalid_parameter", "as_of"),
        ("/api/v1/dashboard?as_of=-5", "invalid_parameter", "as_of"),
        ("/api/v1/dashboard?as_of=2026-03-10T12:00:01Z", "invalid_parameter", "as_of"),
        ("/api/v1/dashboard?limit=5", "invalid_parameter", "limit"),
        ("/api/v1/runs?since=yesterday", "invalid_parameter", "since"),
        (&format!("/api/v1/runs/{run}?x=1"), "invalid_parameter", "x"),
        (&format!("/api/v1/runs/{run}/result?x=1"), "invalid_parameter", "x"),
        (&format!("/api/v1/runs/{run}/result?fields=rows"), "invalid_parameter", "fields"),
        ("/health/live?x=1", "invalid_parameter", "x"),
        ("/health/ready?x=1", "invalid_parameter", "x"),
        ("/metrics?x=1", "invalid_parameter", "x"),
        ("/api/v1/usage?days=0", "invalid_parameter", "days"),
        ("/api/v1/usage?from=2026-03-11", "invalid_parameter", "from"),
        ("/api/v1/insights?limit=1000", "invalid_parameter", "limit"),
        ("/api/v1/datasets?min_position=x", "invalid_parameter", "min_position"),
        ("/api/v1/activity?q=%FF", "invalid_parameter", "q"),
    ] {
        let reply = get(app, ada, path).await;
        assert_eq!(reply.problem(), (422, code.to_owned()), "{path}");
        assert_eq!(reply.json()["errors"][0]["field"], field, "{path}");
    }
}
