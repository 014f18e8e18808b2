//! `GET /api/v1/visualizations/{id}/data`

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_events::VisualizationId;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Code, Path, Problem, params::Fresh, position_header},
};

use crate::{
    app::App,
    http::{
        answer::{Format, Rows, Served, cache_header, respond},
        read::Read,
    },
};

/// How much to draw.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read one by one, so that unknown ones can be refused")]
pub(super) struct Drawn {
    /// Rows at most; 10,000 by default.
    #[param(minimum = 1)]
    limit: Option<u64>,
}

/// The rows that a chart draws.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VisualizationData)]
pub(super) struct DataView {
    /// The chart.
    id: Uuid,
    /// The SQL whose rows these are.
    sql: String,
    #[serde(flatten)]
    rows: Rows,
    /// Time to the whole answer, in milliseconds.
    elapsed_ms: f64,
    #[serde(flatten)]
    served: Served,
}

/// Get a chart's rows
///
/// Of the datasets as they are now. Looking at a chart is no run: nothing is written down. Accept
/// also takes `text/csv`, `application/vnd.apache.parquet` and
/// `application/vnd.apache.arrow.stream`.
#[utoipa::path(
    get,
    path = "/api/v1/visualizations/{id}/data",
    tag = "visualizations",
    operation_id = "get_visualization_data",
    params(("id" = Uuid, Path, description = "The chart"), Drawn, Fresh),
    responses(
        (status = 200, description = "The rows", body = DataView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`visualization_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "`not_acceptable`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The SQL does not fit the datasets any more or ran into a limit, or `invalid_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_queries`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`storage_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn data(
    mut read: Read<Caller<Viewer>>,
    app: Data<App>,
    Path(id): Path<Uuid>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let started = Instant::now();
    let most = i64::try_from(app.config().max_rows).unwrap_or(i64::MAX);
    let limit = read.params.number("limit", 1..=most);
    read.params.finish()?;
    let rows = app.rows(limit.map(i64::unsigned_abs))?;
    let format = Format::wanted(&req)?;
    let chart = app
        .directory()
        .visualization(read.who.workspace, VisualizationId(id))
        .filter(|v| v.deleted_at.is_none())
        .ok_or_else(|| {
            Problem::new(
                Code::VisualizationNotFound,
                format!("There is no visualization {id} in this workspace."),
            )
        })?;
    let ran = app.chart_rows(read.who.workspace, &chart.sql, rows).await?;
    let (served, tier) = (Served::from(&ran), ran.tier);
    let elapsed_ms = started.elapsed().as_secs_f64() * 1e3;
    let sql = chart.sql;
    let mut response =
        respond(format, &ran.kept.answer, move |rows| DataView { id, sql, rows, elapsed_ms, served }).await?;
    position_header(&mut response, read.position());
    cache_header(&mut response, tier);
    Ok(response)
}
