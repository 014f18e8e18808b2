//! `GET /api/v1/datasets/{id}/profile`

use actix_web::{HttpResponse, web::Data};
use object_store::{ObjectStoreExt, path::Path as Key};
use utoipa::IntoParams;
use uuid::Uuid;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Code, Path, Problem, params::Fresh, position_header},
};

use super::there;
use crate::{
    app::{App, charts::not_readable},
    http::read::Read,
};

/// Which version.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described: the parameter is taken by itself")]
pub(super) struct Shown {
    /// The version; the newest that can be queried by default.
    version: Option<u32>,
}

/// Show what a dataset's columns hold
///
/// Counts, missing values, different values, extremes, mean and deviation, quantiles, a histogram, the most
/// frequent values, examples, lengths of texts, the share of duplicates, and which columns are likely keys. It
/// was computed from all rows while the file was read; `docs/formats.md` says how exact each figure is.
#[utoipa::path(
    get,
    path = "/api/v1/datasets/{id}/profile",
    tag = "datasets",
    operation_id = "profile_dataset",
    params(("id" = Uuid, Path, description = "The dataset"), Shown, Fresh),
    responses(
        (status = 200, description = "What the columns hold", content_type = "application/json", body = Object),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`dataset_not_found`, `version_not_found`, `profile_unknown`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_parameter`, `dataset_rejected`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`storage_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn profile(
    mut read: Read<Caller<Viewer>>,
    app: Data<App>,
    Path(id): Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let version = read.params.number("version", 1..=i64::from(u32::MAX));
    read.params.finish()?;
    let dataset = there(&app, read.who.workspace, id)?;
    let ready = match version.and_then(|v| u32::try_from(v).ok()) {
        Some(version) => dataset.readable.get(&version).ok_or_else(|| {
            let detail = format!("The dataset has no version {version} that can be queried.");
            Problem::new(Code::VersionNotFound, detail)
        })?,
        None => dataset.ready.as_ref().ok_or_else(|| not_readable(&dataset))?,
    };
    let key = ready.profile.as_ref().ok_or_else(|| {
        Problem::new(
            Code::ProfileUnknown,
            "This version was read before profiles were made; read its file again.",
        )
    })?;
    let key = Key::parse(key).map_err(Problem::internal)?;
    let bytes = async { app.blobs().get(&key).await?.bytes().await }.await.map_err(|error| match error {
        object_store::Error::NotFound { .. } => {
            Problem::new(Code::ProfileUnknown, "What the columns hold is gone; read the file again.")
        }
        error => error.into(),
    })?;
    let mut response = HttpResponse::Ok().content_type("application/json").body(bytes);
    position_header(&mut response, read.position());
    Ok(response)
}
