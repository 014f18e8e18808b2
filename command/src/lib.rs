//! The write side of Weir: commands come in, events go out.
//!
//! - [`domain`]: what may happen. Pure rules, one module per aggregate.
//! - [`app`]: load, decide, append; queries with their cache and receipts; uploads; charts.
//! - [`directory`]: what commands need to know of the workspaces, a fold of the stream in memory.
//! - [`accounts`]: people, sessions, API keys, workspaces and members.
//! - [`webhooks`]: other people's servers, told of events.
//! - [`http`]: the endpoints. [`process`]: workers that go on from an event.
//!
//! Deliberately absent: read models. What commands need to know of a workspace they learn from
//! their own fold of the stream; the database holds accounts only.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod accounts;
#[expect(
    clippy::disallowed_methods,
    reason = "around the domain, which gets time, ids and randomness from here"
)]
pub mod app;
pub mod directory;
pub mod domain;
pub mod http;
#[expect(
    clippy::disallowed_methods,
    reason = "around the domain, which gets time, ids and randomness from here"
)]
pub mod process;

#[expect(
    clippy::disallowed_methods,
    reason = "around the domain, which gets time, ids and randomness from here"
)]
pub mod webhooks;

pub use app::{Adapters, App, Config};
pub use directory::Directory;
pub use http::{openapi, routes};
