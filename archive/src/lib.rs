//! The event stream as Parquet: a copy of the stream that SQL can read, and from which the stream can be made again.
//!
//! - [`rows`]: events as rows and back, nothing lost; [`Writer`]: rows as a Parquet file.
//! - [`Archive`]: which files there are, and their events in the stream's order.
//! - [`Archiver`]: follows the stream and writes it down, once; merges small files.
//! - [`Replay`]: an event log whose beginning is read from the archive.
//! - [`Past`]: a workspace's events, runs and usage as tables for SQL, up to the last moment.
//!
//! Deliberately absent: any file that is not named in the schema `archive` of PostgreSQL. What is not named there
//! is nobody's, whatever the blob store holds.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod archiver;
mod catalog;
mod file;
mod merge;
mod replay;
pub mod rows;
mod sql;

pub use archiver::{Archiver, Options, Report};
pub use catalog::{Archive, Snapshot};
pub use file::Writer;
pub use replay::Replay;
pub use sql::{Moment, Past, TABLES, View};

use datafusion::{arrow::error::ArrowError, parquet::errors::ParquetError};
use weir_events::{Position, Unavailable};

/// Why the archive could not be read or written. Nothing is lost by any of them: the stream has it all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL gave no connection.
    #[error("PostgreSQL is not available: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// PostgreSQL refused.
    #[error("PostgreSQL: {0}")]
    Database(#[from] tokio_postgres::Error),
    /// The blob store failed.
    #[error("the blob store: {0}")]
    Blobs(#[from] object_store::Error),
    /// A file is not what was written.
    #[error("a file of the archive: {0}")]
    File(#[from] ParquetError),
    /// A file's rows are not events.
    #[error("a file of the archive: {0}")]
    Rows(#[from] ArrowError),
    /// The event log did not answer.
    #[error(transparent)]
    Log(#[from] Unavailable),
    /// The keys of texts cannot be had.
    #[error(transparent)]
    Keys(#[from] weir_infra::vault::Unavailable),
    /// Another archiver was first. What this one had written is nobody's.
    #[error("another archiver was first")]
    Overtaken,
    /// The archive is further than the log: it is another log, or one that was restored from an older backup.
    #[error("the archive ends at position {archive}, but the log at {head}")]
    Ahead {
        /// Where the archive ends.
        archive: Position,
        /// Where the log ends.
        head: Position,
    },
    /// Files do not hold the events that they were written with.
    #[error("the archive is damaged at position {0}: an event is there twice, or not in order")]
    Order(Position),
}

/// A position, or a number of events or bytes, as PostgreSQL and SQL have it.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
