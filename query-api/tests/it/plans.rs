//! How PostgreSQL finds what is asked for when there are a thousand workspaces with a million events: always through an
//! index, only within the workspace, and a page of a list without sorting all of it.

use std::{collections::HashSet, fmt::Write as _, fs, path::Path};

use serde_json::Value;
use tokio_postgres::{Client, NoTls, types::Type};
use weir_infra::testing::{Database, database};

/// From so many rows on, a table must not be read as a whole.
const LARGE: f32 = 10_000.0;
/// So many rows may be sorted for a page; the largest workspace has twice as many of everything, and more.
const SORTED: f64 = 1_000.0;

/// Orders that no index can give, since they are by what is counted at the time of reading.
const COUNTED: [&str; 2] = ["datasets/list sort=queries_7d", "datasets/list sort=-queries_7d"];
/// What looks at many rows of a workspace by its nature: sums over days, and words in sealed texts.
const SUMS: [&str; 2] = ["insights/most_used", "queries/words"];

/// Parameters for which not any value will do: of a list, from `$5` on, how many rows have it decides.
const VALUES: [(&str, usize, &str); 8] = [
    ("activity/list", 5, "'{weir.dataset.uploaded.v2}'"),
    ("activity/list", 6, "'{visualization}'"),
    ("contexts/list", 5, "'deleted'"),
    ("datasets/list", 7, "'rejected'"),
    ("datasets/list", 10, "'parquet'"),
    ("runs/list", 5, "'failed'"),
    ("insights/failing", 2, "3"),
    ("usage/days", 2, "'2026-02-09'"),
];

/// The tables of all projections, and what the projector itself keeps: first without their indexes, and then those,
/// since rows get into a table faster while it has none.
fn definitions() -> (String, String) {
    let projector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../projector/src");
    let mut files = vec![projector.join("checkpoint.sql")];
    for folder in fs::read_dir(projector.join("projections")).unwrap() {
        files.extend(Some(folder.unwrap().path().join("schema.sql")).filter(|file| file.exists()));
    }
    let (mut tables, mut indexes) = (String::new(), String::new());
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let text: String =
            text.lines().map(|line| line.split("--").next().unwrap().to_owned() + "\n").collect();
        for statement in text.split_inclusive(';') {
            let index = statement.trim_start().starts_with("CREATE INDEX");
            if index { &mut indexes } else { &mut tables }.push_str(statement);
        }
    }
    (tables, indexes)
}

/// A connection to a database with all those rows.
struct Crowd {
    client: Client,
    large: HashSet<String>,
    _database: Database,
}

impl Crowd {
    async fn new() -> Self {
        let database = database().await;
        let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let (tables, indexes) = definitions();
        let rows = include_str!("crowd.sql");
        // In one transaction, so that nothing of it needs to be logged.
        let sql = format!("BEGIN; SET search_path TO read; {tables}; {rows}; {indexes}; COMMIT; ANALYZE");
        client.batch_execute(&sql).await.unwrap();
        let rows = client
            .query(
                "SELECT relname::text, reltuples FROM pg_class WHERE relnamespace = 'read'::regnamespace",
                &[],
            )
            .await
            .unwrap();
        let large: HashSet<String> =
            rows.iter().filter(|row| row.get::<_, f32>(1) >= LARGE).map(|row| row.get(0)).collect();
        assert!(large.len() > 20, "tables and indexes that are large: {large:?}");
        Self { client, large, _database: database }
    }

    /// The plan of a statement with these parameters, planned for them or for any.
    async fn plan(&self, name: &str, sql: &str, values: &[String], mode: &str) -> Value {
        let explain = format!("SET plan_cache_mode TO {mode}; PREPARE statement AS {sql}",);
        self.client.batch_execute(&explain).await.unwrap_or_else(|error| panic!("{name}: {error:?}\n{sql}"));
        let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE statement ({})", values.join(", "));
        let row = self.client.query_one(&explain, &[]).await;
        let row = row.unwrap_or_else(|error| panic!("{name} ({}): {error:?}", values.join(", ")));
        self.client.batch_execute("DEALLOCATE statement").await.unwrap();
        row.get::<_, Value>(0)[0]["Plan"].take()
    }

