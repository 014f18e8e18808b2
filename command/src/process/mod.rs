//! Workers: what happens after an event, without anyone asking. Each is a durable consumer of the
//! stream, so that any number of processes share the work and none of it is lost with one.

pub mod ingest;
