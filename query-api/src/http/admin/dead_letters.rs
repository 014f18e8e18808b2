//! `GET /api/v1/admin/dead-letters`: events that could not be taken in.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use weir_infra::{
    auth::Operator,
    http::{List, Params, Problem},
};

use crate::{
    reader::{Decoded, failed, position, unreadable},
    state::State,
};

/// The statement.
pub(crate) const LIST: &str = include_str!("dead_letters.sql");

/// An event that could not be taken in. It is still in the log: this points to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    /// Where it is in the log.
    position: u64,
    /// The projection that could not take it in; `*` where nobody can read it.
    projection: String,
    /// Its subject in the log, which tells workspace, aggregate and id.
    subject: String,
    /// Why.
    reason: String,
    /// When the event happened, where that can be read.
    at: Option<DateTime<Utc>>,
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read one by one, so that unknown ones can be refused")]
pub(crate) struct Filter {
    /// Only those of this projection, and those that nobody can read.
    projection: Option<String>,
    /// The most entries; 50 unless said otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended, as `next_cursor` there.
    cursor: Option<String>,
}

/// List the events that could not be taken in
///
/// They stop nothing: the stream goes on behind them. A build that can take them in folds what they concern anew, so
/// that each counts at its place. For the owner of the installation only.
#[utoipa::path(
    get,
    path = "/api/v1/admin/dead-letters",
    tag = "operations",
    operation_id = "list_dead_letters",
    params(Filter),
    responses(
        (status = 200, description = "The events, the first in the log first", body = List<DeadLetter>),
        (status = 401, description = "There is no valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`operator_required`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is unknown or makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list(
    _: Operator,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::parse(req.query_string());
    let projection = params.text("projection");
    let limit = params.number("limit", 1..=200).unwrap_or(50);
    let cursor = params.text("cursor");
    let after = cursor.as_deref().map(after).unwrap_or_else(|| Some((0, String::new())));
    if after.is_none() {
        params.refuse("cursor", "invalid", "is not one of this list");
    }
    params.finish()?;
    let (at, name) = after.unwrap_or_default();

    let mut client = state.0.sources.pool.get().await?;
    let tx = client.build_transaction().read_only(true).start().await?;
    tx.batch_execute(&state.0.setup).await.map_err(failed)?;
    // One more than wanted tells whether there are more.
    let rows = tx.query(LIST, &[&at, &name, &projection, &(limit + 1)]).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    let mut items = rows.iter().map(letter).collect::<Decoded<Vec<_>>>().map_err(unreadable)?;
    let wanted = usize::try_from(limit).unwrap_or(50);
    let more = items.len() > wanted;
    items.truncate(wanted);
    let next_cursor =
        items.last().filter(|_| more).map(|last| format!("{}.{}", last.position, last.projection));
    let answer = List { items, next_cursor };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}

fn after(cursor: &str) -> Option<(i64, String)> {
    let (at, name) = cursor.split_once('.')?;
    Some((at.parse().ok()?, name.to_owned()))
}

fn letter(row: &Row) -> Decoded<DeadLetter> {
    Ok(DeadLetter {
        position: position(row.try_get("position")?).0,
        projection: row.try_get("projection")?,
        subject: row.try_get("subject")?,
        reason: row.try_get("reason")?,
        at: row.try_get("at")?,
    })
}
