//! What each projection makes of events.

use serde_json::json;
use weir_events::{
    ActionId, ActionKind, Actor, ApiKeyId, Subject, dataset, member, query, visualization, workspace,
};
use weir_infra::testing::{Database, database};

use crate::story::*;

/// Folds the story so far, a few events at a time, so that most statements meet earlier rows.
async fn folded(story: &Story) -> Database {
    let database = database().await;
    project(&story.shared(), database.pool(), quick(3)).await;
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_and_members() {
    let mut story = Story::new();
    let w = workspace(1);
    let created = workspace::Created { name: "Home".to_owned(), owner: user(1), personal: true };
    story.tell(Subject::workspace(w), created).await;
    story.tell(Subject::member(w, user(1)), member::Added { role: member::Role::Owner }).await;
    story.tell(Subject::member(w, user(2)), member::Added { role: member::Role::Viewer }).await;
    story.tell(Subject::member(w, user(3)), member::Added { role: member::Role::Viewer }).await;
    story.tell(Subject::member(w, user(2)), member::RoleChanged { role: member::Role::Editor }).await;
    story.tell(Subject::member(w, user(3)), member::Removed {}).await;
    story.tell(Subject::member(w, user(3)), member::RoleChanged { role: member::Role::Owner }).await;
    story.tell(Subject::workspace(w), workspace::Renamed { name: "Work".to_owned() }).await;

    let database = folded(&story).await;
    let got = rows(database.pool(), "SELECT name, personal, position FROM workspaces").await;
    assert_eq!(got, [json!({ "name": "Work", "personal": true, "position": 8 })]);
    let got =
        rows(database.pool(), "SELECT right(user_id::text, 1) AS u, role FROM members ORDER BY u").await;
    assert_eq!(got, [json!({ "u": "1", "role": "owner" }), json!({ "u": "2", "role": "editor" })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_from_upload_to_deletion_and_back() {
    let mut story = Story::new();
    let (w, d) = (workspace(1), table(1));
    let s = || Subject::dataset(w, d);
    let mut first = uploaded("flights", 1, 1000);
    first.description = Some("all of them".to_owned());
    story.tell(s(), first).await;
    let database = folded(&story).await;
    let pool = database.pool().clone();
    let status = "SELECT status, name, version, rows FROM datasets";
    let again = |story: &Story| {
        let log = story.shared();
        let pool = pool.clone();
        async move { project(&log, &pool, quick(2)).await }
    };
    let wanted = json!({ "status": "ingesting", "name": "flights", "version": null, "rows": null });
    assert_eq!(row(&pool, status).await, wanted);

    story.tell(s(), ingested(1, 336_776)).await;
    again(&story).await;
    let wanted = json!({ "status": "ready", "name": "flights", "version": 1, "rows": 336_776 });
    assert_eq!(row(&pool, status).await, wanted);

    // A second version that cannot be read leaves the first one usable, and says so.
    story.tell(s(), uploaded("flights", 2, 2000)).await;
    again(&story).await;
    assert_eq!(row(&pool, status).await["status"], "ingesting");
    story.tell(s(), rejected(2)).await;
    again(&story).await;
    assert_eq!(row(&pool, status).await["status"], "ready");
    let reason = row(&pool, "SELECT reason FROM datasets").await;
    assert_eq!(reason["reason"]["code"], "ragged_row");
    assert_eq!(reason["reason"]["row"], 7);

    story.tell(s(), dataset::Deleted {}).await;
    story.tell(s(), dataset::Restored { name: "flights_2".to_owned() }).await;
    story.tell(s(), dataset::Described { description: String::new() }).await;
    story.tell(s(), dataset::Deleted {}).await;
    again(&story).await;
    let got = row(&pool, "SELECT status, name, description, upload_bytes, columns FROM datasets").await;
    let wanted = json!({
        "status": "deleted", "name": "flights_2", "description": null, "upload_bytes": 2000,
        "columns": [{ "name": "year", "type": "int", "nullable": false, "missing": { "NA": 2 } }],
    });
    assert_eq!(got, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_read_again_is_another_version() {
    let mut story = Story::new();
    let s = || Subject::dataset(workspace(1), table(1));
    let first = uploaded("flights", 1, 1000);
    let file = first.upload.clone();
    story.tell(s(), first).await;
    story.tell(s(), ingested(1, 10)).await;
    story.actor = Actor::User(user(2));
    story.tell(s(), reread(2, file.clone())).await;
    let database = folded(&story).await;
    let pool = database.pool();
    let state = "SELECT status, name, version, uploaded_version, upload_bytes, rows, options->>'delimiter' AS delimiter \
                 FROM datasets";
    let wanted = json!({
        "status": "ingesting", "name": "flights", "version": 1, "uploaded_version": 2,
        "upload_bytes": 1000, "rows": 10, "delimiter": ";",
    });
    assert_eq!(row(pool, state).await, wanted);

    story.actor = Actor::System("ingest");
    story.tell(s(), rejected(2)).await;
    story.actor = Actor::User(user(1));
    story.tell(s(), reread(3, file)).await;
    story.actor = Actor::System("ingest");
    story.tell(s(), ingested(3, 12)).await;
    project(&story.shared(), pool, quick(2)).await;
    let now = row(pool, state).await;
    assert_eq!((&now["status"], &now["version"], &now["rows"]), (&json!("ready"), &json!(3), &json!(12)));
    let versions = rows(
        pool,
        "SELECT version, right(uploaded_by::text, 1) AS by, upload_bytes, file_name, rows, reason->>'code' AS code, \
             options->>'delimiter' AS delimiter FROM dataset_versions ORDER BY version",
    )
    .await;
    let of = |version: u8, by: &str, rows: Option<u8>, code: Option<&str>, delimiter: &str| {
        json!({
            "version": version, "by": by, "upload_bytes": 1000, "file_name": "flights.csv",
            "rows": rows, "code": code, "delimiter": delimiter,
        })
    };
    let wanted = [
        of(1, "1", Some(10), None, ","),
        of(2, "2", None, Some("ragged_row"), ";"),
        of(3, "1", Some(12), None, ","),
    ];
    assert_eq!(versions, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_rejected() {
    let mut story = Story::new();
    let s = Subject::dataset(workspace(1), table(1));
    story.tell(s.clone(), uploaded("bad", 1, 10)).await;
    story.tell(s, rejected(1)).await;
    let database = folded(&story).await;
    let got = row(database.pool(), "SELECT status, reason->>'detail' AS detail FROM datasets").await;
    assert_eq!(got, json!({ "status": "rejected", "detail": "row 7 has 3 fields instead of 4" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_count_for_their_pattern_their_datasets_and_their_day() {
    let mut story = Story::new();
    let w = workspace(1);
    story.tell(Subject::dataset(w, table(1)), uploaded("flights", 1, 10)).await;
    story.tell(Subject::dataset(w, table(1)), ingested(1, 5)).await;
    let q = || Subject::query(w, pattern(1));
    for run in 0..5 {
        let tier = (run % 2 == 1).then_some(1);
        story.tell(q(), executed(run, &[(1, "flights"), (9, "gone")], 10.0, tier)).await;
    }
    story.minutes_later(24 * 60);
    story.actor = Actor::ApiKey(ApiKeyId::from(uuid::Uuid::from_u128(7)), user(2));
    story.tell(q(), failed(5)).await;

    let database = folded(&story).await;
    let pool = database.pool();
    let sql =
        "SELECT pattern, last_sql, sql, runs, failures, cache_hits, first_position, position FROM queries";
    let wanted = json!({
        "pattern": "SELECT ?", "last_sql": "SELECT nothing", "sql": "SELECT nothing",
        "runs": 6, "failures": 1, "cache_hits": 2, "first_position": 3, "position": 8,
    });
    assert_eq!(row(pool, sql).await, wanted);
    // Only answered runs say how long an answer takes.
    let bucket = weir_infra::latency::bucket(10.0);
    let got = rows(pool, "SELECT buckets, counts FROM query_latency").await;
    assert_eq!(got, [json!({ "buckets": [bucket], "counts": [5] })]);
    let got =
        rows(pool, "SELECT day, queries, failed_queries, cache_hits, uploads FROM usage_days ORDER BY day")
            .await;
    let wanted = [
        json!({ "day": "2026-03-01", "queries": 5, "failed_queries": 0, "cache_hits": 2, "uploads": 1 }),
        json!({ "day": "2026-03-02", "queries": 1, "failed_queries": 1, "cache_hits": 0, "uploads": 0 }),
    ];
    assert_eq!(got, wanted);
    let got = rows(pool, "SELECT day, right(user_id::text, 1) AS u FROM usage_users ORDER BY day").await;
    assert_eq!(got, [json!({ "day": "2026-03-01", "u": "1" }), json!({ "day": "2026-03-02", "u": "2" })]);
    let got =
        row(pool, "SELECT status, code, rows, datasets, user_id, actor FROM runs WHERE status <> 'ok'").await;
    assert_eq!(got["code"], "unknown_column");
    assert_eq!(got["datasets"], json!([]));
    assert_eq!(got["actor"], story.actor.to_string());
    let got = row(pool, "SELECT datasets FROM runs WHERE position = 3").await;
    assert_eq!(got["datasets"][0], json!({ "id": table(1), "name": "flights", "version": 1 }));
    // A dataset that the read model does not know does not come to be, but its use is counted.
    let got = row(pool, "SELECT status, position, last_used_at::text AS used FROM datasets").await;
    assert_eq!(got, json!({ "status": "ready", "position": 2, "used": "2026-03-01 10:00:07+00" }));
    let got = row(pool, "SELECT sum(queries)::int AS n, count(*)::int AS d FROM dataset_use").await;
    assert_eq!(got, json!({ "n": 10, "d": 2 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_saved_renamed_and_given_up() {
    let mut story = Story::new();
    let q = || Subject::query(workspace(1), pattern(1));
    let saved = |name: &str| query::Saved {
        name: name.to_owned(),
        sql: "SELECT 7".to_owned(),
        pattern: "SELECT ?".to_owned(),
        context: None,
    };
    story.tell(q(), executed(1, &[], 1.0, None)).await;
    story.tell(q(), saved("seven")).await;
    story.tell(q(), query::Renamed { name: "lucky".to_owned() }).await;
    let database = folded(&story).await;
    let pool = database.pool();
    let sql = "SELECT name, sql, saved_at IS NOT NULL AS saved, runs FROM queries";
    let wanted = json!({ "name": "lucky", "sql": "SELECT 7", "saved": true, "runs": 1 });
    assert_eq!(row(pool, sql).await, wanted);

    story.tell(q(), query::Unsaved {}).await;
    story.tell(q(), query::Renamed { name: "ignored".to_owned() }).await;
    project(&story.shared(), pool, quick(1)).await;
    let wanted = json!({ "name": null, "sql": "SELECT 1", "saved": false, "runs": 1 });
    assert_eq!(row(pool, sql).await, wanted);
    let titles = rows(pool, "SELECT title FROM activity ORDER BY position").await;
    let titles: Vec<_> = titles.iter().map(|t| t["title"].as_str().unwrap()).collect();
    let wanted = [
        "ran a query",
        "saved the query seven",
        "renamed seven to lucky",
        "gave up the query lucky",
        "renamed a query to ignored",
    ];
    assert_eq!(titles, wanted);
}

/// What was saved could not be read, so that the new name finds no query: the run after it is the first event.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_begins_with_the_first_event_that_makes_one() {
    let mut story = Story::new();
    let q = || Subject::query(workspace(1), pattern(1));
    story.tell(q(), query::Renamed { name: "nothing yet".to_owned() }).await;
    story.tell(q(), executed(1, &[], 1.0, None)).await;
    for batch in [1, 2] {
        let database = database().await;
        project(&story.shared(), database.pool(), quick(batch)).await;
        let got = row(database.pool(), "SELECT first_position, position, name FROM queries").await;
        assert_eq!(got, json!({ "first_position": 2, "position": 2, "name": null }), "batches of {batch}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_stand_with_their_runs_and_in_the_activity() {
    let mut story = Story::new();
    let q = || Subject::query(workspace(1), pattern(1));
    let (question, model) = (Some("how many?".to_owned()), Some("small-1".to_owned()));
    let answered = executed(1, &[(1, "trips")], 1.0, None);
    story.tell(q(), query::Executed { question: question.clone(), model: model.clone(), ..answered }).await;
    let long = Some("x".repeat(200));
    story.tell(q(), query::Failed { question: long.clone(), model, ..failed(2) }).await;
    story.tell(Subject::workspace(workspace(1)), workspace::RowsShared { shared: true }).await;
    story.tell(Subject::workspace(workspace(1)), workspace::RowsShared { shared: false }).await;
    let database = folded(&story).await;
    let pool = database.pool();
    let asked = rows(pool, "SELECT question, model FROM runs ORDER BY position").await;
    let wanted =
        [json!({"question": question, "model": "small-1"}), json!({"question": long, "model": "small-1"})];
    assert_eq!(asked, wanted);
    let told = rows(
        pool,
        "SELECT title, detail->>'question' AS question, detail->>'model' AS model FROM activity ORDER BY position",
    )
    .await;
    let failed = format!("asked \"{}…\", which failed", "x".repeat(120));
    let wanted = [
        json!({"title": "asked \"how many?\"", "question": "how many?", "model": "small-1"}),
        json!({"title": failed, "question": long, "model": "small-1"}),
        json!({"title": "let language models see rows", "question": null, "model": null}),
        json!({"title": "stopped letting language models see rows", "question": null, "model": null}),
    ];
    assert_eq!(told, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_dismissed_for_as_long_as_nobody_wants_it_back() {
    let mut story = Story::new();
    let w = || Subject::workspace(workspace(1));
    let upload = ActionId::new(ActionKind::FixUpload, Some(table(1).0), Some(2)).unwrap();
    let chart = ActionId::new(ActionKind::SaveVisualization, None, None).unwrap();
    story.tell(w(), workspace::ActionDismissed { action: upload }).await;
    story.tell(w(), workspace::ActionDismissed { action: chart }).await;
    story.tell(w(), workspace::ActionRestored { action: chart }).await;
    let database = folded(&story).await;
    let pool = database.pool();
    let sql = "SELECT action, kind, thing, right(user_id::text, 1) AS by, position FROM dismissals ORDER BY position";
    let first = json!({
        "action": upload, "kind": "fix_upload", "thing": table(1), "by": "1", "position": 1,
    });
    assert_eq!(rows(pool, sql).await, [first]);

    story.actor = Actor::User(user(2));
    story.tell(w(), workspace::ActionRestored { action: upload }).await;
    story.tell(w(), workspace::ActionDismissed { action: chart }).await;
    project(&story.shared(), pool, quick(3)).await;
    let last = json!({
        "action": "save_visualization", "kind": "save_visualization", "thing": null, "by": "2", "position": 5,
    });
    assert_eq!(rows(pool, sql).await, [last]);
    let told = rows(pool, "SELECT title FROM activity ORDER BY position DESC LIMIT 2").await;
    let wanted = ["dismissed the advice to save a first chart", "wants again the advice to mend a file"];
    assert_eq!(told, wanted.map(|title| json!({ "title": title })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_saved_again_and_deleted() {
    let mut story = Story::new();
    let v = || Subject::visualization(workspace(1), chart(1));
    story.tell(v(), saved_chart("delays", Some("by airline"))).await;
    story.minutes_later(5);
    story.actor = Actor::User(user(2));
    story.tell(v(), saved_chart("delays", None)).await;
    story.tell(v(), visualization::Renamed { name: "late".to_owned() }).await;
    let database = folded(&story).await;
    let pool = database.pool();
    let sql = "SELECT name, description, revision, spec->>'mark' AS mark, chart, \
               right(created_by::text, 1) AS by, right(updated_by::text, 1) AS last, \
               created_at::text AS at, deleted_at IS NOT NULL AS deleted FROM visualizations";
    let wanted = json!({
        "name": "late", "description": null, "revision": 2, "mark": "bar", "chart": { "type": "bar" },
        "by": "1", "last": "2", "at": "2026-03-01 10:00:01+00", "deleted": false,
    });
    assert_eq!(row(pool, sql).await, wanted);
    story.tell(v(), visualization::Deleted {}).await;
    project(&story.shared(), pool, quick(1)).await;
    assert_eq!(row(pool, sql).await["deleted"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_gives_back_what_a_deletion_takes() {
    let mut story = Story::new();
    let w = workspace(1);
    let d = |n| Subject::dataset(w, table(n));
    for n in 1..=3 {
        story.tell(d(n), uploaded(&format!("t{n}"), 1, 100 * n as u64)).await;
        story.tell(d(n), ingested(1, 10 * n as u64)).await;
    }
    story.tell(d(4), uploaded("bad", 1, 7)).await;
    story.tell(d(4), rejected(1)).await;
    story.tell(d(2), dataset::Deleted {}).await;
    story.tell(Subject::visualization(w, chart(1)), saved_chart("a", None)).await;
    story.tell(Subject::visualization(w, chart(1)), saved_chart("a", None)).await;
    story.tell(Subject::visualization(w, chart(2)), saved_chart("b", None)).await;
    story.tell(Subject::visualization(w, chart(2)), visualization::Deleted {}).await;
    story.tell(Subject::query(w, pattern(1)), executed(1, &[], 1.0, Some(2))).await;
    story.tell(Subject::query(w, pattern(1)), failed(2)).await;
    let database = folded(&story).await;
    let sql = "SELECT datasets, total_bytes, total_rows, visualizations, queries, failed_queries, cache_hits, \
               position FROM overview";
    let wanted = json!({
        "datasets": 2, "total_bytes": 400, "total_rows": 40, "visualizations": 1,
        "queries": 2, "failed_queries": 1, "cache_hits": 1, "position": 15,
    });
    assert_eq!(row(database.pool(), sql).await, wanted);
    story.tell(d(2), dataset::Restored { name: "t2".to_owned() }).await;
    // Another version counts instead of the one before.
    story.tell(d(1), uploaded("t1", 2, 1000)).await;
    story.tell(d(1), ingested(2, 1)).await;
    project(&story.shared(), database.pool(), quick(100)).await;
    let got = row(database.pool(), "SELECT datasets, total_bytes, total_rows FROM overview").await;
    assert_eq!(got, json!({ "datasets": 3, "total_bytes": 1500, "total_rows": 51 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_speaks_of_things_by_the_name_that_they_had() {
    let mut story = Story::new();
    let w = workspace(1);
    let d = Subject::dataset(w, table(1));
    story.tell(d.clone(), uploaded("flights", 1, 10)).await;
    story.actor = Actor::System("ingest");
    story.tell(d.clone(), ingested(1, 5)).await;
    story.actor = Actor::User(user(1));
    story.tell(d.clone(), dataset::Renamed { name: "trips".to_owned() }).await;
    story.tell(Subject::query(w, pattern(1)), executed(1, &[(1, "trips")], 1.0, None)).await;
    story.tell(d.clone(), dataset::Deleted {}).await;
    story.tell(d.clone(), dataset::Restored { name: "trips_2".to_owned() }).await;
    story.tell(d, dataset::Deleted {}).await;
    story.tell(Subject::member(w, user(1)), member::Added { role: member::Role::Owner }).await;
    let name = weir_events::name::Reserved { holder: table(1).0 };
    story.tell(Subject::name(w, weir_events::name::Kind::Dataset, "trips"), name).await;
    let wanted = [
        ("flights", "uploaded flights"),
        ("flights", "read flights: 5 rows, 1 columns"),
        ("flights", "renamed flights to trips"),
        ("", "ran a query over trips"),
        ("trips", "deleted trips"),
        ("trips_2", "restored trips_2"),
        ("trips_2", "deleted trips_2"),
        ("", "joined as owner"),
    ];
    for batch in [1, 2, 100] {
        let database = database().await;
        project(&story.shared(), database.pool(), quick(batch)).await;
        let got = rows(
            database.pool(),
            "SELECT coalesce(subject_name, '') AS n, title FROM activity ORDER BY position",
        )
        .await;
        let got: Vec<_> =
            got.iter().map(|r| (r["n"].as_str().unwrap(), r["title"].as_str().unwrap())).collect();
        assert_eq!(got, wanted, "in batches of {batch}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_run_that_is_told_of_again_the_first_word_stands() {
    let mut story = Story::new();
    let s = || Subject::query(workspace(1), pattern(1));
    let told_again =
        |run| query::Executed { sql: "SELECT again".to_owned(), ..executed(run, &[], 1.0, None) };
    for run in 0..30 {
        story.tell(s(), executed(run, &[], 1.0, None)).await;
    }
    let database = database().await;
    let pool = database.pool();
    project(&story.shared(), pool, quick(1_000)).await;
    // Twice in one batch, and amid others what an earlier batch wrote.
    for run in 30..60 {
        story.tell(s(), executed(run, &[], 1.0, None)).await;
        if run % 7 == 0 {
            story.tell(s(), told_again(run - 5)).await;
            story.tell(s(), told_again(run - 35)).await;
        }
    }
    project(&story.shared(), pool, quick(1_000)).await;
    let counts = "SELECT count(*)::int AS runs, count(*) FILTER (WHERE sql LIKE '%again')::int AS again,
                         (SELECT count(*) FROM dead_letters)::int AS dead FROM runs";
    assert_eq!(row(pool, counts).await, json!({ "runs": 60, "again": 0, "dead": 0 }));
    assert_eq!(row(pool, "SELECT runs FROM queries").await, json!({ "runs": 68 }));
    assert_eq!(differences(&story.shared(), pool).await, []);
}
