//! `POST /api/v1/queries/{query_id}/save`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use uuid::Uuid;
use weir_events::QueryId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, Path, Problem, RequestContext, command_answer},
};

use super::{QueryName, SavedQuery};
use crate::app::{App, context};

/// Save a query
///
/// Gives the pattern a name and pins the SQL that was answered last. A query that is saved already
/// gets the new name.
#[utoipa::path(
    post,
    path = "/api/v1/queries/{query_id}/save",
    tag = "queries",
    operation_id = "save_query",
    params(
        ("query_id" = Uuid, Path, description = "The query, from the answer to a run"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body = QueryName,
    responses(
        (status = 200, description = "Saved", body = SavedQuery),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`query_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn save(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(query_id): Path<Uuid>,
    Json(body): Json<QueryName>,
) -> Result<HttpResponse, Problem> {
    let done = app.save_query(&context(&caller, &request), QueryId(query_id), body.name).await?;
    let view = SavedQuery { query_id, name: done.reply, position: done.position.0 };
    Ok(command_answer(StatusCode::OK, &view, done.position))
}
