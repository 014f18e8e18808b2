//! `POST /api/v1/datasets/{id}/versions`

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::StatusCode,
    web::{Data, Payload},
};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::DatasetId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Path, Problem, Query, RequestContext, command_answer, position_header},
};

use super::{
    form::{Form, Labels, Purpose, UploadOptions, options},
    there,
    upload::rejected,
    view::VersionView,
};
use crate::{
    app::{App, context, uploads},
    domain::dataset::Replace,
    http::common::Prefer,
};

/// A file that replaces the newest.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form, which is read as a stream")]
pub(super) struct VersionForm {
    /// The file, in any format.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// How to read it, as JSON.
    #[schema(value_type = Option<UploadOptions>)]
    options: Option<String>,
}

/// Upload a new version
///
/// The file becomes the next version of the dataset, with columns of its own; until it was read,
/// queries use the version before, and if it cannot be read they go on to. Older versions stay:
/// `SELECT * FROM flights@1`. What is different from the version before is in `diff`. With
/// `Prefer: wait=N` the answer waits as for a first upload. While the newest file is still being
/// read there can be no newer one: 409 `dataset_not_ready`.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{id}/versions",
    tag = "datasets",
    operation_id = "upload_dataset_version",
    params(
        ("id" = Uuid, Path, description = "The dataset"),
        ("options" = Option<String>, Query, description = "How to read it, as JSON, where the file is the raw body"),
        ("file_name" = Option<String>, Query, description = "The file's name, where the file is the raw body"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait N seconds for the outcome"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body(content(
        (VersionForm = "multipart/form-data"),
        (String = "text/csv"),
        (String = "application/octet-stream"),
    )),
    responses(
        (status = 201, description = "It can be queried", body = VersionView),
        (status = 202, description = "It is being read", body = VersionView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`dataset_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`, `name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`payload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`, `dataset_rejected`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `storage_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
#[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
pub(super) async fn replace(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    prefer: Prefer,
    Path(id): Path<Uuid>,
    Query(labels): Query<Labels>,
    req: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let cx = context(&caller, &request);
    let id = DatasetId(there(&app, cx.workspace, id)?.id.0);
    let form = Form::receive(&app, &cx, id, Purpose::Version, &req, labels, payload).await?;
    let Form { arrived, file_name, content_type, labels } = form;
    let options = options(labels.options.as_deref())?;
    let request = cx.id("version");
    let done = app
        .receive(&cx, id, arrived, |arrived| Replace {
            id,
            upload: uploads::upload(arrived, file_name, content_type),
            options,
            request,
        })
        .await?;
    let version = done.reply.version;
    let settled = match prefer.0 {
        Some(wait) => app.directory().settled(cx.workspace, id, version, wait).await,
        None => None,
    };
    let mut response = match settled {
        Some(dataset) => match VersionView::of(&dataset, version) {
            Some(view) => command_answer(StatusCode::CREATED, &view, dataset.position),
            None => {
                let mut response = rejected(&dataset).error_response();
                position_header(&mut response, dataset.position);
                response
            }
        },
        None => {
            let view = VersionView::ingesting(id, &done.reply.name, version, done.position);
            command_answer(StatusCode::ACCEPTED, &view, done.position)
        }
    };
    prefer.applied(&mut response);
    Ok(response)
}
