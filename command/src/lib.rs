//! The write side of Weir: commands come in, events go out.
//!
//! - [`domain`]: what may happen. Pure rules, one module per aggregate.
//!
//! Deliberately absent: read models and their database. What commands need to know of the
//! workspace they learn from their own fold of the stream.

pub mod accounts;
pub mod domain;
pub mod http;
pub mod app;
pub mod directory;
