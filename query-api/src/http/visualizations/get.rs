//! `GET /api/v1/visualizations/{id}`

use actix_web::HttpResponse;
use uuid::Uuid;
use weir_infra::http::{Path, Problem};

use super::{Visualization, not_found};
use crate::{
    http::Unanswered,
    params::Common,
    read::{Read, Then},
};

/// The statement.
pub(crate) const GET: &str = include_str!("get.sql");

/// Show a saved chart
///
/// A deleted one is shown too, with status `deleted`.
#[utoipa::path(
    get,
    path = "/api/v1/visualizations/{id}",
    tag = "visualizations",
    operation_id = "get_visualization",
    params(("id" = Uuid, Path, description = "The chart"), Common, Then),
    responses(
        (status = 200, description = "The chart", body = Visualization),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let wanted = read.whole::<Visualization>()?;
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0], Visualization::from_row).await?.ok_or_else(|| not_found(id.0))
    })
    .await
}
