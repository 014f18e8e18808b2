//! `GET /api/v1/admin/projections`: how the read models are kept up to date.

use std::{collections::HashMap, time::Duration};

use actix_web::{HttpResponse, http::header, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::timeout;
use tokio_postgres::{Row, error::SqlState};
use utoipa::ToSchema;
use weir_events::Position;
use weir_infra::{
    auth::Operator,
    http::{NoParams, Problem},
};

use crate::{
    lag::Lag,
    reader::{Decoded, failed, position, unreadable},
    state::State,
};

/// The projections' statement.
pub(crate) const PROJECTIONS: &str = include_str!("projections.sql");
/// The statement about who writes.
pub(crate) const WRITER: &str = include_str!("writer.sql");

/// How the read models are kept up to date.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectionsState)]
pub(crate) struct Answer {
    /// The last event of the log, where it answers.
    head: Option<u64>,
    /// The last event that reads see.
    position: u64,
    /// How far reads are behind, where the log answers.
    lag: Option<Lag>,
    /// `live`, `stalled` while events wait and none is taken in, `no_writer` while no process writes.
    state: &'static str,
    /// The process that writes, or wrote last.
    writer: Option<Writer>,
    /// The projections.
    projections: Vec<Projection>,
}

/// The process that writes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectionsWriter)]
struct Writer {
    /// Its process id, on its machine.
    process: Option<i64>,
    /// Since when it writes.
    since: Option<DateTime<Utc>>,
    /// Its last sign of life.
    seen_at: Option<DateTime<Utc>>,
    /// Whether that is recent.
    alive: bool,
    /// Events that it takes in per second, over the last ten seconds or so.
    events_per_second: f64,
    /// What went wrong last, if anything ever did.
    error: Option<Failure>,
}

/// Something that went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectionsFailure)]
struct Failure {
    /// What.
    detail: String,
    /// When.
    at: Option<DateTime<Utc>>,
}

/// A read model.
#[derive(Debug, Serialize, ToSchema)]
struct Projection {
    /// Its name.
    name: String,
    /// The version of its fold and tables.
    version: i32,
    /// The last event that it has taken in.
    position: u64,
    /// When it last took in any.
    updated_at: DateTime<Utc>,
    /// Events that it could not take in: see `/api/v1/admin/dead-letters`.
    dead_letters: i64,
    /// Since when someone wants it to be folded anew.
    requested_at: Option<DateTime<Utc>>,
    /// How far it is being folded anew beside the tables that serve.
    rebuild: Option<Rebuild>,
}

/// A read model that is being folded anew.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ProjectionRebuild)]
struct Rebuild {
    /// The version that it will have.
    version: i32,
    /// How far it is.
    position: u64,
    /// How far it has to come; this moves while events come in.
    target: u64,
    /// The share that is done, from 0 to 1.
    progress: f64,
    /// Events per second, over the last ten seconds or so.
    events_per_second: f64,
    /// How long it takes at that rate, in seconds; null while nothing moves.
    remaining_s: Option<f64>,
}

/// Show how the read models are kept up to date
///
/// Position, lag, rate, versions, what is folded anew and how far it is. For the owner of the installation only.
#[utoipa::path(
    get,
    path = "/api/v1/admin/projections",
    tag = "operations",
    operation_id = "get_projections",
    responses(
        (status = 200, description = "The projections", body = Answer),
        (status = 401, description = "There is no valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`operator_required`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "There are no parameters here", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(_: Operator, _: NoParams, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let sources = &state.0.sources;
    let base = state.0.options.schemas.last().cloned().unwrap_or_default();
    let mut client = sources.pool.get().await?;
    let tx = client.build_transaction().read_only(true).start().await?;
    tx.batch_execute(&state.0.setup).await.map_err(failed)?;
    let rows = tx.query(PROJECTIONS, &[]).await.map_err(failed)?;
    let writer = tx.query_opt(WRITER, &[&base]).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    let position = rows.iter().map(|row| row.try_get("position")).collect::<Decoded<Vec<i64>>>();
    let position =
        crate::reader::position(position.map_err(unreadable)?.into_iter().min().unwrap_or_default());

    let head = timeout(Duration::from_secs(2), sources.log.head()).await;
    let head: Option<Position> = head.ok().and_then(Result::ok);
    let lag = match head {
        Some(head) => {
            let still = sources.positions.still();
            Some(Lag::measure(&*sources.log, position, head, still, (sources.clock)()).await)
        }
        None => None,
    };
    let rebuilds = rebuilds(&client, &format!("{base}_next"), position).await?;
    let projection = |row: &Row| projection(row, &rebuilds);
    let projections = rows.iter().map(projection).collect::<Decoded<Vec<_>>>().map_err(unreadable)?;
    let writer = writer.as_ref().map(self::writer).transpose().map_err(unreadable)?;
    let answer = Answer {
        head: head.map(|p| p.0),
        position: position.0,
        state: match (&lag, &writer) {
            (Some(lag), _) if lag.stalled => "stalled",
            (_, Some(writer)) if writer.alive => "live",
            _ => "no_writer",
        },
        lag,
        writer,
        projections,
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}

fn writer(row: &Row) -> Decoded<Writer> {
    let error: Option<String> = row.try_get("error")?;
    let at = row.try_get("error_at")?;
    Ok(Writer {
        process: row.try_get("process")?,
        since: row.try_get("since")?,
        // One that has failed before its first sign has none.
        seen_at: row.try_get("seen_at").unwrap_or_default(),
        alive: row.try_get::<_, Option<bool>>("alive")?.unwrap_or_default(),
        events_per_second: row.try_get::<_, Option<f64>>("events_per_second")?.unwrap_or_default(),
        error: error.map(|detail| Failure { detail, at }),
    })
}

fn projection(row: &Row, rebuilds: &HashMap<String, Rebuild>) -> Decoded<Projection> {
    let name: String = row.try_get("name")?;
    Ok(Projection {
        rebuild: rebuilds.get(&name).cloned(),
        name,
        version: row.try_get("version")?,
        position: position(row.try_get("position")?).0,
        updated_at: row.try_get("updated_at")?,
        dead_letters: row.try_get("dead_letters")?,
        requested_at: row.try_get("requested_at")?,
    })
}

/// What is folded anew in the schema beside, by name.
async fn rebuilds(
    client: &deadpool_postgres::Client,
    next: &str,
    target: Position,
) -> Result<HashMap<String, Rebuild>, Problem> {
    let name = crate::position::quoted(&[next.to_owned()]);
    let sql = format!("SELECT name, version, position FROM {name}.checkpoint");
    let rows = match client.query(&sql, &[]).await {
        // Nothing is folded anew, or no longer.
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(HashMap::new()),
        rows => rows.map_err(failed)?,
    };
    let writer = client.query_opt(WRITER, &[&next]).await.map_err(failed)?;
    let rate = match writer.as_ref().map(self::writer).transpose().map_err(unreadable)? {
        Some(writer) if writer.alive => writer.events_per_second,
        _ => 0.0,
    };
    let rebuild = |row: &Row| -> Decoded<(String, Rebuild)> {
        let at = position(row.try_get("position")?).0;
        let left = target.0.saturating_sub(at) as f64;
        let rebuild = Rebuild {
            version: row.try_get("version")?,
            position: at,
            target: target.0,
            progress: if target.0 == 0 { 1.0 } else { (at as f64 / target.0 as f64).min(1.0) },
            events_per_second: rate,
            remaining_s: (rate > 0.0).then(|| left / rate),
        };
        Ok((row.try_get("name")?, rebuild))
    };
    rows.iter().map(rebuild).collect::<Decoded<_>>().map_err(unreadable)
}
