//! What every HTTP handler of Weir shares.
//!
//! - [`Code`]: the one table of error codes; [`Problem`]: errors as `application/problem+json`.
//! - [`Json`], [`Query`], [`Path`]: extractors that answer with a problem that says where.
//! - [`Params`]: query parameters, read strictly.
//! - [`Page`]: `limit`, `cursor`, `fields`, `sort` of a list, and its answer; [`Schemas`]: which
//!   fields there are.
//! - [`RequestContext`]: time, correlation, trace and idempotency key of a request.
//! - [`read`]: serves GET and HEAD; [`Methods`]: which methods each path has.
//! - [`CloudEvent`]: an event as everyone outside sees it.
//! - [`accepted`]: which form of an answer a caller likes best.
//! - [`edge`]: the outermost middleware (tracing, security headers, access log, problems).
//! - [`idempotency`]: the middleware that answers a repeated keyed request with the first answer.
//!
//! Deliberately absent: who is asking (see [`crate::auth`]) and any route.
//!
//! To add an error: one line in `code.rs`.

mod accept;
mod cloud_event;
mod code;
mod context;
mod edge;
mod extract;
pub mod idempotency;
mod methods;
mod page;
pub mod params;
mod problem;
mod schemas;

pub use accept::accepted;
pub use cloud_event::CloudEvent;
pub use code::Code;
pub use context::{MIN_POSITION, MinPosition, POSITION, REQUEST_ID, RequestContext, TRACEPARENT};
pub use edge::{TrustedProxies, client_address, edge, not_found};
pub use extract::{Json, JsonLimit, Path, Query, RawQuery, multipart_problem, payload_problem};
pub use idempotency::IdempotencyKey;
pub use methods::{Methods, read};
pub use page::{Fields, List, Page, PageParams, Sort, parameter, sortable_time};
pub use params::{NoParams, Params};
pub use problem::{MEDIA_TYPE as PROBLEM_MEDIA_TYPE, Place, Problem};
pub use schemas::Schemas;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header::HeaderValue},
};
use weir_events::Position;

/// Says how far the log was when the command had been carried out.
pub fn position_header(response: &mut HttpResponse, position: Position) {
    response.headers_mut().insert(POSITION, HeaderValue::from(position.0));
}

/// The answer to a command: JSON and the position.
pub fn command_answer(status: StatusCode, body: &impl serde::Serialize, position: Position) -> HttpResponse {
    let mut response = HttpResponse::build(status).json(body);
    position_header(&mut response, position);
    response
}
