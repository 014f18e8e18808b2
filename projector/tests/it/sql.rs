//! Every statement stands beside its projection and fits the tables.

use std::{fs, path::Path};

use weir_infra::testing::database;
use weir_projector::{ensure, projections};

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_can_be_prepared() {
    let database = database().await;
    ensure(database.pool(), &projections::all()).await.unwrap();
    let client = database.pool().get().await.unwrap();
    let path = weir_projector::Schema::live().path(&projections::all()).join(", ");
    client.batch_execute(&format!("SET search_path TO {path}")).await.unwrap();
    let mut prepared = 0;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "sql") {
                let name = path.file_name().unwrap().to_str().unwrap();
                // DDL runs as it is in every other test.
                if ["schema.sql", "checkpoint.sql", "runner.sql"].contains(&name) {
                    continue;
                }
                let sql = fs::read_to_string(&path).unwrap().replace("{table}", "runs");
                if let Err(error) = client.prepare(&sql).await {
                    panic!("{}: {error:?}", path.display());
                }
                prepared += 1;
            }
        }
    }
    assert!(prepared >= 14, "only {prepared} statements were found");
}

/// Plans are made once, while tables may be empty and all indexes look alike: only one may fit.
#[tokio::test(flavor = "multi_thread")]
async fn every_statement_finds_rows_by_their_primary_key() {
    let database = database().await;
    ensure(database.pool(), &projections::all()).await.unwrap();
    let client = database.pool().get().await.unwrap();
    let path = weir_projector::Schema::live().path(&projections::all()).join(", ");
    // As whoever writes has it.
    let session = format!(
        "SET search_path TO {path}; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
         SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off"
    );
    client.batch_execute(&session).await.unwrap();
    let mut looked = 0;
    let projections = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/projections");
    for folder in fs::read_dir(projections).unwrap().map(|f| f.unwrap().path()).filter(|f| f.is_dir()) {
        for file in fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()) {
            let sql = file.extension().filter(|e| *e == "sql").map(|_| fs::read_to_string(&file).unwrap());
            let Some(sql) = sql.filter(|sql| !sql.starts_with("COPY") && !file.ends_with("schema.sql"))
            else {
                continue;
            };
            let plan = client.simple_query(&format!("EXPLAIN (GENERIC_PLAN) {sql}")).await.unwrap();
            for message in plan {
                let tokio_postgres::SimpleQueryMessage::Row(row) = message else { continue };
                let line = row.get(0).unwrap_or_default();
                assert!(!line.contains("Seq Scan"), "{}: {line}", file.display());
                let index = line.split(" using ").nth(1).and_then(|rest| rest.split(' ').next());
                if let Some(index) = index {
                    // That of members has the same columns as their primary key.
                    assert!(
                        index.ends_with("_pkey") || index == "members_user",
                        "{}: {line}",
                        file.display()
                    );
                    looked += 1;
                }
            }
        }
    }
    assert!(looked >= 8, "only {looked} looks were found");
}

#[tokio::test(flavor = "multi_thread")]
async fn making_the_tables_again_from_several_processes_changes_nothing() {
    let database = weir_infra::testing::empty_database().await;
    let all = projections::all();
    let runs = (0..4).map(|_| ensure(database.pool(), &all));
    for result in futures::future::join_all(runs).await {
        result.unwrap();
    }
}
