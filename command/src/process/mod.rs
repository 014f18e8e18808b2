//! Workers: what happens after an event, without anyone asking, so that none of it is lost with a process.
//!
//! - [`ingest`]: files become tables. A durable consumer of the stream: any number of processes share the work.
//! - [`erase`]: what was to be erased is. By every process, since each has caches of its own.

pub mod erase;
pub mod ingest;
