//! Telling a log what happened, and looking at what was made of it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::Pool;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_events::{
    Actor, Commit, DatasetId, Event, EventId, EventLog, MemoryLog, Metadata, NewEvent, Position, QueryId,
    RunId, Subject, UserId, VisualizationId, WorkspaceId, dataset, query, visualization,
};
use weir_projector::{
    Difference, Options, Projections, RebuildError, Rebuilt, Runtime, Status, projections, rebuild, verify,
};

/// A log with a clock that the test moves.
pub(crate) struct Story {
    pub(crate) log: MemoryLog,
    pub(crate) now: DateTime<Utc>,
    pub(crate) actor: Actor,
    events: u128,
}

pub(crate) fn workspace(n: u128) -> WorkspaceId {
    Uuid::from_u128(0xa000 + n).into()
}

pub(crate) fn user(n: u128) -> UserId {
    Uuid::from_u128(0xb000 + n).into()
}

pub(crate) fn table(n: u128) -> DatasetId {
    Uuid::from_u128(0xd000 + n).into()
}

pub(crate) fn pattern(n: u128) -> QueryId {
    Uuid::from_u128(0xe000 + n).into()
}

pub(crate) fn chart(n: u128) -> VisualizationId {
    Uuid::from_u128(0xf000 + n).into()
}

impl Story {
    pub(crate) fn new() -> Self {
        let now = "2026-03-01T10:00:00Z".parse().unwrap();
        Self { log: MemoryLog::new(), now, actor: Actor::User(user(1)), events: 0 }
    }

    pub(crate) fn minutes_later(&mut self, minutes: i64) {
        self.now += TimeDelta::minutes(minutes);
    }

    /// One event by the current actor, a second after the last.
    pub(crate) async fn tell(&mut self, subject: Subject, event: impl Into<Event>) -> Position {
        let event = self.event(subject, event);
        self.log.append(Commit::new().event(event)).await.unwrap().last
    }

    /// The event alone.
    pub(crate) fn event(&mut self, subject: Subject, event: impl Into<Event>) -> NewEvent {
        self.events += 1;
        self.now += TimeDelta::seconds(1);
        let id = Uuid::from_u128(self.events);
        let meta = Metadata {
            id: EventId(id),
            time: self.now,
            actor: self.actor.clone(),
            correlation: id,
            causation: None,
            traceparent: None,
        };
        NewEvent { subject, meta, event: event.into() }
    }

    pub(crate) async fn head(&self) -> Position {
        self.log.head().await.unwrap()
    }

    pub(crate) fn shared(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone())
    }
}

pub(crate) fn uploaded(name: &str, version: u32, bytes: u64) -> dataset::Uploaded {
    dataset::Uploaded {
        name: name.to_owned(),
        description: None,
        version,
        upload: dataset::Upload {
            blob: format!("uploads/{name}/{version}"),
            bytes,
            sha256: format!("{bytes:064x}"),
            file_name: Some(format!("{name}.csv")),
            content_type: None,
            source: None,
        },
        options: dataset::ReadOptions::default(),
        request: None,
    }
}

/// The same file again, to be read in another way.
pub(crate) fn reread(version: u32, upload: dataset::Upload) -> dataset::Reread {
    let options = dataset::ReadOptions { delimiter: Some(';'), ..Default::default() };
    dataset::Reread { version, upload, options }
}

pub(crate) fn ingested(version: u32, rows: u64) -> dataset::Ingested {
    dataset::Ingested {
        version,
        table: format!("tables/{version}.parquet"),
        table_bytes: rows * 3,
        rows,
        columns: vec![dataset::Column {
            name: "year".to_owned(),
            data_type: "int".to_owned(),
            nullable: false,
            missing: [("NA".to_owned(), 2)].into(),
            unfit: 0,
        }],
        format: "csv".to_owned(),
        options: dataset::ReadOptions { delimiter: Some(','), header: Some(true), ..Default::default() },
        sheets: Vec::new(),
        elapsed_ms: 12,
        profile: None,
        diff: (version > 1).then(|| dataset::Diff { from: 1, rows: -4, ..Default::default() }),
    }
}

/// Back to an older version, as a new one.
pub(crate) fn rolled_back(
    from: u32,
    version: u32,
    upload: dataset::Upload,
    rows: u64,
) -> dataset::RolledBack {
    dataset::RolledBack { from, upload, ingested: Box::new(ingested(version, rows)) }
}

pub(crate) fn rejected(version: u32) -> dataset::Rejected {
    dataset::Rejected {
        version,
        code: "ragged_row".to_owned(),
        detail: "row 7 has 3 fields instead of 4".to_owned(),
        row: Some(7),
        column: None,
        found: Some("a,b,c".to_owned()),
    }
}

