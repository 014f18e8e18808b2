//! End-to-end tests: the real binary with real NATS and PostgreSQL, over HTTP.

mod accounts;
mod crash;
mod house;
mod idempotency;
mod lifecycle;
mod main_job;
mod routes;
mod tour;
