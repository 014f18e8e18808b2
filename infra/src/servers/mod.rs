//! The servers that Weir runs as its children when it is given none: nats-server and PostgreSQL.
//!
//! - [`programs`]: where the programs are and whether they are new enough.
//! - [`nats`], [`postgres`]: their configuration, first start and addresses. [`redis`]: the same for tests.
//! - [`Supervisor`]: starts one, waits until it serves, restarts it when it dies, stops it.
//! - [`leftover`]: what a killed Weir left behind, stopped at the next start.
//! - [`Lock`]: one Weir per data folder. [`secret`]: passwords kept in the data folder.
//!
//! Deliberately absent: anything that uses what the servers offer. That is `log`, `postgres`, ...
//! and works the same with servers that somebody else runs.

pub mod leftover;
mod lock;
mod log_file;
pub mod nats;
mod port;
pub mod postgres;
pub mod programs;
pub mod redis;
pub mod secret;
mod supervisor;
pub mod unprivileged;

pub use lock::{Lock, LockError};
pub use supervisor::{Place, Server, StartError, Supervisor};

#[cfg(test)]
mod tests;
