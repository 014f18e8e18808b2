//! DuckDB, as a child that speaks JSON.

use std::{
    collections::{BTreeMap, HashMap},
    process::Stdio,
};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::json;
use tokio::{io::AsyncWriteExt, process::Command};

use super::{Args, data::Stored};

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
    let mut child = Command::new(&args.python)
        .args(["-c", include_str!("duckdb.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} does not start", args.python.display()))?;
    let mut input = child.stdin.take().context("the child has no input")?;
    // A child without the module is gone before it reads: what it says is then the better reason.
    let written = input.write_all(job.to_string().as_bytes()).await;
    drop(input);
    let output = child.wait_with_output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", errors.lines().last().unwrap_or("the child failed"));
    written?;
    Ok(serde_json::from_slice(&output.stdout)?)
}
