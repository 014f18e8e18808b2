//! The read models: everything on screen is a fold over the event log, and this is where it is
//! folded.
//!
//! - [`projections`]: the index of read models, one folder each.
//! - [`Projection`]: a pure fold and one set-based write.
//! - [`Runtime`]: follows the log and keeps the schema `read` up to date.
//! - [`rebuild`]: folds everything anew beside the live tables and swaps them in; [`verify`] proves
//!   the live tables equal to a fresh fold.
//! - [`Past`]: one workspace as it was at any moment, folded into tables of its own.
//!
//! # What holds
//! - Rows, checkpoint and fence are one transaction: an event is counted once, whatever crashes.
//! - Two writers of one schema exclude each other: by an advisory lock while both live, by the
//!   epoch in `projector.runner` when one of them does not know that it is dead. One that gives no
//!   sign of life loses its connection, and the lock with it.
//! - Tables that are folded anew, all or those of some projections, are built in schemas beside and
//!   exchanged in one transaction by renaming these. The live ones serve and go on until then.
//! - A build never touches tables of a newer build.
//! - Tables hold nothing but what events say, so that a fresh fold is equal, byte for byte.
//! - `min(position)` in `checkpoint` is "everything up to here can be read", and every commit
//!   notifies the channel [`CHANNEL`] with it, with the position before, and with the workspaces that the
//!   events were of.
//!
//! Deliberately absent: side effects (a rebuild must not send an e-mail twice), HTTP, and reading
//! for anyone but the projections themselves.
//!
//! To add a read model: see [`projections`].

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod fold;
mod metrics;
mod names;
mod past;
mod projection;
pub mod projections;
mod pulse;
mod reader;
mod rebuild;
mod runtime;
mod store;
mod sums;
mod writer;

pub use metrics::Metrics;
pub use names::{InvalidName, Schema};
pub use past::{Moment, Past, PastError, PastOptions};
pub use projection::{Projection, Projections, Tx};
pub use rebuild::{Progress, RebuildError, Rebuilt, rebuild, verify};
pub use runtime::{Error, Options, Runtime, Status};
pub use store::{CHANNEL, Error as DatabaseError, ensure};
pub use sums::{Difference, checksum};
