//! `GET /api/v1/datasets/{id}/versions`

use actix_web::HttpResponse;
use serde_json::Value;
use tokio_postgres::{Row, types::Json};
use uuid::Uuid;
use weir_infra::http::{List, Path, Problem};

use super::{Rejection, Status, Version, not_found};
use crate::{http::Unanswered, params::Common, read::Read, reader::Decoded};

/// The statement.
pub(crate) const VERSIONS: &str = include_str!("versions.sql");

/// Lists the versions of a dataset
///
/// Those that are known in full: the newest upload and, where that is another one, the version
/// that queries read. Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{id}/versions",
    tag = "datasets",
    operation_id = "list_dataset_versions",
    params(("id" = Uuid, Path, description = "The dataset"), Common),
    responses(
        (status = 200, description = "The versions", body = List<Version>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn versions(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let wanted = read.items::<Version>()?;
    read.answer(wanted, async |db| {
        let items = db.first(VERSIONS, &[&id.0], from_row).await?.ok_or_else(|| not_found(id.0))?;
        Ok(List { items, next_cursor: None })
    })
    .await
}

fn from_row(row: &Row) -> Decoded<Vec<Version>> {
    let uploaded: i32 = row.try_get("uploaded_version")?;
    let rejected: Option<i32> = row.try_get("rejected_version")?;
    let ready: Option<i32> = row.try_get("version")?;
    let options: Json<Value> = row.try_get("options")?;
    let rejection: Option<Json<Rejection>> = row.try_get("reason")?;

    let status = match (ready == Some(uploaded), rejected == Some(uploaded)) {
        (true, _) => Status::Ready,
        (false, true) => Status::Rejected,
        (false, false) => Status::Ingesting,
    };
    let newest = Version {
        version: uploaded,
        status,
        current: false,
        format: None,
        bytes: Some(row.try_get("upload_bytes")?),
        sha256: Some(row.try_get("sha256")?),
        file_name: row.try_get("file_name")?,
        rows: None,
        table_bytes: None,
        columns: Vec::new(),
        options: options.0,
        ingested_at: None,
        rejection: rejection.map(|r| r.0).filter(|_| status == Status::Rejected),
    };
    let Some(ready) = ready else { return Ok(vec![newest]) };
    // Of an older version the file is no longer known, only what it became.
    let (mut versions, older) = if ready == uploaded {
        (Vec::new(), newest)
    } else {
        let older = Version {
            version: ready,
            status: Status::Ready,
            bytes: None,
            sha256: None,
            file_name: None,
            options: Value::Null,
            rejection: None,
            ..newest.clone()
        };
        (vec![newest], older)
    };
    let columns: Option<Json<_>> = row.try_get("columns")?;
    versions.push(Version {
        current: true,
        format: row.try_get("format")?,
        rows: row.try_get("rows")?,
        table_bytes: row.try_get("table_bytes")?,
        columns: columns.map(|c| c.0).unwrap_or_default(),
        ingested_at: row.try_get("ingested_at")?,
        ..older
    });
    Ok(versions)
}
