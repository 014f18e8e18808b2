//! `POST /api/v1/datasets/import`

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_events::{DatasetId, dataset::Upload};
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, Problem, RequestContext},
};

use super::{
    file_name::suggested,
    form::{Labels, Purpose, UploadOptions, check, read_options},
    upload::{Accepted, answered, unnamed},
    view::DatasetView,
};
use crate::{
    app::{App, context, uploads},
    domain::dataset::Receive,
    http::common::Prefer,
};

/// A file to fetch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportDataset {
    /// Where it is: an `https` address that anyone on the internet could reach.
    #[schema(example = "https://example.org/flights.csv.gz")]
    url: String,
    /// The dataset's unique name, which is its table name in SQL; the file's by default.
    #[serde(default)]
    name: Option<String>,
    /// What it is.
    #[serde(default)]
    description: Option<String>,
    /// How to read it.
    #[serde(default)]
    options: Option<UploadOptions>,
}

/// Import a file from an address
///
/// It is fetched while the caller waits, and then goes the way of an upload. Only `https` addresses are fetched
/// whose names lead to public addresses, for every redirect too, unless the installation says otherwise. The
/// event log keeps the address without its query, which often holds a secret.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/import",
    tag = "datasets",
    operation_id = "import_dataset",
    params(
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait N seconds more for the outcome"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body = ImportDataset,
    responses(
        (status = 201, description = "It can be queried", body = DatasetView),
        (status = 202, description = "It is being read", body = Accepted),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`payload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`import_address_refused`, `invalid_body`, `invalid_value`, `dataset_rejected`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_imports`", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "`import_failed`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `storage_unavailable`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`import_timeout`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn import(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    prefer: Prefer,
    Json(body): Json<ImportDataset>,
) -> Result<HttpResponse, Problem> {
    let cx = context(&caller, &request);
    let id = DatasetId(cx.id("dataset"));
    let ImportDataset { url, name, description, options } = body;
    let options = options.map(read_options).transpose()?.unwrap_or_default();
    let labels = Labels { name, description, ..Labels::default() };
    check(&app, &cx, id, Purpose::Dataset, &labels)?;
    // Refused before its bytes are fetched, where its name is taken.
    let mut labels = labels;
    let fetched = Box::pin(app.fetch(&cx, id, &url, |file| {
        if labels.name.is_none() {
            labels.name = file.file_name.as_deref().and_then(suggested);
        }
        check(&app, &cx, id, Purpose::Dataset, &labels)
    }))
    .await?;
    let name = labels.name.ok_or_else(unnamed)?;
    let done = app
        .receive(&cx, id, fetched.arrived, |arrived| Receive {
            id,
            name,
            description: labels.description,
            upload: Upload {
                source: Some(fetched.source),
                ..uploads::upload(arrived, fetched.file_name, fetched.content_type)
            },
            options,
        })
        .await?;
    answered(&app, &cx, id, prefer, done).await
}
