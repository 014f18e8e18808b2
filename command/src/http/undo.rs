//! What the `undo` of all things shares.

use actix_web::{HttpResponse, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::command_answer;

use crate::app::Done;

/// What is to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Undo {
    /// The position of the event, as the thing's history has it.
    #[schema(example = 42, minimum = 1)]
    pub(super) position: u64,
}

/// What was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Undone {
    /// The thing.
    id: Uuid,
    /// The position of the event that was taken back.
    undone: u64,
    /// Whether anything had to change for it; false where things already were as they had been before.
    changed: bool,
    /// Where the event log has it.
    position: u64,
}

impl Undone {
    pub(super) fn answer(id: Uuid, undone: u64, done: &Done<()>) -> HttpResponse {
        let view = Self { id, undone, changed: done.wrote, position: done.position.0 };
        command_answer(StatusCode::OK, &view, done.position)
    }
}
