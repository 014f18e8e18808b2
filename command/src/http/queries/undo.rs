//! `POST /api/v1/queries/{query_id}/undo`

use actix_web::{HttpResponse, web::Data};
use uuid::Uuid;
use weir_events::QueryId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, Path, Problem, RequestContext},
};

use crate::{
    app::{App, context},
    domain::query::Queries,
    http::undo::{NotUndone, Undo, Undone},
};

/// Take back what was done to a saved query
///
/// A name is as it was before, a query that was given up is saved again, one that was saved is given up. It is a change
/// like any other, with the event that it takes back as its cause. Where the same was changed again since, the answer
/// is 409 `changed_since`.
#[utoipa::path(
    post,
    path = "/api/v1/queries/{query_id}/undo",
    tag = "queries",
    operation_id = "undo_query_change",
    params(
        ("query_id" = Uuid, Path, description = "The query"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body = Undo,
    responses((status = 200, description = "Taken back", body = Undone), NotUndone),
    security(("bearer" = []))
)]
pub(super) async fn undo(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<Uuid>,
    Json(body): Json<Undo>,
) -> Result<HttpResponse, Problem> {
    let done = app.undo::<Queries>(&context(&caller, &request), QueryId(id), body.at()).await?;
    Ok(body.answer(id, &done))
}
