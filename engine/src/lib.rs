//! The data plane: a file becomes a typed Parquet table, SQL runs over such tables, and a chart
//! form becomes a Vega-Lite specification.
//!
//! It knows object store keys, bytes and Arrow, and nothing of HTTP, events, users or workspaces:
//! which tables a caller may see is decided outside and handed in with every query.
//!
//! Heavy work never runs on the caller's threads. The engine owns a runtime of its own, so that a
//! large query cannot hold up the HTTP workers; dropping a returned future cancels its work there.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod answer;
pub mod chart;
mod column;
pub mod context;
pub mod ingest;
pub mod naming;
mod near;
pub mod profile;
mod runtime;
mod spill;
pub mod sql;

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;

pub use answer::{Answer, EncodeError, JsonRows};
pub use column::{Column, type_name};
pub use near::hint as near_hint;

/// Name and version of what computes answers, for receipts and cache keys.
pub const ENGINE: &str =
    concat!("weir-engine/", env!("CARGO_PKG_VERSION"), " datafusion/55.2 static-filters");

/// Many more threads than processors: a plan in the making, or a join that rejects every row, holds its
/// thread until it is through, and the operating system gives the others their share meanwhile.
const THREADS: usize = 64;

/// What the engine may use of the machine.
#[derive(Debug, Clone)]
pub struct Config {
    /// Memory that all queries together may reserve, in bytes.
    pub memory_bytes: usize,
    /// Where sorts and joins spill what does not fit into memory. Engines may share it: each takes a
    /// folder of its own below, and removes those of engines that were killed.
    pub spill_dir: PathBuf,
    /// How much may be spilled at any one time, in bytes.
    pub spill_bytes: u64,
    /// How many parts one query is split into.
    pub target_partitions: usize,
    /// What an uploaded file may ask for.
    pub files: ingest::Limits,
}

impl Default for Config {
    /// A gigabyte of memory, eight of spill, a partition per processor.
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            spill_dir: std::env::temp_dir().join("weir-spill"),
            spill_bytes: 8 << 30,
            target_partitions: std::thread::available_parallelism().map_or(2, usize::from),
            files: ingest::Limits::default(),
        }
    }
}

/// Why an engine could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The worker threads could not be started.
    #[error("the engine's threads could not be started: {0}")]
    Threads(#[source] std::io::Error),
    /// The spill folder cannot be used.
    #[error("the spill folder {path} cannot be used: {source}")]
    Spill {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The query engine refused its configuration.
    #[error("the query engine could not be set up: {0}")]
    Query(String),
}

/// Turns files into tables and answers queries over them. A clone is the same engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    blobs: Arc<dyn ObjectStore>,
    config: Config,
    sessions: sql::Sessions,
    runtime: runtime::Runtime,
    /// The last one, so that it is dropped after what spills into it.
    _spill: spill::Spill,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over the given blobs, which hold both the uploads and the tables.
    ///
    /// # Errors
    ///
    /// When threads or the spill folder cannot be had.
    pub fn new(blobs: Arc<dyn ObjectStore>, config: Config) -> Result<Self, SetupError> {
        let spill = spill::Spill::take(&config.spill_dir)
            .map_err(|source| SetupError::Spill { path: config.spill_dir.clone(), source })?;
        let config = Config { spill_dir: spill.folder().to_owned(), ..config };
        let sessions = sql::Sessions::new(blobs.clone(), &config)?;
        let runtime = runtime::Runtime::new(THREADS).map_err(SetupError::Threads)?;
        Ok(Self { shared: Arc::new(Shared { blobs, config, sessions, runtime, _spill: spill }) })
    }
}
