//! `GET /api/v1/datasets/{id}/preview`

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Path, Problem, params::Fresh, position_header},
};

use super::there;
use crate::{
    app::{App, charts::not_readable},
    http::{
        answer::{Format, Rows, respond},
        read::Read,
    },
};

/// Rows where the caller names no number.
const DEFAULT: i64 = 100;
/// Rows at most.
const MOST: i64 = 1_000;

/// How much to show.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read one by one, so that unknown ones can be refused")]
pub(super) struct Shown {
    /// Rows at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
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
    params(("id" = Uuid, Path, description = "The dataset"), Shown, Fresh),
    responses(
        (status = 200, description = "The first rows", body = Preview),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`dataset_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "`not_acceptable`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `dataset_rejected`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_queries`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`storage_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn preview(
    mut read: Read<Caller<Viewer>>,
    app: Data<App>,
    Path(id): Path<Uuid>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = read.params.number("limit", 1..=MOST).unwrap_or(DEFAULT);
    read.params.finish()?;
    let format = Format::wanted(&req)?;
    let dataset = there(&app, read.who.workspace, id)?;
    let Some(ready) = &dataset.ready else { return Err(not_readable(&dataset)) };
    let limit = usize::try_from(limit).map_err(Problem::internal)?;
    let answer = app.preview(read.who.workspace, &ready.table, limit).await.map_err(|e| e.problem("id"))?;
    let (version, total_rows) = (ready.version, ready.rows);
    let mut response =
        respond(format, &answer, move |rows| Preview { id, version, total_rows, rows }).await?;
    position_header(&mut response, read.position());
    Ok(response)
}
