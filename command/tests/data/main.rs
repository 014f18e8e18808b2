//! Datasets, queries and charts over HTTP, on a real event log, real files and the real engine.

mod isolation;
mod journey;
mod queries;
mod uploads;
mod worker;
mod world;
