//! Queries: planned, run, saved under a name, renamed, given up.

mod plan;
mod rename;
mod run;
mod save;
mod undo;
mod unsave;

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

/// The routes. Each guards its method, so that other methods of a path may be served elsewhere.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/api/v1/queries", web::post().to(run::run))
        .route("/api/v1/queries/plan", web::post().to(plan::plan))
        .route("/api/v1/queries/{query_id}/save", web::post().to(save::save))
        .route("/api/v1/queries/{query_id}", web::patch().to(rename::rename))
        .route("/api/v1/queries/{query_id}", web::delete().to(unsave::unsave))
        .route("/api/v1/queries/{query_id}/undo", web::post().to(undo::undo));
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(run::run, plan::plan, save::save, rename::rename, unsave::unsave, undo::undo))]
pub struct Documentation;

/// A name for a query.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QueryName {
    /// The name, unique among the workspace's saved queries.
    #[schema(example = "Delay by carrier")]
    name: String,
}

/// A saved query.
#[derive(Debug, Serialize, ToSchema)]
struct SavedQuery {
    /// The query.
    query_id: Uuid,
    /// Its name.
    name: String,
    /// Where the event log has it.
    position: u64,
}