    /// What is wrong with how a statement is carried out, for a large workspace and for a small one.
    async fn faults(&self, name: &str, sql: &str) -> Vec<String> {
        let types = self.client.prepare(sql).await.unwrap_or_else(|error| panic!("{name}: {error:?}\n{sql}"));
        let types = types.params().to_vec();
        let list = pages(sql);
        let mut found = Vec::new();
        for workspace in ["workspace1", "workspace400"] {
            for given in given(&types, sql, list) {
                let values: Vec<String> = (1..=types.len())
                    .map(|n| match n {
                        1 => format!("md5('{workspace}')::uuid"),
                        _ if optional(sql, n) && !given.contains(&n) => "NULL".to_owned(),
                        _ => value(name, &types, n, sql),
                    })
                    .collect();
                // A list is planned anew each time. Of the rest PostgreSQL may keep either plan.
                let modes: &[&str] = match list {
                    true => &["force_custom_plan"],
                    false => &["force_custom_plan", "force_generic_plan"],
                };
                for mode in modes {
                    let plan = self.plan(name, sql, &values, mode).await;
                    for fault in self.look(name, &plan) {
                        found.push(format!("{name} with {given:?} in {workspace}, {mode}: {fault}"));
                    }
                }
            }
        }
        found
    }

    fn look(&self, name: &str, plan: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let text = |key| plan[key].as_str().unwrap_or_default();
        let large = |key| self.large.contains(text(key));
        match text("Node Type") {
            "Seq Scan" if large("Relation Name") => {
                faults.push(format!("all of {} is read", text("Relation Name")));
            }
            "Index Scan" | "Index Only Scan" | "Bitmap Index Scan"
                if large("Index Name") && !text("Index Cond").contains("workspace_id =") =>
            {
                faults.push(format!("{} is read for all workspaces", text("Index Name")));
            }
            "Sort"
                if plan["Plans"][0]["Plan Rows"].as_f64().is_none_or(|rows| rows > SORTED)
                    && !COUNTED.contains(&name)
                    && !SUMS.contains(&name) =>
            {
                let (rows, key) = (&plan["Plans"][0]["Plan Rows"], &plan["Sort Key"]);
                faults.push(format!("{rows} rows are sorted by {key}"));
            }
            _ => {}
        }
        for part in plan["Plans"].as_array().into_iter().flatten() {
            faults.extend(self.look(name, part));
        }
        faults
    }
}

/// Whether it is a list's statement, of which `$2` and `$3` are the cursor and `$4` how many rows are wanted.
fn pages(sql: &str) -> bool {
    sql.contains(" AS cursor_key")
}

/// Whether a parameter is a filter that may be left out.
fn optional(sql: &str, n: usize) -> bool {
    let parameter = format!("${n}::");
    sql.match_indices(&parameter).any(|(at, _)| {
        let rest = &sql[at + parameter.len()..];
        let kind = rest.find(|c: char| !c.is_alphanumeric() && !"[]".contains(c)).unwrap_or(rest.len());
        rest[kind..].starts_with(" IS NULL")
    })
}

/// Which of the parameters that may be left out are there: none, each, each two of a list's filters, and a cursor with
/// none and with each.
fn given(types: &[Type], sql: &str, list: bool) -> Vec<Vec<usize>> {
    let from = if list { 5 } else { 2 };
    let filters: Vec<usize> = (from..=types.len()).filter(|n| optional(sql, *n)).collect();
    let mut all = vec![Vec::new()];
    for (n, one) in filters.iter().enumerate() {
        all.push(vec![*one]);
        all.extend(filters[n + 1..].iter().map(|other| vec![*one, *other]));
    }
    if list {
        let cursor: &[usize] = match () {
            () if sql.contains("AND $3::uuid IS NULL") => &[2],
            () if sql.contains("AND $2::text IS NULL") => &[3],
            () => &[2, 3],
        };
        let alone = all.iter().filter(|given| given.len() < 2);
        let on: Vec<_> = alone.map(|given| cursor.iter().chain(given).copied().collect()).collect();
        all.extend(on);
    }
    all
}

