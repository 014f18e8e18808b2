//! DuckDB over the same files.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::json;

use super::{super::python, Args, data::Stored};

/// What DuckDB reached.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    pub(super) version: String,
    /// The best time of each query.
    pub(super) seconds: HashMap<String, f64>,
    /// How many rows each answer has.
    pub(super) rows: HashMap<String, u64>,
}

/// Runs the queries in DuckDB.
///
/// # Errors
/// When there is no DuckDB, or a query fails there.
pub(super) async fn measure(
    args: &Args,
    tables: &[Stored],
    queries: &[(&str, &str)],
) -> anyhow::Result<Outcome> {
    let tables: BTreeMap<_, _> = tables.iter().map(|table| (table.name, &table.path)).collect();
    let queries: BTreeMap<_, _> = queries.iter().copied().collect();
    let job = json!({ "threads": args.threads, "rounds": args.rounds, "tables": tables, "queries": queries });
    python::run(&args.python, include_str!("duckdb.py"), &job).await
}
