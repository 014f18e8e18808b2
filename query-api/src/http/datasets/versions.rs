//! `GET /api/v1/datasets/{id}/versions`

use actix_web::HttpResponse;
use tokio_postgres::{Row, types::Json};
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
    id: "v.dataset_id",
    keys: &[Key { name: "version", expression: "v.version", kind: Kind::Number, tie: Tie::Unique }],
    default: "-version",
};

/// List the versions of a dataset
///
/// What was received for it and what became of that; the newest first, with `sort=version` the oldest.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{id}/versions",
    tag = "datasets",
    operation_id = "list_dataset_versions",
    params(("id" = Uuid, Path, description = "The dataset"), PageParams, Fresh, Then),
    responses(
        (status = 200, description = "The versions", body = List<Version>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn versions(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let wanted = read.items::<Version>()?;
    let today = read.today();
    read.answer(wanted, async |db| {
        db.first(GET, &[&id.0, &today], |_| Ok(())).await?.ok_or_else(|| not_found(id.0))?;
        list.read(db, &[&id.0], from_row).await
    })
    .await
}

fn from_row(row: &Row) -> Decoded<Version> {
    let columns: Option<Json<_>> = row.try_get("columns")?;
    let sheets: Option<Json<_>> = row.try_get("sheets")?;
    let rejection: Option<Json<_>> = row.try_get("reason")?;
    let diff: Option<Json<_>> = row.try_get("diff")?;
    let options: Json<_> = row.try_get("options")?;
    Ok(Version {
        version: row.try_get("version")?,
        status: row.try_get("status")?,
        current: row.try_get("current")?,
        uploaded_at: row.try_get("uploaded_at")?,
        uploaded_by: row.try_get("uploaded_by")?,
        format: row.try_get("format")?,
        bytes: row.try_get("upload_bytes")?,
        sha256: row.try_get("sha256")?,
        file_name: row.try_get("file_name")?,
        rows: row.try_get("rows")?,
        table_bytes: row.try_get("table_bytes")?,
        columns: columns.map(|c| c.0).unwrap_or_default(),
        sheets: sheets.map(|s| s.0).unwrap_or_default(),
        options: options.0,
        ingested_at: row.try_get("ingested_at")?,
        diff: diff.map(|d| d.0),
        restored_from: row.try_get("restored_from")?,
        rejection: rejection.map(|r| r.0),
    })
}
