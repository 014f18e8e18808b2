//! The commands over HTTP, one file per endpoint: request, answer, handler, documentation.
//!
//! To add an endpoint: a file beside its resource's others, one line in that resource's `routes`
//! and one in its `Documentation`.

pub mod api_keys;
pub mod auth;
pub mod workspaces;
