//! `GET /api/v1/visualizations/{id}/history`

use actix_web::HttpResponse;
use uuid::Uuid;
use weir_infra::http::{List, PageParams, Path, Problem};

use super::{get::GET, not_found};
use crate::{
    http::{
        Unanswered,
        activity::{Activity, Filter, LIST},
    },
    params::Fresh,
    read::{Read, Then},
};

/// List what happened to a chart
///
/// Who did what, and when; the newest first, with `sort=position` the oldest.
#[utoipa::path(
    get,
    path = "/api/v1/visualizations/{id}/history",
    tag = "visualizations",
    operation_id = "list_visualization_history",
    params(("id" = Uuid, Path, description = "The chart"), PageParams, Fresh, Then),
    responses(
        (status = 200, description = "What happened", body = List<Activity>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn history(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let wanted = read.items::<Activity>()?;
    let filter = Filter { subject: Some(id.0), ..Filter::default() };
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0], |_| Ok(())).await?.ok_or_else(|| not_found(id.0))?;
        filter.read(&list, db).await
    })
    .await
}
