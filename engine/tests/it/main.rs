//! The engine over a real blob store in a folder.

mod checking;
mod contexts;
mod files;
mod growth_and_overflow;
mod limits;
mod queries;
mod roundtrip;
mod sandbox;
mod support;
