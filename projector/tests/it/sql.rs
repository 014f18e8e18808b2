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

#[tokio::test(flavor = "multi_thread")]
async fn making_the_tables_again_from_several_processes_changes_nothing() {
    let database = weir_infra::testing::empty_database().await;
    let all = projections::all();
    let runs = (0..4).map(|_| ensure(database.pool(), &all));
    for result in futures::future::join_all(runs).await {
        result.unwrap();
    }
}
