//! `GET /api/v1/datasets/{id}/download`

use actix_web::{
    HttpResponse,
    body::SizedStream,
    http::header::{Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue},
    web::Data,
};
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, path::Path as Key};
use uuid::Uuid;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Code, Path, Problem, params::Fresh, position_header},
};

use super::there;
use crate::{app::App, http::read::Read};

/// Get the file as it was uploaded
///
/// Byte for byte: the file of the version that is queried, of the one that is asked for, or, of a dataset
/// without any version that could be read, of the newest.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{id}/download",
    tag = "datasets",
    operation_id = "download_dataset",
    params(
        ("id" = Uuid, Path, description = "The dataset"),
        ("version" = Option<u32>, Query, description = "A version that can be queried, or the newest", minimum = 1),
        Fresh,
    ),
    responses(
        (status = 200, description = "The file", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`dataset_not_found`, `version_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`file_gone`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is unknown or makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`storage_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn download(
    mut read: Read<Caller<Viewer>>,
    app: Data<App>,
    Path(id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let version = read.params.number("version", 1..=i64::from(u32::MAX));
    read.params.finish()?;
    let dataset = there(&app, read.who.workspace, id)?;
    let upload = match version.and_then(|version| u32::try_from(version).ok()) {
        None => dataset.served(),
        Some(version) => dataset.file(version).ok_or_else(|| {
            Problem::new(Code::VersionNotFound, format!("There is no file of version {version} to be had."))
        })?,
    };
    let key = Key::parse(&upload.blob).map_err(Problem::internal)?;
    let found = app.blobs().get(&key).await.map_err(|e| match e {
        // Nothing of Weir removes it, and waiting does not bring it back.
        object_store::Error::NotFound { .. } => {
            tracing::error!(dataset = %id, %key, "an uploaded file is gone from the blob store");
            Problem::new(Code::FileGone, "The file is gone from where it was kept.")
        }
        e => e.into(),
    })?;
    let size = found.meta.size;
    let body = SizedStream::new(size, found.into_stream().map_err(std::io::Error::other));
    let name = upload.file_name.clone().unwrap_or_else(|| dataset.name.clone());
    let mut response = HttpResponse::Ok()
        // Never what the uploader called it: a browser must not run what someone else uploaded.
        .content_type("application/octet-stream")
        .insert_header(attachment(&name))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("weir-sha256", upload.sha256.as_str()))
        .body(body);
    position_header(&mut response, read.position());
    Ok(response)
}

fn attachment(name: &str) -> ContentDisposition {
    let clean: String = name.chars().filter(|c| !c.is_control() && !matches!(c, '/' | '\\' | '"')).collect();
    let value = ExtendedValue {
        charset: Charset::Ext("UTF-8".to_owned()),
        language_tag: None,
        value: clean.into_bytes(),
    };
    ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::FilenameExt(value)],
    }
}
