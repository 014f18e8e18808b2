//! `GET /api/v1/contexts/{id}/versions`

use actix_web::HttpResponse;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_infra::http::{List, PageParams, Path, Problem};

use super::{Version, get::GET, not_found};
use crate::{
    http::Unanswered,
    list::{Key, Kind, Statement, Tie},
    params::Fresh,
    read::{Read, Then},
    reader::Decoded,
};

/// The list's statement.
pub(crate) static LIST: Statement = Statement {
    template: include_str!("versions.sql"),
    id: "v.context_id",
    keys: &[Key { name: "position", expression: "v.position", kind: Kind::Number, tie: Tie::Unique }],
    default: "-position",
};

/// List the versions of a context
///
/// With their texts, which never change; the newest first, with `sort=position` the oldest.
#[utoipa::path(
    get,
    path = "/api/v1/contexts/{id}/versions",
    tag = "contexts",
    operation_id = "list_context_versions",
    params(("id" = Uuid, Path, description = "The context"), PageParams, Fresh, Then),
    responses(
        (status = 200, description = "The versions", body = List<Version>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn versions(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let wanted = read.items::<Version>()?;
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0], |_| Ok(())).await?.ok_or_else(|| not_found(id.0))?;
        list.read(db, &[&id.0], from_row).await
    })
    .await
}

fn from_row(row: &Row) -> Decoded<Version> {
    Ok(Version {
        version: row.try_get("version")?,
        current: row.try_get("current")?,
        status: row.try_get("status")?,
        content: row.try_get("content")?,
        sha256: row.try_get("sha256")?,
        saved_at: row.try_get("saved_at")?,
        saved_by: row.try_get("saved_by")?,
    })
}
