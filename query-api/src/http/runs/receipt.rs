//! `GET /api/v1/runs/{run_id}/receipt`

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Row, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::{Path, Problem};

use super::{Run, get::GET, not_found};
use crate::{
    http::Unanswered,
    params::Common,
    read::{Read, Then},
    reader::Decoded,
};

/// Where a number came from: all that is known of a run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// The run.
    #[serde(flatten)]
    pub(crate) run: Run,
    /// The SQL with its literals taken out, which `query_id` is the fingerprint of.
    pub(crate) pattern: Option<String>,
    /// The engine that computed it, and its version; null where it failed.
    pub(crate) engine: Option<String>,
    /// SHA-256 over the answer's content, in hex; null where it failed.
    pub(crate) result_hash: Option<String>,
    /// The position of the event log up to which it read the workspace's past; null where it did not.
    pub(crate) events_to: Option<i64>,
    /// Where the time went; null where it failed, or where that was not measured.
    pub(crate) stages: Option<Stages>,
}

/// Where the time of an answered query went. Null is a stage that was not needed: what a cache had is neither planned
/// nor run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RunStages)]
pub(crate) struct Stages {
    /// Finding out what its tables are.
    pub(crate) resolve_ms: f64,
    /// Waiting for its turn among the workspace's queries.
    pub(crate) wait_ms: Option<f64>,
    /// Until there was a plan.
    pub(crate) plan_ms: Option<f64>,
    /// From the plan to the last row.
    pub(crate) run_ms: Option<f64>,
    /// Keeping the answer, after it was there: not part of `elapsed_ms`.
    pub(crate) store_ms: Option<f64>,
}

/// Show a run's receipt
///
/// The SQL, the exact versions of what was read, the engine, and a hash of the answer.
#[utoipa::path(
    get,
    path = "/api/v1/runs/{run_id}/receipt",
    tag = "runs",
    operation_id = "get_run_receipt",
    params(("run_id" = Uuid, Path, description = "The run"), Common, Then),
    responses(
        (status = 200, description = "The receipt", body = Receipt),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn receipt(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let wanted = read.whole::<Receipt>()?;
    read.answer(wanted, async |db| db.first(GET, &[&id.0], from_row).await?.ok_or_else(|| not_found(id.0)))
        .await
}

fn from_row(row: &Row) -> Decoded<Receipt> {
    Ok(Receipt {
        run: Run::from_row(row)?,
        pattern: row.try_get("pattern")?,
        engine: row.try_get("engine")?,
        result_hash: row.try_get("result_hash")?,
        events_to: row.try_get("events_to")?,
        stages: row.try_get::<_, Option<Json<Stages>>>("stages")?.map(|stages| stages.0),
    })
}
