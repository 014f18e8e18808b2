//! Every run with its receipt.

use std::{collections::HashSet, pin::pin};

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;
use uuid::Uuid;
use weir_events::{Event, Recorded, query};

use super::{int, json, keys, person, position};
use crate::projection::{JsonText, Projection, Tx, copy};

pub(crate) struct Runs;

/// New rows in the order of the stream, since nothing ever changes in one.
#[derive(Default)]
pub(crate) struct Delta(Vec<Row>);

struct Row {
    workspace: Uuid,
    run: Uuid,
    query: Uuid,
    sql: String,
    failure: Option<(String, String)>,
    answer: Option<Answer>,
    elapsed_ms: f64,
    question: Option<String>,
    model: Option<String>,
    at: DateTime<Utc>,
    actor: String,
    user: Option<Uuid>,
    position: i64,
}

/// What only an answered run has.
struct Answer {
    rows: i64,
    bytes: i64,
    truncated: bool,
    tier: Option<i16>,
    hash: String,
    result: Option<String>,
    datasets: Option<String>,
    engine: String,
    context: Option<String>,
    events_to: Option<i64>,
    stages: Option<String>,
}

impl Projection for Runs {
    const NAME: &'static str = "runs";
    const VERSION: i32 = 5;
    const SCHEMA: &'static str = include_str!("schema.sql");
    const COPIES: bool = true;
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let Event::Query(happened) = &event.event else { return };
        let Some((workspace, query)) = keys(event) else { return };
        let row = |run| Row {
            workspace,
            run,
            query,
            sql: String::new(),
            failure: None,
            answer: None,
            elapsed_ms: 0.0,
            question: None,
            model: None,
            at: event.meta.time,
            actor: event.meta.actor.to_string(),
            user: person(event),
            position: position(event),
        };
        delta.0.push(match happened {
            query::Event::Executed(e) => Row {
                sql: e.sql.clone(),
                answer: Some(Answer {
                    rows: int(e.rows),
                    bytes: int(e.bytes),
                    truncated: e.truncated,
                    tier: e.cache_tier.map(i16::from),
                    hash: e.result_hash.clone(),
                    result: e.result.clone(),
                    datasets: (!e.datasets.is_empty()).then(|| json(&e.datasets)),
                    engine: e.engine.clone(),
                    context: e.context.as_ref().map(json),
                    events_to: e.events_to.map(int),
                    stages: e.stages.as_ref().map(json),
                }),
                elapsed_ms: e.elapsed_ms,
                question: e.question.clone(),
                model: e.model.clone(),
                ..row(e.run_id.0)
            },
            query::Event::Failed(e) => Row {
                sql: e.sql.clone(),
                failure: Some((e.code.clone(), e.detail.clone())),
                elapsed_ms: e.elapsed_ms,
                question: e.question.clone(),
                model: e.model.clone(),
                ..row(e.run_id.0)
            },
            query::Event::Saved(_) | query::Event::Renamed(_) | query::Event::Unsaved(_) => return,
        });
    }

    async fn write(tx: &Tx<'_>, Delta(mut rows): Delta) -> Result<(), tokio_postgres::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        // Of two facts about one run the first one stands. That one is there already happens so seldom that only a row by
        // itself is looked up: the table refuses others, and what it refuses comes again, in the end one by one.
        let mut told = if rows.len() == 1 { known(tx, &rows).await? } else { HashSet::new() };
        rows.retain(|row| told.insert((row.workspace, row.run)));
        // Neighbours in the index, one after the other.
        rows.sort_unstable_by_key(|row| (row.run, row.workspace));
        let mut lines = pin!(copy(tx, include_str!("copy.sql"), TYPES).await?);
        for row in &rows {
            let (answer, failure) = (row.answer.as_ref(), row.failure.as_ref());
            let datasets = answer.and_then(|a| a.datasets.as_deref()).unwrap_or("[]");
            lines
                .as_mut()
                .write(&[
                    &row.workspace,
                    &row.run,
                    &row.query,
                    &row.sql,
                    &(if failure.is_some() { "failed" } else { "ok" }),
                    &failure.map(|f| f.0.as_str()),
                    &failure.map(|f| f.1.as_str()),
                    &answer.map(|a| a.rows),
                    &answer.map(|a| a.bytes),
                    &answer.map(|a| a.truncated),
                    &row.elapsed_ms,
                    &answer.and_then(|a| a.tier),
                    &answer.map(|a| a.hash.as_str()),
                    &answer.and_then(|a| a.result.as_deref()),
                    &JsonText(datasets),
                    &answer.map(|a| a.engine.as_str()),
                    &row.question,
                    &row.model,
                    &answer.and_then(|a| a.context.as_deref()).map(JsonText),
                    &answer.and_then(|a| a.events_to),
                    &row.at,
                    &row.actor,
                    &row.user,
                    &row.position,
                    &answer.and_then(|a| a.stages.as_deref()).map(JsonText),
                ])
                .await?;
        }
        lines.finish().await.map(drop)
    }
}

/// The columns of copy.sql.
const TYPES: &[Type] = &[
    Type::UUID,
    Type::UUID,
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
    Type::BOOL,
    Type::FLOAT8,
    Type::INT2,
    Type::TEXT,
    Type::TEXT,
    Type::JSONB,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::JSONB,
    Type::INT8,
    Type::TIMESTAMPTZ,
    Type::TEXT,
    Type::UUID,
    Type::INT8,
    Type::JSONB,
];

/// Those of the runs that are there already.
async fn known(tx: &Tx<'_>, rows: &[Row]) -> Result<HashSet<(Uuid, Uuid)>, tokio_postgres::Error> {
    let workspaces: Vec<_> = rows.iter().map(|row| row.workspace).collect();
    let runs: Vec<_> = rows.iter().map(|row| row.run).collect();
    let statement = tx.prepare_cached(include_str!("known.sql")).await?;
    let found = tx.query(&statement, &[&workspaces, &runs]).await?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}
