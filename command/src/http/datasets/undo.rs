//! `POST /api/v1/datasets/{id}/undo`

use actix_web::{HttpResponse, web::Data};
use uuid::Uuid;
use weir_events::DatasetId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, Path, Problem, RequestContext},
};

use crate::{
    app::{App, context},
    domain::dataset::Datasets,
    http::undo::{NotUndone, Undo, Undone},
};

/// Take back what was done to a dataset
///
/// A name or description is as it was before, an upload or a rollback goes back to the version before it (as a new
/// version), a deleted dataset comes back, a new one is deleted. It is a change like any other, with the event that it
/// takes back as its cause. Where the same was changed again since, the answer is 409 `changed_since`.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{id}/undo",
    tag = "datasets",
    operation_id = "undo_dataset_change",
    params(
        ("id" = Uuid, Path, description = "The dataset"),
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
    let done = app.undo::<Datasets>(&context(&caller, &request), DatasetId(id), body.at()).await?;
    Ok(body.answer(id, &done))
}
