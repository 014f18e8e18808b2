//! `GET /api/v1/queries/{query_id}/history`

use actix_web::HttpResponse;
use uuid::Uuid;
use weir_events::{QueryId, Subject};
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

/// What is done to the name. A run is nothing that happens to it.
const TYPES: &str = "weir.query.saved.v1,weir.query.renamed.v1,weir.query.unsaved.v1";

/// List what happened to a saved query
///
/// Who did what, when, and what that changed; the newest first, with `sort=position` the oldest. What people did can be
/// taken back by its position: see `undo`.
/// Its runs are not in it: those are under `/api/v1/runs`.
#[utoipa::path(
    get,
    path = "/api/v1/queries/{query_id}/history",
    tag = "queries",
    operation_id = "list_query_history",
    params(("query_id" = Uuid, Path, description = "The query pattern"), PageParams, Fresh, Then),
    responses(
        (status = 200, description = "What happened", body = List<HistoryItem>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn history(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let subject = Subject::saved(read.workspace(), QueryId(id.0));
    let history = History::of(&mut read, id.0, subject)?.only(TYPES);
    let wanted = read.items::<HistoryItem>()?;
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0], |_| Ok(())).await?.ok_or_else(|| not_found(id.0))?;
        history.read(db).await
    })
    .await
}
