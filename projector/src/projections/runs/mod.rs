//! Every run with its receipt.

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{Event, Recorded, query};

use super::{int, json, keys, person, position};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Runs;

/// New rows by column, since nothing ever changes in one.
#[derive(Default)]
pub(crate) struct Delta {
    workspaces: Vec<Uuid>,
    runs: Vec<Uuid>,
    queries: Vec<Uuid>,
    sql: Vec<String>,
    failed: Vec<bool>,
    codes: Vec<Option<String>>,
    details: Vec<Option<String>>,
    rows: Vec<Option<i64>>,
    bytes: Vec<Option<i64>>,
    truncated: Vec<Option<bool>>,
    elapsed: Vec<f64>,
    tiers: Vec<Option<i16>>,
    hashes: Vec<Option<String>>,
    results: Vec<Option<String>>,
    datasets: Vec<Option<String>>,
    engines: Vec<Option<String>>,
    questions: Vec<Option<String>>,
    models: Vec<Option<String>>,
    contexts: Vec<Option<String>>,
    events_to: Vec<Option<i64>>,
    stages: Vec<Option<String>>,
    at: Vec<DateTime<Utc>>,
    actors: Vec<String>,
    users: Vec<Option<Uuid>>,
    positions: Vec<i64>,
}

impl Projection for Runs {
    const NAME: &'static str = "runs";
    const VERSION: i32 = 5;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let Event::Query(happened) = &event.event else { return };
        let Some((workspace, query)) = keys(event) else { return };
        match happened {
            query::Event::Executed(e) => {
                delta.runs.push(e.run_id.0);
                delta.sql.push(e.sql.clone());
                delta.failed.push(false);
                delta.codes.push(None);
                delta.details.push(None);
                delta.rows.push(Some(int(e.rows)));
                delta.bytes.push(Some(int(e.bytes)));
                delta.truncated.push(Some(e.truncated));
                delta.elapsed.push(e.elapsed_ms);
                delta.tiers.push(e.cache_tier.map(i16::from));
                delta.hashes.push(Some(e.result_hash.clone()));
                delta.results.push(e.result.clone());
                delta.datasets.push((!e.datasets.is_empty()).then(|| json(&e.datasets)));
                delta.engines.push(Some(e.engine.clone()));
                delta.questions.push(e.question.clone());
                delta.models.push(e.model.clone());
                delta.contexts.push(e.context.as_ref().map(json));
                delta.events_to.push(e.events_to.map(int));
                delta.stages.push(e.stages.as_ref().map(json));
            }
            query::Event::Failed(e) => {
                delta.runs.push(e.run_id.0);
                delta.sql.push(e.sql.clone());
                delta.failed.push(true);
                delta.codes.push(Some(e.code.clone()));
                delta.details.push(Some(e.detail.clone()));
                delta.rows.push(None);
                delta.bytes.push(None);
                delta.truncated.push(None);
                delta.elapsed.push(e.elapsed_ms);
                delta.tiers.push(None);
                delta.hashes.push(None);
                delta.results.push(None);
                delta.datasets.push(None);
                delta.engines.push(None);
                delta.questions.push(e.question.clone());
                delta.models.push(e.model.clone());
                delta.contexts.push(None);
                delta.events_to.push(None);
                delta.stages.push(None);
            }
            query::Event::Saved(_) | query::Event::Renamed(_) | query::Event::Unsaved(_) => return,
        }
        delta.workspaces.push(workspace);
        delta.queries.push(query);
        delta.at.push(event.meta.time);
        delta.actors.push(event.meta.actor.to_string());
        delta.users.push(person(event));
        delta.positions.push(position(event));
    }

    async fn write(tx: &Tx<'_>, d: Delta) -> Result<(), tokio_postgres::Error> {
        if d.runs.is_empty() {
            return Ok(());
        }
        let params: &[&(dyn ToSql + Sync)] = &[
            &d.workspaces,
            &d.runs,
            &d.queries,
            &d.sql,
            &d.failed,
            &d.codes,
            &d.details,
            &d.rows,
            &d.bytes,
            &d.truncated,
            &d.elapsed,
            &d.tiers,
            &d.hashes,
            &d.results,
            &d.datasets,
            &d.engines,
            &d.questions,
            &d.models,
            &d.contexts,
            &d.events_to,
            &d.at,
            &d.actors,
            &d.users,
            &d.positions,
            &d.stages,
        ];
        execute(tx, include_str!("write.sql"), params).await
    }
}
