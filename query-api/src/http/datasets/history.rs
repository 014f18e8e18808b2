//! `GET /api/v1/datasets/{id}/history`

use actix_web::HttpResponse;
use uuid::Uuid;
use weir_events::{DatasetId, Subject};
use weir_infra::http::{List, PageParams, Path, Problem};

use super::{get::GET, not_found};
use crate::{
    http::{
        Unanswered,
        history::{History, HistoryItem},
    },
    params::Fresh,
    read::{Read, Then},
};

/// List what happened to a dataset
///
/// Who did what, when, and what that changed; the newest first, with `sort=position` the oldest. What people did can be
/// taken back by its position: see `undo`.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{id}/history",
    tag = "datasets",
    operation_id = "list_dataset_history",
    params(("id" = Uuid, Path, description = "The dataset"), PageParams, Fresh, Then),
    responses(
        (status = 200, description = "What happened", body = List<HistoryItem>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn history(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let subject = Subject::dataset(read.workspace(), DatasetId(id.0));
    let history = History::of(&mut read, id.0, subject)?;
    let wanted = read.items::<HistoryItem>()?;
    let today = read.today();
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0, &today], |_| Ok(())).await?.ok_or_else(|| not_found(id.0))?;
        history.read(db).await
    })
    .await
}
