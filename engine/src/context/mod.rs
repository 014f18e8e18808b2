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
mod compile;
mod expand;
mod export;
mod expr;
mod facts;
mod fanout;
mod finding;
mod graph;
mod markdown;
mod model;
mod osi;
mod params;
mod place;
mod read;
mod resolve;
mod rules;
mod shape;
mod sources;
mod sql;
#[cfg(test)]
mod tests;
mod validate;
mod version;
mod world;
mod yaml;

pub use catalog::{Catalog, Entry};
pub use compile::{Compiled, MAX_REQUESTED, Order, OutputColumn, Request, UsedDataset, compile};
pub use expand::expand;
pub use export::{json, markdown, yaml};
pub use expr::MAX_EXPRESSION;
pub use facts::{MAX_FACTS, prompt_facts};
pub use finding::{Code, Finding, MAX_FINDINGS, Severity};
pub use model::*;
pub use osi::{OSI_VERSION, from_osi, to_osi};
pub(crate) use params::Bound;
pub use params::{MAX_VALUE, Params};
pub use read::{MAX_BYTES, MAX_PARTS, parse, parse_for};
pub use rules::{RuleCheck, rules};
pub use validate::{Level, check};
pub use version::{bump_patch, version, with_version};
pub use yaml::{MAX_DEPTH, MAX_NODES};

/// Does work that goes down into trees on a stack that is deep enough for any tree that is let in.
fn on_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Finding> {
    let failed = || Finding::error(Code::TooLarge, "The context could not be worked on; try again.");
    let builder = std::thread::Builder::new().stack_size(crate::sql::STACK);
    std::thread::scope(|scope| match builder.spawn_scoped(scope, work) {
        Ok(thread) => thread.join().map_err(|_| failed()),
        Err(_) => Err(failed()),
    })
}
