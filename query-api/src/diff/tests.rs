use serde_json::json;
use uuid::Uuid;
use weir_events::{
    Actor, Commit, EventId, MemoryLog, Metadata, NewEvent, UserId, VisualizationId, WorkspaceId, context,
    dataset, query, visualization,
};

use super::*;

fn told(changes: &[Change]) -> Value {
    serde_json::to_value(changes).unwrap()
}

fn steps(events: &[Event]) -> Vec<Vec<Change>> {
    let mut fields = Fields::default();
    let deadline = Instant::now() + PATIENCE;
    let steps = events.iter().map(|event| {
        let before = fields.clone();
        fields.apply(event);
        before.changes(&fields, deadline)
    });
    steps.collect()
}

fn ingested(version: u32, rows: u64, columns: &[(&str, &str)]) -> Event {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, data_type)| json!({ "name": name, "type": data_type, "nullable": true }))
        .collect();
    let payload = json!({
        "version": version, "table": format!("t{version}"), "table_bytes": 1, "rows": rows, "columns": columns,
        "format": "csv", "options": {}, "elapsed_ms": 1,
    });
    dataset::Event::Ingested(serde_json::from_value(payload).unwrap()).into()
}

fn uploaded(version: u32, file: &str) -> Event {
    let payload = json!({
        "name": "flights", "version": version,
        "upload": { "blob": "b", "bytes": 1, "sha256": format!("hash{version}"), "file_name": file },
    });
    dataset::Event::Uploaded(serde_json::from_value(payload).unwrap()).into()
}

fn saved(name: &str, sql: &str) -> visualization::Event {
    let payload = json!({ "name": name, "sql": sql, "query_id": Uuid::nil(), "spec": { "mark": "bar" } });
    visualization::Event::Saved(serde_json::from_value(payload).unwrap())
}

#[test]
fn a_new_version_tells_its_rows_and_columns() {
    let steps = steps(&[
        uploaded(1, "a.csv"),
        ingested(1, 10, &[("carrier", "text"), ("delay", "text")]),
        uploaded(2, "b.csv"),
        ingested(2, 12, &[("carrier", "text"), ("delay", "int")]),
    ]);
    assert_eq!(
        told(&steps[0]),
        json!([
            { "field": "file", "from": null, "to": "a.csv" },
            { "field": "name", "from": null, "to": "flights" },
            { "field": "sha256", "from": null, "to": "hash1" },
        ])
    );
    assert_eq!(
        told(&steps[2]),
        json!([
            { "field": "file", "from": "a.csv", "to": "b.csv" },
            { "field": "sha256", "from": "hash1", "to": "hash2" },
        ])
    );
    assert_eq!(
        told(&steps[3]),
        json!([
            {
                "field": "columns", "from": null, "to": null,
                "diff": "@@ -1,2 +1,2 @@\n carrier: text\n-delay: text\n+delay: int\n",
            },
            { "field": "rows", "from": 10, "to": 12 },
            { "field": "version", "from": 1, "to": 2 },
        ])
    );
}

#[test]
fn what_goes_and_comes_back_says_so() {
    let renamed = dataset::Renamed { name: "delays".to_owned() };
    let restored = dataset::Restored { name: "late".to_owned() };
    let steps = steps(&[
        uploaded(1, "a.csv"),
        dataset::Event::Renamed(renamed).into(),
        dataset::Event::Deleted(dataset::Deleted {}).into(),
        dataset::Event::Restored(restored).into(),
    ]);
    assert_eq!(told(&steps[1]), json!([{ "field": "name", "from": "flights", "to": "delays" }]));
    assert_eq!(told(&steps[2]), json!([{ "field": "deleted", "from": null, "to": true }]));
    let back = json!([
        { "field": "deleted", "from": true, "to": null },
        { "field": "name", "from": "delays", "to": "late" },
    ]);
    assert_eq!(told(&steps[3]), back);
}

