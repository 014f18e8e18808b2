//! `GET /api/v1/runs/{run_id}`

use actix_web::HttpResponse;
use uuid::Uuid;
use weir_infra::http::{Path, Problem};

use super::{Run, not_found};
use crate::{
    http::Unanswered,
    params::Common,
    read::{Read, Then},
};

/// The statement, also of the receipt and the result.
pub(crate) const GET: &str = include_str!("get.sql");

/// Show a run
#[utoipa::path(
    get,
    path = "/api/v1/runs/{run_id}",
    tag = "runs",
    operation_id = "get_run",
    params(("run_id" = Uuid, Path, description = "The run"), Common, Then),
    responses(
        (status = 200, description = "The run", body = Run),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let wanted = read.whole::<Run>()?;
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0], Run::from_row).await?.ok_or_else(|| not_found(id.0))
    })
    .await
}
