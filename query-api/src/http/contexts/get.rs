//! `GET /api/v1/contexts/{id}`

use actix_web::HttpResponse;
use uuid::Uuid;
use weir_infra::http::{Path, Problem};

use super::{Context, not_found};
use crate::{
    http::Unanswered,
    params::Common,
    read::{Read, Then},
};

/// The statement.
pub(crate) const GET: &str = include_str!("get.sql");

/// Show a context
///
/// With the text of its newest version. A deleted one is shown too, with status `deleted`.
#[utoipa::path(
    get,
    path = "/api/v1/contexts/{id}",
    tag = "contexts",
    operation_id = "get_context",
    params(("id" = Uuid, Path, description = "The context"), Common, Then),
    responses(
        (status = 200, description = "The context", body = Context),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let wanted = read.whole::<Context>()?;
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0], Context::from_row).await?.ok_or_else(|| not_found(id.0))
    })
    .await
}
