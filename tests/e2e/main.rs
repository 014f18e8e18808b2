//! End-to-end tests: the real binary with real NATS and PostgreSQL, over HTTP.

#![expect(clippy::disallowed_methods, reason = "tests make their own ids and times")]

mod accounts;
mod advice;
mod archive;
mod crash;
mod erasing;
mod grants;
mod house;
mod idempotency;
mod ingesting;
mod leadership;
mod lifecycle;
mod limits;
mod main_job;
mod memory;
mod operations;
mod past;
mod planning;
mod routes;
mod subscribing;
mod tour;
mod undoing;
mod webhooks;
