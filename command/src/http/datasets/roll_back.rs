//! `POST /api/v1/datasets/{id}/versions/{version}/restore`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use uuid::Uuid;
use weir_events::DatasetId;
use weir_infra::{
    auth::{Caller, Editor},
    http::{Code, Path, Problem, RequestContext, command_answer},
};

use super::{there, view::VersionView};
use crate::{
    app::{App, context},
    domain::dataset::RollBack,
};

/// Go back to an older version
///
/// It becomes the newest again, as a version of its own: what happened in between stays to be seen.
/// Nothing has to be read for it, so it can be queried at once.
#[utoipa::path(
    post,
    path = "/api/v1/datasets/{id}/versions/{version}/restore",
    tag = "datasets",
    operation_id = "restore_dataset_version",
    params(
        ("id" = Uuid, Path, description = "The dataset"),
        ("version" = u32, Path, description = "The version to go back to"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    responses(
        (status = 200, description = "It is the newest again", body = VersionView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`dataset_not_found`, `version_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn roll_back(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path((id, version)): Path<(Uuid, u32)>,
) -> Result<HttpResponse, Problem> {
    let cx = context(&caller, &request);
    there(&app, cx.workspace, id)?;
    let command = RollBack { id: DatasetId(id), version };
    let done = app.execute(&command.id, &command, &cx).await?;
    let dataset = there(&app, cx.workspace, id)?;
    let view = VersionView::of(&dataset, done.reply).ok_or_else(|| {
        Problem::new(Code::VersionNotFound, format!("The dataset has no version {} any more.", done.reply))
    })?;
    Ok(command_answer(StatusCode::OK, &view, done.position))
}
