//! `POST /api/v1/datasets`

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
    web::{Data, Payload},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::DatasetId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Code, Place, Problem, Query, RequestContext, command_answer, position_header},
};

use super::{
    file_name::suggested,
    form::{Form, Labels, Purpose, UploadOptions, is_form, options},
    view::DatasetView,
};
use crate::{
    app::{App, Done, context, uploads},
    directory::{Dataset, Status},
    domain::{
        Ctx,
        dataset::{Receive, Received},
    },
    http::common::Prefer,
};

/// A file, and what to say about it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form, which is read as a stream")]
pub(super) struct UploadForm {
    /// The file: CSV or another delimited text, plain or gzipped.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The dataset's unique name, which is its table name in SQL; the file's by default.
    name: Option<String>,
    /// What it is.
    description: Option<String>,
    /// How to read it, as JSON.
    #[schema(value_type = Option<UploadOptions>)]
    options: Option<String>,
}

/// A dataset whose file is being read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// The dataset.
    id: Uuid,
    /// Its name.
    name: String,
    /// `ingesting`.
    #[schema(example = "ingesting")]
    status: &'static str,
    /// Where the event log has it.
    position: u64,
}

/// Upload a file
///
/// The file comes as the field `file` of a multipart form or as the raw body with `?name=`. It is
/// stored first and read in the background: the answer is 202, and the dataset's status says how it
/// went. With `Prefer: wait=N` (at most 60 seconds) the answer waits for that: 201 with the dataset
/// when it can be queried; 422 `dataset_rejected`, saying row and column, when the file cannot be
/// read (the dataset stays, with status `rejected`, and gives its name back, so that the mended
/// file can take it); 202 when it takes longer.
#[utoipa::path(
    post,
    path = "/api/v1/datasets",
    tag = "datasets",
    operation_id = "upload_dataset",
    params(
        ("name" = Option<String>, Query, description = "The name, where the file is the raw body"),
        ("description" = Option<String>, Query, description = "The description, where the file is the raw body"),
        ("options" = Option<String>, Query, description = "How to read it, as JSON, where the file is the raw body"),
        ("file_name" = Option<String>, Query, description = "The file's name, where the file is the raw body"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait N seconds for the outcome"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    request_body(content(
        (UploadForm = "multipart/form-data"),
        (String = "text/csv"),
        (String = "application/gzip"),
    )),
    responses(
        (status = 201, description = "It can be queried", body = DatasetView),
        (status = 202, description = "It is being read", body = Accepted),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`payload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`, `dataset_rejected`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `storage_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn upload(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    prefer: Prefer,
    Query(labels): Query<Labels>,
    req: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let cx = context(&caller, &request);
    let id = DatasetId(cx.id("dataset"));
    if !is_form(&req) && labels.name.is_none() && labels.file_name.is_none() {
        let detail = "A raw body needs a name: POST /api/v1/datasets?name=flights.";
        return Err(Problem::invalid("name", "missing", detail));
    }
    let form = Form::receive(&app, &cx, id, Purpose::Dataset, &req, labels, payload).await?;
    let Form { arrived, file_name, content_type, labels } = form;
    let name = labels.name.or_else(|| file_name.as_deref().and_then(suggested)).ok_or_else(unnamed)?;
    let options = options(labels.options.as_deref())?;
    let done = app
        .receive(&cx, id, arrived, |arrived| Receive {
            id,
            name,
            description: labels.description,
            upload: uploads::upload(arrived, file_name, content_type),
            options,
        })
        .await?;
    answered(&app, &cx, id, prefer, done).await
}

/// What is said of a file that was received, once the caller does not wait any more.
pub(super) async fn answered(
    app: &App,
    cx: &Ctx,
    id: DatasetId,
    prefer: Prefer,
    done: Done<Received>,
) -> Result<HttpResponse, Problem> {
    let settled = match prefer.0 {
        Some(wait) => app.directory().settled(cx.workspace, id, 1, wait).await,
        None => None,
    };
    let mut response = match settled {
        Some(dataset) if dataset.status() == Status::Rejected => {
            let mut response = rejected(&dataset).error_response();
            position_header(&mut response, dataset.position);
            response
        }
        Some(dataset) => command_answer(StatusCode::CREATED, &DatasetView::from(&dataset), dataset.position),
        None => {
            let status = Status::Ingesting.as_str();
            let body = Accepted { id: id.0, name: done.reply.name, status, position: done.position.0 };
            command_answer(StatusCode::ACCEPTED, &body, done.position)
        }
    };
    if let Ok(location) = header::HeaderValue::from_str(&format!("/api/v1/datasets/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    prefer.applied(&mut response);
    Ok(response)
}

/// There is nothing that the dataset could be called.
pub(super) fn unnamed() -> Problem {
    Problem::invalid("name", "missing", "The dataset needs a name, and the file has none to take it from.")
}

/// Why a file could not be read, and where to look.
pub(super) fn rejected(dataset: &Dataset) -> Problem {
    let Some(reason) = &dataset.rejected else { return Problem::internal("rejected for no reason") };
    let mut detail = reason.detail.clone();
    if let Some(found) = &reason.found {
        detail.push_str(&format!(" Found: {found:?}."));
    }
    Problem::new(Code::DatasetRejected, detail.clone()).place(Place {
        field: reason.column.clone(),
        line: reason.row,
        column: None,
        code: reason.code.clone().into(),
        detail,
    })
}
