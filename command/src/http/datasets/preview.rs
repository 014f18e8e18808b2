//! `GET /api/v1/datasets/{id}/preview`

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{MinPosition, Path, Problem, Query, position_header},
};

use super::there;
use crate::{
    app::{App, charts::not_readable, queries::Failure},
    http::{
        answer::{Format, Rows, respond},
        common::fresh,
    },
};

/// Rows where the caller names no number.
const DEFAULT: u64 = 100;
/// Rows at most.
const MOST: u64 = 1_000;

/// How much to show.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Shown {
    /// Rows: 1 to 1,000, 100 by default.
    limit: Option<u64>,
}

/// The first rows of a dataset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    /// The dataset.
    id: Uuid,
    /// The version that is shown.
    version: u32,
    /// All its rows.
    total_rows: u64,
    #[serde(flatten)]
    rows: Rows,
}

/// Show the first rows
///
/// Accept also takes `text/csv`, `application/vnd.apache.parquet` and
/// `application/vnd.apache.arrow.stream`.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{id}/preview",
    tag = "datasets",
    operation_id = "preview_dataset",
    params(("id" = Uuid, Path, description = "The dataset"), Shown),
    responses(
        (status = 200, description = "The first rows", body = Preview),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`dataset_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "`not_acceptable`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_value`, `dataset_rejected`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`storage_unavailable`, `not_caught_up`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn preview(
    caller: Caller<Viewer>,
    app: Data<App>,
    Path(id): Path<Uuid>,
    Query(shown): Query<Shown>,
    position: MinPosition,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let format = Format::wanted(&req)?;
    let limit = shown.limit.unwrap_or(DEFAULT);
    if !(1..=MOST).contains(&limit) {
        let detail = format!("A limit is a number of rows from 1 to {MOST}.");
        return Err(Problem::invalid("limit", "out_of_range", detail));
    }
    fresh(&app, position).await?;
    let at = app.directory().position();
    let dataset = there(&app, caller.workspace, id)?;
    let Some(ready) = &dataset.ready else { return Err(not_readable(&dataset)) };
    let limit = usize::try_from(limit).map_err(Problem::internal)?;
    let answer =
        app.engine().preview(&ready.table, limit).await.map_err(|e| Failure::from(e).problem("id"))?;
    let (version, total_rows) = (ready.version, ready.rows);
    let mut response =
        respond(format, &Arc::new(answer), move |rows| Preview { id, version, total_rows, rows }).await?;
    position_header(&mut response, at);
    Ok(response)
}
