//! `GET /api/v1/datasets/{id}`

use actix_web::HttpResponse;
use uuid::Uuid;
use weir_infra::http::{Path, Problem};

use super::{Dataset, not_found};
use crate::{
    http::Unanswered,
    params::Common,
    read::{Read, Then},
};

/// The statement.
pub(crate) const GET: &str = include_str!("get.sql");

/// Show a dataset
///
/// A deleted one is shown too, with status `deleted`.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{id}",
    tag = "datasets",
    operation_id = "get_dataset",
    params(("id" = Uuid, Path, description = "The dataset"), Common, Then),
    responses(
        (status = 200, description = "The dataset", body = Dataset),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let wanted = read.whole::<Dataset>()?;
    let today = read.today();
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0, &today], Dataset::from_row).await?.ok_or_else(|| not_found(id.0))
    })
    .await
}
