//! The read models over a real PostgreSQL and the log in memory.

mod fleets;
mod folding;
mod histories;
mod past;
mod rebuilding;
mod running;
mod sql;
mod story;
