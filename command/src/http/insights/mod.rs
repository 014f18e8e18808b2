//! Recommended actions: dismissed, and recommended again.

mod dismiss;
mod restore;

use actix_web::{HttpResponse, http::StatusCode, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use weir_events::ActionId;
use weir_infra::http::command_answer;

use crate::app::Done;

/// The routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/api/v1/insights/{id}/dismiss", web::post().to(dismiss::dismiss))
        .route("/api/v1/insights/{id}/restore", web::post().to(restore::restore));
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(dismiss::dismiss, restore::restore))]
pub struct Documentation;

/// A recommended action after the command.
#[derive(Debug, Serialize, ToSchema)]
struct ActionView {
    /// The action.
    id: String,
    /// Whether it is dismissed.
    dismissed: bool,
    /// Whether anything had to change for it.
    changed: bool,
    /// Where the event log has it.
    position: u64,
}

fn answer(id: ActionId, dismissed: bool, done: &Done<()>) -> HttpResponse {
    let view = ActionView { id: id.to_string(), dismissed, changed: done.wrote, position: done.position.0 };
    command_answer(StatusCode::OK, &view, done.position)
}
