//! `DELETE /api/v1/queries/{query_id}`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::QueryId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Path, Problem, RequestContext, command_answer},
};

use crate::app::{App, context};

/// A query that is not saved any more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnsavedQuery {
    /// The query.
    query_id: Uuid,
    /// Where the event log has it.
    position: u64,
}

/// Give a saved query up
///
/// Its name is free again; the pattern and its runs stay.
#[utoipa::path(
    delete,
    path = "/api/v1/queries/{query_id}",
    tag = "queries",
    operation_id = "unsave_query",
    params(("query_id" = Uuid, Path, description = "The query")),
    responses(
        (status = 200, description = "Given up", body = UnsavedQuery),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`query_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`query_not_saved`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn unsave(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(query_id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let done = app.unsave_query(&context(&caller, &request), QueryId(query_id)).await?;
    let view = UnsavedQuery { query_id, position: done.position.0 };
    Ok(command_answer(StatusCode::OK, &view, done.position))
}
