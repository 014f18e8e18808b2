//! TPC-H queries over tables of Weir's, beside DuckDB over the same files on as many threads.
//!
//! The tables have the types that they would have had as CSV files: integers, 64-bit floats for what
//! TPC-H has as decimals, dates and text. They are written as the engine writes its own.

mod data;
mod duckdb;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use object_store::local::LocalFileSystem;
use weir_engine::{
    Config, Engine,
    sql::{Limits, Table, parse},
};

use super::{Case, Report, Target};

/// The queries, by the number that TPC-H gives them.
const QUERIES: [(&str, &str); 9] = [
    ("Q1", include_str!("query/sql/q01.sql")),
    ("Q3", include_str!("query/sql/q03.sql")),
    ("Q5", include_str!("query/sql/q05.sql")),
    ("Q6", include_str!("query/sql/q06.sql")),
    ("Q10", include_str!("query/sql/q10.sql")),
    ("Q12", include_str!("query/sql/q12.sql")),
    ("Q14", include_str!("query/sql/q14.sql")),
    ("Q18", include_str!("query/sql/q18.sql")),
    ("Q19", include_str!("query/sql/q19.sql")),
];

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Scale of the data: 1 is six million order lines.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Rounds of each query, of which the best counts.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Threads that DuckDB has, and parts that Weir splits a query into.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Memory of one query of Weir's, in MiB.
    #[arg(long, default_value_t = 256)]
    memory: usize,
    /// Only these queries, such as Q1.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The Python program to look for DuckDB in.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Folder with the measurement's data, which is made if it is not there and then stays.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Folder for data that does not stay.
    #[arg(long, default_value = ".weir/bench")]
    scratch: PathBuf,
}

/// Measures and prints.
///
/// # Errors
/// When the data cannot be made, or a query fails.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(args.rounds > 0 && args.threads > 0, "there must be something to measure");
    ensure!(args.scale > 0.0, "there must be data");
    let passing = args.scratch.join(std::process::id().to_string());
    let folder = args.keep.clone().unwrap_or_else(|| passing.clone());
    let report = measure(&args, &folder).await;
    if args.keep.is_none() {
        std::fs::remove_dir_all(&passing).with_context(|| format!("cannot remove {}", passing.display()))?;
    }
    report?.print(args.json)
}

async fn measure(args: &Args, folder: &std::path::Path) -> anyhow::Result<Report> {
    let blobs = folder.join("blobs");
    std::fs::create_dir_all(&blobs).with_context(|| format!("cannot make {}", blobs.display()))?;
    let blobs = blobs.canonicalize()?;
    let tables = data::tables(&blobs, args.scale).await?;
    let queries: Vec<_> = QUERIES
        .into_iter()
        .filter(|(name, _)| args.only.is_empty() || args.only.iter().any(|only| only == name))
        .collect();

    let mut notes = vec![format!(
        "scale {}, {} threads, {} MiB a query, best of {}",
        args.scale, args.threads, args.memory, args.rounds
    )];
    let ceiling = match duckdb::measure(args, &tables, &queries).await {
        Ok(outcome) => {
            notes.push(format!("ceiling: DuckDB {} over the same files", outcome.version));
            Some(outcome)
        }
        Err(error) => {
            notes.push(format!("no ceiling: DuckDB could not be measured: {error:#}"));
            None
        }
    };

    let config = Config {
        memory_bytes: args.memory << 20,
        spill_dir: folder.join("spill"),
        target_partitions: args.threads,
        ..Config::default()
    };
    let engine = Engine::new(Arc::new(LocalFileSystem::new_with_prefix(&blobs)?), config)?;
    let limits = Limits { time: Duration::from_secs(600), memory: args.memory << 20, ..Limits::default() };
    let tables: Vec<Table> = tables.iter().map(|table| Table::new(table.name, table.key())).collect();
    let mut cases = Vec::new();
    for (name, sql) in queries {
        let mut best = f64::INFINITY;
        for _ in 0..args.rounds {
            let begun = Instant::now();
            let answer = engine
                .query(&parse(sql)?, &tables, &limits)
                .await
                .with_context(|| format!("{name} failed"))?;
            best = best.min(begun.elapsed().as_secs_f64());
            if let Some(rows) = ceiling.as_ref().and_then(|c| c.rows.get(name)) {
                ensure!(answer.rows == *rows, "{name} has {} rows, and {rows} in DuckDB", answer.rows);
            }
        }
        let duck = ceiling.as_ref().and_then(|c| c.seconds.get(name)).map(|seconds| seconds * 1e3);
        cases.push(Case::new(name.to_owned(), "ms", duck, best * 1e3, Some(Target::AtMost(1.3))));
    }
    Ok(Report { name: "query", cases, notes })
}