pub(crate) fn executed(
    run: u128,
    sources: &[(u128, &str)],
    elapsed_ms: f64,
    tier: Option<u8>,
) -> query::Executed {
    query::Executed {
        run_id: RunId(Uuid::from_u128(0x1_0000 + run)),
        sql: format!("SELECT {run}"),
        pattern: "SELECT ?".to_owned(),
        datasets: sources
            .iter()
            .map(|(id, name)| query::Source { id: table(*id), name: (*name).to_owned(), version: 1 })
            .collect(),
        engine: "test 1".to_owned(),
        rows: 1,
        bytes: 8,
        truncated: false,
        elapsed_ms,
        cache_tier: tier,
        result_hash: "00ff".to_owned(),
        result: None,
        events_to: None,
        stages: None,
        context: None,
        question: None,
        model: None,
    }
}

pub(crate) fn failed(run: u128) -> query::Failed {
    query::Failed {
        run_id: RunId(Uuid::from_u128(0x1_0000 + run)),
        sql: "SELECT nothing".to_owned(),
        pattern: "SELECT ?".to_owned(),
        code: "unknown_column".to_owned(),
        detail: "there is no column nothing".to_owned(),
        elapsed_ms: 1.5,
        question: None,
        model: None,
    }
}

pub(crate) fn saved_chart(name: &str, description: Option<&str>) -> visualization::Saved {
    visualization::Saved {
        name: name.to_owned(),
        description: description.map(str::to_owned),
        sql: "SELECT 1".to_owned(),
        query_id: pattern(1),
        run_id: None,
        context: None,
        spec: serde_json::json!({ "mark": "bar", "title": name }),
        chart: Some(serde_json::json!({ "type": "bar" })),
    }
}

/// Options with which nothing takes long.
pub(crate) fn quick(batch_events: usize) -> Options {
    Options {
        batch_events,
        standby_poll: Duration::from_millis(20),
        backoff: (Duration::from_millis(5), Duration::from_millis(50)),
        ..Options::default()
    }
}

/// Runs the projections until everything in the log is there, then stops them in order.
pub(crate) async fn project(log: &Arc<dyn EventLog>, pool: &Pool, options: Options) {
    project_with(log, pool, projections::all(), options).await;
}

/// The same with other projections.
pub(crate) async fn project_with(
    log: &Arc<dyn EventLog>,
    pool: &Pool,
    projections: Projections,
    options: Options,
) {
    let runtime = Runtime::new(log.clone(), pool.clone(), projections, options);
    let (mut position, mut status) = (runtime.position(), runtime.status());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(runtime.run(shutdown.clone()));
    // The one before may hold the lock for another moment; a position told while standing by is not
    // this one's work.
    let live = status.wait_for(|s| matches!(s, Status::Live));
    tokio::time::timeout(Duration::from_secs(60), live).await.expect("it becomes the writer").unwrap();
    let head = log.head().await.unwrap();
    let reached = position.wait_for(|p| *p >= head);
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("it catches up").unwrap();
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

/// Waits until something is so.
pub(crate) async fn until(so: impl AsyncFn() -> bool) {
    let waited = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waited).await.expect("it becomes so within a minute");
}

/// Folds everything anew, and puts it in the place of the live tables.
pub(crate) async fn rebuild_all(log: &Arc<dyn EventLog>, pool: &Pool) -> Result<Rebuilt, RebuildError> {
    let all = projections::all();
    rebuild(log, pool, &all, &all, |_| {}).await
}

/// Where the live tables differ from a fresh fold.
pub(crate) async fn differences(log: &Arc<dyn EventLog>, pool: &Pool) -> Vec<Difference> {
    let all = projections::all();
    verify(log, pool, &all, &all, |_| {}).await.unwrap()
}

/// The rows of a query, as JSON; of any projection that there is.
pub(crate) async fn rows(pool: &Pool, sql: &str) -> Vec<Value> {
    let client = pool.get().await.unwrap();
    let path = "SELECT string_agg('\"read_' || name || '\", ', '') || 'read' FROM read.checkpoint";
    let path: String = client.query_one(path, &[]).await.unwrap().get(0);
    client.batch_execute(&format!("SET search_path TO {path}; SET TimeZone TO 'UTC'")).await.unwrap();
    let sql = format!("SELECT to_jsonb(t) FROM ({sql}) t");
    let rows = client.query(&sql, &[]).await.unwrap();
    client.batch_execute("RESET search_path").await.unwrap();
    rows.iter().map(|r| r.get(0)).collect()
}

/// The one row of a query, as JSON.
pub(crate) async fn row(pool: &Pool, sql: &str) -> Value {
    let rows = rows(pool, sql).await;
    assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
    rows.into_iter().next().unwrap()
}
