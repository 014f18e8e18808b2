//! What taking something back shares, whatever it is done to.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};
use uuid::Uuid;
use weir_events::Position;
use weir_infra::http::{PROBLEM_MEDIA_TYPE, command_answer};

use crate::app::Done;

/// What is to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Undo {
    /// The position of the event, as the thing's history has it, or as the command's answer had it.
    #[schema(example = 42, minimum = 1)]
    position: u64,
}

impl Undo {
    pub(super) fn at(&self) -> Position {
        Position(self.position)
    }

    pub(super) fn answer(&self, id: Uuid, done: &Done<()>) -> HttpResponse {
        let view = Undone { id, undone: self.position, changed: done.wrote, position: done.position.0 };
        command_answer(StatusCode::OK, &view, done.position)
    }
}

/// What was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Undone {
    /// The thing.
    id: Uuid,
    /// The position that was asked for.
    undone: u64,
    /// Whether anything had to change for it; false where things already were as they had been before.
    changed: bool,
    /// Where the event log has it.
    position: u64,
}

/// What taking something back answers when it does not.
pub(super) struct NotUndone;

impl IntoResponses for NotUndone {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |(status, description): (&str, &str)| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let response =
                ResponseBuilder::new().description(description).content(PROBLEM_MEDIA_TYPE, content);
            (status.to_owned(), RefOr::T(response.build()))
        };
        let conflicts = "`changed_since`, `not_undoable`, or what speaks against the change that would take it back, \
                         such as `name_taken`, `dataset_not_ready` or `context_in_use`";
        [
            ("401", "No valid token"),
            ("403", "`role_too_low`"),
            ("404", "`event_not_found`, or the thing is deleted"),
            ("409", conflicts),
            ("422", "`invalid_body`"),
            ("503", "`log_unavailable`"),
        ]
        .map(problem)
        .into()
    }
}