/// A value for a parameter.
fn value(name: &str, types: &[Type], n: usize, sql: &str) -> String {
    if let Some((.., value)) = VALUES.iter().find(|(of, at, _)| name.starts_with(of) && *at == n) {
        return (*value).to_owned();
    }
    // A cursor's key has the type of what the list is sorted by.
    if n == 2 && pages(sql) {
        return if sql.contains("$2::text::timestamptz") {
            "'2026-01-01T00:00:00Z'".to_owned()
        } else {
            "'500'".to_owned()
        };
    }
    match &types[n - 1] {
        kind if *kind == Type::UUID => "md5('query1/1')::uuid".to_owned(),
        kind if *kind == Type::TEXT => "'what few have'".to_owned(),
        kind if *kind == Type::UUID_ARRAY => "ARRAY[md5('query1/1')::uuid]".to_owned(),
        kind if *kind == Type::TEXT_ARRAY => "'{what few have}'".to_owned(),
        kind if *kind == Type::BOOL => "false".to_owned(),
        kind if *kind == Type::DATE => "'2026-03-10'".to_owned(),
        kind if *kind == Type::TIMESTAMPTZ => "'2026-01-15'".to_owned(),
        kind if *kind == Type::INT8 => "51".to_owned(),
        kind => panic!("{name}: ${n} is a {kind}, of which this test knows no value"),
    }
}

#[actix_web::test]
async fn no_read_looks_at_more_than_it_must() {
    let crowd = Crowd::new().await;
    let statements = weir_query_api::statements();
    let mut faults = String::new();
    for (name, sql) in &statements {
        for fault in crowd.faults(name, sql).await {
            writeln!(faults, "{fault}").unwrap();
        }
    }
    assert!(faults.is_empty(), "{faults}");

    // What this rests on can fail: without an index, and of a statement that forgets its workspace.
    crowd.client.batch_execute("DROP INDEX runs_recent, datasets_name").await.unwrap();
    for name in ["runs/list sort=-position", "datasets/list sort=name"] {
        let (_, sql) = statements.iter().find(|(n, _)| n == name).unwrap();
        let faults = crowd.faults(name, sql).await;
        assert!(faults.iter().any(|fault| fault.contains("rows are sorted by")), "{name}: {faults:?}");
    }
    let everybodys = "SELECT count(*) FROM runs r WHERE $1::uuid IS NOT NULL AND r.status = 'failed'";
    let faults = crowd.faults("everybody's", everybodys).await;
    assert!(faults.iter().any(|fault| fault.contains("is read")), "{faults:?}");
}

/// Statements about the installation, not about a workspace.
const OF_THE_INSTALLATION: [&str; 4] =
    ["checkpoint.sql", "http/admin/dead_letters.sql", "http/admin/projections.sql", "http/admin/writer.sql"];

#[test]
fn every_statement_is_in_the_index() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let statements = weir_query_api::statements();
    let (mut folders, mut seen) = (vec![source.clone()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                let name = path.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
                let text = fs::read_to_string(&path).unwrap();
                // Of a template, what stands before the first thing that is put in.
                let start = text.split('{').next().unwrap();
                let there = statements.iter().any(|(_, sql)| sql.starts_with(start));
                let workspaces = !OF_THE_INSTALLATION.contains(&name.as_str());
                assert_eq!(
                    there, workspaces,
                    "{name} belongs into query-api/src/sql.rs, or into the list here"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "only {seen} statements were found");
}