#[test]
fn a_chart_that_is_saved_anew_leaves_its_name_to_the_event_behind_it() {
    let renamed = visualization::Renamed { name: "Late".to_owned() };
    let steps = steps(&[
        saved("Delays", "SELECT 1").into(),
        saved("Late", "SELECT 2").into(),
        visualization::Event::Renamed(renamed).into(),
    ]);
    let sql = json!([{
        "field": "sql", "from": null, "to": null, "diff": "@@ -1 +1 @@\n-SELECT 1\n+SELECT 2\n",
    }]);
    assert_eq!(told(&steps[1]), sql);
    assert_eq!(told(&steps[2]), json!([{ "field": "name", "from": "Delays", "to": "Late" }]));
}

#[test]
fn contexts_and_saved_queries_tell_their_texts() {
    let context = |version: &str, text: &str| -> Event {
        let payload = json!({
            "name": "Flights", "version": version, "status": "active", "description": "", "text": text,
            "sha256": version, "datasets": [], "relationships": 0,
        });
        context::Event::Saved(serde_json::from_value(payload).unwrap()).into()
    };
    let told_of = told(&steps(&[context("1.0.0", "a\nb"), context("1.1.0", "a\nc")])[1]);
    assert_eq!(told_of[0]["diff"], "@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
    assert_eq!(told_of[1], json!({ "field": "version", "from": "1.0.0", "to": "1.1.0" }));

    let payload = json!({ "name": "One", "sql": "SELECT 1", "pattern": "SELECT ?" });
    let saved = query::Event::Saved(serde_json::from_value(payload).unwrap());
    let told_of = told(&steps(&[saved.into(), query::Event::Unsaved(query::Unsaved {}).into()])[1]);
    let gone = json!([
        { "field": "name", "from": "One", "to": null },
        { "field": "sql", "from": null, "to": null, "diff": "@@ -1 +0,0 @@\n-SELECT 1\n" },
    ]);
    assert_eq!(told_of, gone);
}

#[test]
fn a_long_difference_is_cut_at_a_line() {
    let long = |word: &str| (0..20_000).map(|n| format!("{word}ü{n}\n")).collect::<String>();
    let diff = unified(&long("a"), &long("b"), Instant::now() + PATIENCE);
    assert!(diff.len() <= LONGEST + 4, "{}", diff.len());
    assert!(diff.ends_with("\n...\n"), "{:?}", &diff[diff.len() - 40..]);
}

#[tokio::test]
async fn only_the_events_asked_for_are_told_and_none_of_another_thing() {
    let log = MemoryLog::new();
    let workspace = WorkspaceId(Uuid::from_u128(1));
    let (mine, other) = (VisualizationId(Uuid::from_u128(2)), VisualizationId(Uuid::from_u128(3)));
    let tell = async |n: u128, id: VisualizationId, event: visualization::Event| {
        let meta = Metadata {
            id: EventId(Uuid::from_u128(100 + n)),
            time: chrono::DateTime::UNIX_EPOCH,
            actor: Actor::User(UserId(Uuid::nil())),
            correlation: Uuid::nil(),
            causation: None,
            traceparent: None,
        };
        let event = NewEvent { subject: Subject::visualization(workspace, id), meta, event: event.into() };
        log.append(Commit::new().event(event)).await.unwrap().last
    };
    let renamed =
        |name: &str| visualization::Event::Renamed(visualization::Renamed { name: name.to_owned() });
    tell(0, mine, saved("Delays", "SELECT 1")).await;
    let others = tell(1, other, saved("Other", "SELECT 3")).await;
    let first = tell(2, mine, renamed("Late")).await;
    for n in 3..300 {
        tell(n, mine, renamed(&format!("Late {n}"))).await;
    }
    let last = tell(300, mine, renamed("Latest")).await;

    let told_at = at(&log, Subject::visualization(workspace, mine), &[last, first, others]).await.unwrap();
    assert_eq!(told_at.len(), 2);
    assert_eq!(told(&told_at[&first]), json!([{ "field": "name", "from": "Delays", "to": "Late" }]));
    assert_eq!(told(&told_at[&last]), json!([{ "field": "name", "from": "Late 299", "to": "Latest" }]));
}
