//! The read side: answers over HTTP from the read models in PostgreSQL.
//!
//! - [`routes`] and [`openapi`]: the reads of the API, `/health/*` and `/metrics`; [`Docs`] serves
//!   the merged document of all crates.
//! - [`State`] with [`Sources`] and [`Options`]: what the handlers share.
//! - [`Positions`]: how far the read models are, for reads that want to see a certain event.
//! - [`Tail`]: the newest events, for those who subscribe to them.
//! - [`ReadMemberships`]: who is in which workspace, for a process without a command side.
//!
//! Every read goes the way of `read.rs`: authenticate, wait for the minimum position, authorise,
//! then answer with 304, from memory, or from one read-only transaction that sees one position.
//! A handler gets its rows only through a `Reader`, which puts the caller's workspace into every
//! statement.
//!
//! What the event log holds is read only for those who ask for events: subscribers (`tail.rs`) and histories
//! (`diff/`).
//!
//! Deliberately absent: anything that writes, other crates' tables.
//!
//! To add a read: a file under `http/<resource>/` with its `.sql` beside it, one line each in the
//! two indexes of `http/mod.rs` and in `sql.rs`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod cache;
mod changes;
mod coding;
mod diff;
mod docs;
mod fields;
mod health;
mod http;
mod lag;
mod latency;
mod list;
mod memberships;
mod metrics;
mod position;
mod read;
mod reader;
mod search;
mod sql;
mod state;
mod tail;
mod words;

pub use docs::Docs;
pub use health::{Check, Readiness};
pub use lag::Lag;
pub use memberships::ReadMemberships;
pub use position::Positions;
pub use sql::statements;
pub use state::{Moment, Options, Past, Sources, State};
pub use tail::Tail;

use actix_web::web;
use utoipa::{
    OpenApi as _,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use weir_infra::http::{params, read};

/// Adds the reads, `/health/*` and `/metrics` to an application.
///
/// The application also needs `web::Data<Authenticator>`, `weir_infra::http::edge` around it all
/// and, for compression, `actix_web::middleware::Compress` inside of that. Other methods of the
/// same paths are left to whoever serves them.
pub fn routes(cfg: &mut web::ServiceConfig, state: State) {
    cfg.app_data(web::Data::new(state));
    http::routes(cfg);
    read(cfg, "/health/live", health::live);
    read(cfg, "/health/ready", health::ready);
    read(cfg, "/metrics", health::metrics);
}

/// The description of these routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = http::Routes::openapi();
    document.merge(health::Routes::openapi());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An access token or an API key"))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}
