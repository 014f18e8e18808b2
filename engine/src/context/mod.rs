//! Contexts: what datasets mean and how they join, in a file that people write.
//!
//! A context is read ([`parse`]), looked over ([`Context::validate`]), and then turns a request for
//! metrics by dimensions into SQL ([`compile`]), or a query that names metrics into one that spells them
//! out ([`expand`]). All of it is text to text and types to types: no file is opened, no dataset is read,
//! and which datasets there are is handed in as a [`Catalog`].
//!
//! A number that comes out is right or there is none. Joins that would count a row more than once are
//! either avoided, by adding up before joining, or refused with `FAN_OUT`.
//!
//! Deliberately absent: storage, versions of record, users. To add a key to the format, add a line in
//! `model.rs`; its reading, its writing and the finding for a mistyped one come from there.

mod catalog;
mod export;
mod finding;
mod markdown;
mod model;
mod params;
mod place;
mod read;
mod shape;
#[cfg(test)]
mod tests;
mod validate;
mod version;
mod yaml;

pub use catalog::{Catalog, Entry};
pub use export::{json, markdown, yaml};
pub use finding::{Code, Finding, MAX_FINDINGS, Severity};
pub use model::*;
pub use params::{MAX_VALUE, Params};
pub use read::{MAX_BYTES, MAX_PARTS, parse, parse_for};
pub use validate::{Level, check};
pub use version::{bump_patch, version, with_version};
pub use yaml::{MAX_DEPTH, MAX_NODES};
