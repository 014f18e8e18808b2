//! `/health/live`, `/health/ready` and `/metrics`: for machines that watch over this one. None of
//! them tells anything of a tenant.

use std::time::Duration;

use actix_web::{HttpResponse, http::header, web};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use weir_events::Position;
use weir_infra::{
    http::{NoParams, Problem},
    metrics,
};

use crate::{lag::Lag, reader::CHECKPOINT, state::State};

/// How long each part may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Whether the process can serve.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether all parts are fine.
    pub ready: bool,
    /// The parts.
    pub checks: Vec<Check>,
    /// The last event of the log, where it is known.
    pub head: Option<u64>,
    /// The last event that reads see, where it is known.
    pub position: Option<u64>,
    /// How many events reads are behind, where it is known.
    pub lag: Option<u64>,
    /// How old the first of these is, in seconds, where it is known.
    pub lag_seconds: Option<f64>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// `postgres`, `event_log` or `projections`.
    pub name: &'static str,
    /// Whether it is fine.
    pub ok: bool,
    /// What is wrong, in a few words.
    pub detail: Option<&'static str>,
}

impl Check {
    fn new(name: &'static str, ok: bool, otherwise: &'static str) -> Self {
        Self { name, ok, detail: (!ok).then_some(otherwise) }
    }
}

/// Say that the process runs
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "operations",
    operation_id = "live",
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain"),
        (status = 422, description = "There are no parameters here", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn live(_: NoParams) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain")
        .body("ok\n")
}

/// Say whether the process can serve
///
/// It can while PostgreSQL and the event log answer and the read models keep up.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "operations",
    operation_id = "ready",
    responses(
        (status = 200, description = "It can", body = Readiness),
        (status = 422, description = "There are no parameters here", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "It cannot", body = Readiness),
    )
)]
pub(crate) async fn ready(_: NoParams, state: web::Data<State>) -> HttpResponse {
    let (position, head) = futures::join!(checkpoint(&state), head(&state));
    let lag = match position.zip(head) {
        Some((position, head)) => {
            let sources = &state.0.sources;
            let still = sources.positions.still();
            Some(Lag::measure(&*sources.log, position, head, still, (sources.clock)()).await)
        }
        None => None,
    };
    let readiness = judge(position, head, lag, state.0.options.ready_lag);
    let mut response = if readiness.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((header::CACHE_CONTROL, "no-store")).json(readiness)
}

fn judge(position: Option<Position>, head: Option<Position>, lag: Option<Lag>, tolerated: u64) -> Readiness {
    let stalled = lag.is_some_and(|lag| lag.stalled);
    let keeps_up = lag.is_some_and(|lag| lag.events <= tolerated && !stalled);
    let otherwise = if stalled { "stand still while events wait" } else { "too far behind the event log" };
    let checks = vec![
        Check::new("postgres", position.is_some(), "does not answer, or has no read models"),
        Check::new("event_log", head.is_some(), "does not answer"),
        Check::new("projections", keeps_up, otherwise),
    ];
    Readiness {
        ready: checks.iter().all(|check| check.ok),
        checks,
        head: head.map(|p| p.0),
        position: position.map(|p| p.0),
        lag: lag.map(|lag| lag.events),
        lag_seconds: lag.and_then(|lag| lag.seconds),
    }
}

async fn checkpoint(state: &State) -> Option<Position> {
    let look = async {
        let mut client = state.0.sources.pool.get().await?;
        let tx = client.build_transaction().read_only(true).start().await?;
        tx.batch_execute(&state.0.setup).await?;
        let row = tx.query_one(CHECKPOINT, &[]).await?;
        anyhow::Ok(crate::reader::checkpoint(&row)?.position)
    };
    match timeout(ANSWER, look).await {
        Ok(Ok(position)) => Some(position),
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "not ready: the read models do not answer");
            None
        }
        Err(_) => {
            tracing::warn!("not ready: PostgreSQL takes too long to answer");
            None
        }
    }
}

async fn head(state: &State) -> Option<Position> {
    match timeout(ANSWER, state.0.sources.log.head()).await {
        Ok(Ok(head)) => Some(head),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            None
        }
        Err(_) => {
            tracing::warn!("not ready: the event log takes too long to answer");
            None
        }
    }
}

/// Show the metrics of this process
///
/// In the Prometheus text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    operation_id = "metrics",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "text/plain"),
        (status = 422, description = "There are no parameters here", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn metrics(_: NoParams, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.0.metrics.reached(state.0.sources.positions.newest());
    state.0.metrics.kept(state.0.answers.bytes() + state.0.packed.bytes());
    let text = metrics::render(&state.0.registry).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(metrics::CONTENT_TYPE)
        .body(text))
}

/// The document's own part about them.
#[derive(utoipa::OpenApi)]
#[openapi(paths(live, ready, metrics))]
pub(crate) struct Routes;

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(position: Option<u64>, head: Option<u64>) -> Vec<bool> {
        ok_with(position, head, false)
    }

    fn ok_with(position: Option<u64>, head: Option<u64>, stalled: bool) -> Vec<bool> {
        let lag = position.zip(head).map(|(position, head)| {
            let events = head.saturating_sub(position);
            Lag { events, seconds: None, stalled }
        });
        let readiness = judge(position.map(Position), head.map(Position), lag, 10);
        assert_eq!(readiness.ready, readiness.checks.iter().all(|c| c.ok));
        readiness.checks.iter().map(|c| c.ok).collect()
    }

    #[test]
    fn ready_is_when_all_answer_and_reads_keep_up() {
        assert_eq!(ok(Some(90), Some(100)), [true, true, true]);
        assert_eq!(ok(Some(100), Some(99)), [true, true, true], "seen in between");
        assert_eq!(ok(Some(89), Some(100)), [true, true, false]);
        assert_eq!(ok_with(Some(99), Some(100), true), [true, true, false], "one event waits, and waits");
        assert_eq!(ok(None, Some(100)), [false, true, false]);
        assert_eq!(ok(Some(5), None), [true, false, false]);
    }
}
