//! `PATCH /api/v1/datasets/{id}`

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::{DatasetId, dataset::ReadOptions};
use weir_infra::{
    auth::{Caller, Editor},
    http::{Json, Path, Problem, RequestContext, command_answer},
};

use super::{
    form::{ColumnType, UploadOptions},
    there,
};
use crate::{
    app::{App, context},
    domain::dataset::Change,
    http::common::nullable,
};

/// What is to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeDataset {
    /// The new name.
    #[serde(default)]
    name: Option<String>,
    /// The new description; empty or null takes it away.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// How the newest file is to be read; it is read again, as a new version. What is left out is
    /// found out from its content.
    #[serde(default)]
    options: Option<UploadOptions>,
    /// The types that columns shall have, by their names. The newest file is read again as it was, but for these.
    #[serde(default)]
    types: Option<BTreeMap<String, ColumnType>>,
    /// Whether values that do not fit their column's type become missing. Without it they are told, and nothing
    /// changes.
    #[serde(default)]
    allow_unfit: bool,
}

/// A dataset's name and description after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedDataset {
    /// The dataset.
    id: Uuid,
    /// Its name.
    name: String,
    /// Its description.
    description: Option<String>,
    /// Where the event log has the change.
    position: u64,
}

/// Rename or describe a dataset, or correct how its file is read
///
/// With `types` the newest file is read again with those types. Values that do not fit are counted first: where there
/// are any, the answer is 422 `types_do_not_fit` with the first 100 of each column, and nothing changes unless
/// `allow_unfit` says so. With `options` the newest file is read again, as a new version; until that is done, queries use
/// the version before. A file that was rejected gets its name back with it.
///
/// The old name is free again at once. Queries that are saved go by names, so they may need the new
/// one.
#[utoipa::path(
    patch,
    path = "/api/v1/datasets/{id}",
    tag = "datasets",
    operation_id = "change_dataset",
    params(("id" = Uuid, Path, description = "The dataset")),
    request_body = ChangeDataset,
    responses(
        (status = 200, description = "Changed", body = ChangedDataset),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`role_too_low`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`dataset_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`, `dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`types_do_not_fit` with the values, `invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn change(
    caller: Caller<Editor>,
    app: Data<App>,
    request: RequestContext,
    Path(id): Path<Uuid>,
    Json(body): Json<ChangeDataset>,
) -> Result<HttpResponse, Problem> {
    let cx = context(&caller, &request);
    let options = body.options.map(ReadOptions::try_from).transpose()?;
    let options = match body.types {
        None => options,
        Some(types) => {
            let dataset = there(&app, cx.workspace, id)?;
            let mut options = options.unwrap_or(dataset.options);
            options
                .types
                .extend(types.into_iter().map(|(column, wanted)| (column, wanted.name().to_owned())));
            options.allow_unfit = body.allow_unfit;
            if !body.allow_unfit {
                Box::pin(app.fits(cx.workspace, &dataset.upload, &options)).await?;
            }
            Some(options)
        }
    };
    let command = Change {
        id: DatasetId(id),
        name: body.name,
        description: body.description.map(Option::unwrap_or_default),
        options,
    };
    let done = app.execute(&command.id, &command, &cx).await?;
    let labels = done.reply;
    let view =
        ChangedDataset { id, name: labels.name, description: labels.description, position: done.position.0 };
    Ok(command_answer(StatusCode::OK, &view, done.position))
}
