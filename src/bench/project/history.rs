//! Events to project: what workspaces do, mostly queries.

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;
use weir_events::{
    Actor, AppendError, Commit, DatasetId, Event, EventId, EventLog, Metadata, NewEvent, Position, QueryId,
    RunId, Subject, UserId, VisualizationId, WorkspaceId, dataset, query, visualization,
};

/// Workspaces, and in all of them together: datasets, patterns of queries, charts.
pub(in crate::bench) const WORKSPACES: u64 = 1_000;
const THINGS: u64 = 4_000;

/// Events of which one is an upload, one its table, one a chart, one a failure, and the rest are answers.
pub(in crate::bench) const ROUND: u64 = 20;

/// Commits that are on their way at once; the log makes batches of them.
const AT_ONCE: usize = 200;

const SQL: &str = "SELECT a.name, count(*) AS flights, avg(f.arr_delay) AS delay FROM flights f \
                   JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY flights DESC";

/// Tells events from the `from`th up to the `to`th on, both multiples of [`ROUND`]; where the log is then. Each is a commit
/// by itself, as most are.
pub(in crate::bench) async fn tell(log: &dyn EventLog, from: u64, to: u64) -> anyhow::Result<Position> {
    stream::iter(from / ROUND..to / ROUND)
        .map(|round| async move {
            // Those of one round stay in order.
            for n in round * ROUND..(round + 1) * ROUND {
                log.append(Commit::new().event(event(n))).await?;
            }
            Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .map_err(|error: AppendError| anyhow::Error::new(error).context("an event could not be appended"))?;
    Ok(log.head().await?)
}

/// The `n`th workspace.
pub(in crate::bench) fn workspace(n: u64) -> WorkspaceId {
    WorkspaceId(Uuid::from_u128(0x1_0000_0000 + u128::from(n)))
}

/// The `n`th event.
pub(in crate::bench) fn event(n: u64) -> NewEvent {
    let thing = n / ROUND % THINGS;
    let workspace = workspace(thing % WORKSPACES);
    // Each time that it is its turn, a dataset gets a new version.
    let version = u32::try_from(n / ROUND / THINGS).unwrap_or_default() + 1;
    let id = Uuid::from_u128(0x2_0000_0000 + u128::from(thing));
    let (subject, event): (Subject, Event) = match n % ROUND {
        0 => (Subject::dataset(workspace, DatasetId(id)), uploaded(thing, version).into()),
        1 => (Subject::dataset(workspace, DatasetId(id)), ingested(version).into()),
        2 => (Subject::visualization(workspace, VisualizationId(id)), chart(id).into()),
        3 => (Subject::query(workspace, QueryId(id)), failed(n).into()),
        _ => {
            let query = Uuid::from_u128(
                0x2_0000_0000 + u128::from(n % THINGS / WORKSPACES * WORKSPACES + thing % WORKSPACES),
            );
            (Subject::query(workspace, QueryId(query)), executed(n, id).into())
        }
    };
    let meta = Metadata {
        id: EventId(Uuid::now_v7()),
        time: DateTime::<Utc>::UNIX_EPOCH
            + TimeDelta::seconds(1_700_000_000 + i64::try_from(n / 10).unwrap_or_default()),
        actor: Actor::User(UserId(Uuid::from_u128(0x3_0000_0000 + u128::from(n % 5)))),
        correlation: Uuid::nil(),
        causation: None,
        traceparent: None,
    };
    NewEvent { subject, meta, event }
}

fn uploaded(thing: u64, version: u32) -> dataset::Uploaded {
    dataset::Uploaded {
        name: format!("flights {thing}"),
        description: None,
        version,
        upload: dataset::Upload {
            blob: format!("uploads/{thing}"),
            bytes: 30_000_000,
            sha256: format!("{thing:064x}"),
            file_name: Some("flights.csv".to_owned()),
            content_type: Some("text/csv".to_owned()),
            source: None,
        },
        options: dataset::ReadOptions::default(),
        request: None,
    }
}

fn ingested(version: u32) -> dataset::Ingested {
    let column = |name: &str, data_type: &str| dataset::Column {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        nullable: true,
        missing: [("NA".to_owned(), 8_255)].into(),
        unfit: 0,
    };
    dataset::Ingested {
        version,
        table: "tables/1.parquet".to_owned(),
        table_bytes: 6_000_000,
        rows: 336_776,
        columns: vec![
            column("carrier", "text"),
            column("flight", "int"),
            column("dep_delay", "int"),
            column("arr_delay", "int"),
            column("time_hour", "timestamptz"),
        ],
        format: "csv".to_owned(),
        options: dataset::ReadOptions { delimiter: Some(','), header: Some(true), ..Default::default() },
        sheets: Vec::new(),
        elapsed_ms: 900,
        profile: None,
        diff: None,
    }
}

fn chart(id: Uuid) -> visualization::Saved {
    visualization::Saved {
        name: format!("Delay {id}"),
        description: None,
        sql: SQL.to_owned(),
        query_id: QueryId(id),
        run_id: None,
        context: None,
        spec: serde_json::json!({"mark": "bar", "encoding": {"x": {"field": "name"}, "y": {"field": "delay"}}}),
        chart: Some(serde_json::json!({"type": "bar", "x": "name", "y": "delay"})),
    }
}

fn executed(n: u64, source: Uuid) -> query::Executed {
    query::Executed {
        run_id: RunId(Uuid::from_u128(0x4_0000_0000 + u128::from(n))),
        sql: SQL.to_owned(),
        pattern: SQL.to_owned(),
        datasets: vec![query::Source { id: DatasetId(source), name: "flights".to_owned(), version: 1 }],
        engine: "none".to_owned(),
        rows: 16,
        bytes: 640,
        truncated: false,
        elapsed_ms: (n % 400) as f64,
        cache_tier: n.is_multiple_of(3).then_some(1),
        result_hash: format!("{n:064x}"),
        result: None,
        events_to: None,
        stages: None,
        context: None,
        question: None,
        model: None,
    }
}

fn failed(n: u64) -> query::Failed {
    query::Failed {
        run_id: RunId(Uuid::from_u128(0x4_0000_0000 + u128::from(n))),
        sql: "SELECT delay FROM flights".to_owned(),
        pattern: "SELECT delay FROM flights".to_owned(),
        code: "unknown_column".to_owned(),
        detail: "There is no column 'delay'. Did you mean 'dep_delay'?".to_owned(),
        elapsed_ms: 1.5,
        question: None,
        model: None,
    }
}
