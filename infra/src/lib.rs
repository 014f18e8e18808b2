//! Adapters: everything through which Weir touches the world, and the pieces that its HTTP sides share.
//!
//! - [`log`]: the event log on NATS JetStream. [`postgres`]: pool and migrations. [`blob`]: files.
//! - [`grants`]: keys that read one workspace's events from NATS.
//! - [`cache`]: what processes share in Redis or Valkey, where there is one.
//! - [`servers`]: nats-server and PostgreSQL as child processes. [`testing`]: the same for tests.
//! - [`fetch`]: files from elsewhere. [`llm`]: language models. [`seal`]: encryption of what is kept. [`vault`]: free text in events. [`webhook`]: messages to other people's servers.
//! - [`http`], [`auth`]: problem+json, extractors, idempotency, tokens.
//! - [`telemetry`], [`metrics`], [`latency`]: what an operator sees.
//!
//! Deliberately absent: any rule of the product. To add an adapter: a module, one line here, and its
//! construction in the binary.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]
#![expect(clippy::disallowed_methods, reason = "adapters are where time, ids and randomness come from")]

pub mod auth;
pub mod blob;
pub mod cache;
pub mod fetch;
pub mod grants;
pub mod http;
pub mod latency;
pub mod llm;
pub mod log;
pub mod metrics;
pub mod nats;
pub mod postgres;
pub mod seal;
pub mod servers;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(not(test), expect(clippy::expect_used, reason = "tests stop at the first surprise"))]
pub mod testing;
pub mod tls;
pub mod vault;
pub mod webhook;
