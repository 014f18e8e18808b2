//! The read side over a real PostgreSQL, with rows as the projections leave them.

#![expect(clippy::disallowed_methods, reason = "tests make their own ids and times")]

mod fresh;
mod kept;
mod lists;
mod operations;
mod plans;
mod results;
mod scale;
mod shapes;
mod tenants;
mod world;
