//! Datasets: uploaded, replaced, rolled back, renamed, described, deleted, restored; looked into and taken out again.

mod change;
mod delete;
mod download;
mod file_name;
mod form;
mod import;
mod preview;
mod profile;
mod replace;
mod restore;
mod roll_back;
mod undo;
mod upload;
mod view;

use actix_web::web;
use utoipa::OpenApi;
use uuid::Uuid;
use weir_events::{DatasetId, WorkspaceId};
use weir_infra::http::{Code, Problem, read};

use crate::{app::App, directory::Dataset};

/// The routes. Each guards its method, so that other methods of a path may be served elsewhere.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/api/v1/datasets", web::post().to(upload::upload))
        .route("/api/v1/datasets/import", web::post().to(import::import))
        .route("/api/v1/datasets/{id}", web::patch().to(change::change))
        .route("/api/v1/datasets/{id}", web::delete().to(delete::delete))
        .route("/api/v1/datasets/{id}/restore", web::post().to(restore::restore))
        .route("/api/v1/datasets/{id}/undo", web::post().to(undo::undo))
        .route("/api/v1/datasets/{id}/versions", web::post().to(replace::replace))
        .route("/api/v1/datasets/{id}/versions/{version}/restore", web::post().to(roll_back::roll_back));
    read(cfg, "/api/v1/datasets/{id}/preview", preview::preview);
    read(cfg, "/api/v1/datasets/{id}/profile", profile::profile);
    read(cfg, "/api/v1/datasets/{id}/download", download::download);
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    upload::upload,
    import::import,
    change::change,
    delete::delete,
    restore::restore,
    undo::undo,
    replace::replace,
    roll_back::roll_back,
    preview::preview,
    profile::profile,
    download::download
))]
pub struct Documentation;

/// A dataset that is there: not deleted.
fn there(app: &App, workspace: WorkspaceId, id: Uuid) -> Result<Dataset, Problem> {
    let dataset = app.directory().dataset(workspace, DatasetId(id)).filter(|d| d.deleted_at.is_none());
    dataset.ok_or_else(|| {
        Problem::new(Code::DatasetNotFound, format!("There is no dataset {id} in this workspace."))
    })
}
