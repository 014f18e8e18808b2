//! Datasets, queries and charts over HTTP, on a real event log, real files and the real engine.

#![expect(clippy::disallowed_methods, reason = "tests make their own ids and times")]

mod caches;
mod columns;
mod contexts;
mod imports;
mod isolation;
mod journey;
mod queries;
mod questions;
mod uploads;
mod versions;
mod worker;
mod world;
