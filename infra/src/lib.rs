//! placeholder
pub mod auth;
pub mod http;
pub mod latency;
