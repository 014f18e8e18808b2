//! `POST /api/v1/contexts/validate`

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde::Serialize;
use utoipa::ToSchema;
use weir_engine::context::Level;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{
        MinPosition, Problem,
        params::{MIN_POSITION, Params},
        position_header,
    },
};

use super::{Body, FindingView};
use crate::{app::App, http::common::fresh};

/// What is wrong with a context.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Validation {
    /// Whether nothing is.
    valid: bool,
    /// What is wrong, in the order of the file.
    errors: Vec<FindingView>,
    /// What is not wrong, but probably not meant.
    warnings: Vec<FindingView>,
}

/// Check a context
///
/// Up to a level: `schema` is the form alone, `semantic` what its parts mean together, `full` whether the
/// workspace's datasets fit. Nothing is saved.
#[utoipa::path(
    post,
    path = "/api/v1/contexts/validate",
    tag = "contexts",
    operation_id = "validate_context",
    params(("level" = Option<String>, Query, description = "`schema`, `semantic` or `full`, as in the body")),
    request_body(content((Body = "application/json"), (String = "text/markdown"), (String = "application/yaml"))),
    responses(
        (status = 200, description = "What is wrong with it, if anything", body = Validation),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn validate(
    caller: Caller<Viewer>,
    app: Data<App>,
    position: MinPosition,
    req: HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::parse(req.query_string());
    params.text(MIN_POSITION);
    let asked = params.text("level");
    params.finish()?;
    let body = Body::read(&req, &body)?;
    let level = match asked.as_deref().or(body.level.as_deref()) {
        None => Level::Full,
        Some(word) => Level::from_word(word).ok_or_else(|| {
            Problem::invalid("level", "unknown", "A level is one of schema, semantic, full.")
        })?,
    };
    fresh(&app, position).await?;
    let at = app.directory().position();
    let text = super::text(&body)?.into_owned();
    let workspace = caller.workspace;
    let app = app.get_ref().clone();
    // A large one takes a while.
    let check = move || app.check_context(workspace, &text, body.dataset.as_deref(), level);
    let findings = tokio::task::spawn_blocking(check).await.map_err(Problem::internal)?;
    let (errors, warnings): (Vec<_>, Vec<_>) = findings.iter().partition(|f| f.is_error());
    let view = Validation {
        valid: errors.is_empty(),
        errors: errors.into_iter().map(FindingView::from).collect(),
        warnings: warnings.into_iter().map(FindingView::from).collect(),
    };
    let mut response = HttpResponse::Ok().json(view);
    position_header(&mut response, at);
    Ok(response)
}
