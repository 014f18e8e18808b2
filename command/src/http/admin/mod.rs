//! What the owner of the installation can do with it.

mod rebuild;

use actix_web::web;
use utoipa::OpenApi;

/// The routes. Each guards its method, so that other methods of a path may be served elsewhere.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/api/v1/admin/projections/{name}/rebuild", web::post().to(rebuild::rebuild));
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(rebuild::rebuild))]
pub struct Documentation;
