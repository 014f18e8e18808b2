//! `GET /api/v1/queries/{query_id}`

use actix_web::HttpResponse;
use uuid::Uuid;
use weir_infra::http::{Path, Problem};

use super::{Query, not_found};
use crate::{
    http::Unanswered,
    params::Common,
    read::{Read, Then},
};

/// The statement.
pub(crate) const GET: &str = include_str!("get.sql");

/// Show a query pattern
#[utoipa::path(
    get,
    path = "/api/v1/queries/{query_id}",
    tag = "queries",
    operation_id = "get_query",
    params(("query_id" = Uuid, Path, description = "The query pattern"), Common, Then),
    responses(
        (status = 200, description = "The query pattern", body = Query),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let wanted = read.whole::<Query>()?;
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0], Query::from_row).await?.ok_or_else(|| not_found(id.0))
    })
    .await
}
