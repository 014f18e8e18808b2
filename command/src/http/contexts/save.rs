//! `POST /api/v1/contexts`

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Bytes, Data},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Problem, RequestContext, command_answer},
};

use super::{Body, FindingView};
use crate::app::{App, context};

/// A context that was saved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SavedContext {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// The version that it was saved under. Not the one that stands in the text that was sent where that
    /// was another text's already.
    version: String,
    /// `draft`, `active` or `deprecated`.
    #[schema(example = "active")]
    status: String,
    /// What it is about.
    description: String,
    /// The datasets that it speaks of.
    datasets: Vec<Uuid>,
    /// The ids of its metrics.
    metrics: Vec<String>,
    /// The whole file, with its version in it.
    content: String,
    /// What is not wrong, but probably not meant.
    warnings: Vec<FindingView>,
    /// Whether anything was written: not where the text is the newest already.
    changed: bool,
    /// Where the event log has it.
    position: u64,
}

/// Save a context
///
/// It goes by the name in the file: another text of the same name is its next version. A changed text
/// under a version that was saved before gets the next patch version. Drafts only have to have the form of
/// a context; others have to fit the workspace's datasets. A file in the Open Semantic Interchange form is
/// taken in as well.
#[utoipa::path(
    post,
    path = "/api/v1/contexts",
    tag = "contexts",
    operation_id = "save_context",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable")),
    request_body(content(
        (Body = "application/json"),
        (String = "text/markdown"),
        (String = "application/yaml"),
    )),
    responses(
        (status = 200, description = "Saved as another version of a context that was there", body = SavedContext),
        (status = 201, description = "Saved", body = SavedContext),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`payload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_context` with all places, `invalid_body`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn save(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    req: HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&req, &body)?;
    let text = super::text(&body)?.into_owned();
    let cx = context(&caller, &request);
    let done = Box::pin(app.save_context(&cx, &text, body.dataset.as_deref())).await?;
    let kept = done.reply;
    let view = SavedContext {
        id: kept.id.0,
        name: kept.version.name,
        version: kept.version.version,
        status: kept.version.status,
        description: kept.version.description,
        datasets: kept.version.datasets.iter().map(|id| id.0).collect(),
        metrics: kept.version.metrics,
        content: kept.version.text,
        warnings: kept.warnings.iter().map(FindingView::from).collect(),
        changed: done.wrote,
        position: done.position.0,
    };
    let status = if kept.made { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = command_answer(status, &view, done.position);
    if let Ok(location) = header::HeaderValue::from_str(&format!("/api/v1/contexts/{}", kept.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
