//! A CSV file to a table with its profile, beside DuckDB's plain copy of it into Parquet.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use flate2::read::MultiGzDecoder;
use object_store::local::LocalFileSystem;
use serde::Deserialize;
use serde_json::json;
use weir_engine::{Config, Engine, ingest::ReadOptions};

use super::{Case, Report, Target, process, python};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// A CSV file with a header, packed with gzip or not, whose rows are repeated.
    #[arg(long, default_value = "samples/nycflights13/flights.csv.gz")]
    file: PathBuf,
    /// The file is repeated until there are as many MiB.
    #[arg(long, default_value_t = 512)]
    mib: u64,
    /// Rounds, of which the best counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Threads that DuckDB has.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The Python program to look for DuckDB in.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Folder for the measurement's data, which does not stay.
    #[arg(long, default_value = ".weir/bench")]
    scratch: PathBuf,
}

/// What DuckDB reached.
#[derive(Debug, Deserialize)]
struct Duck {
    version: String,
    seconds: f64,
    processor: f64,
    rows: u64,
    peak: f64,
}

/// Measures and prints.
///
/// # Errors
/// When the data cannot be made, or the file is rejected.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(args.rounds > 0 && args.threads > 0 && args.mib > 0, "there must be something to measure");
    let folder = args.scratch.join(std::process::id().to_string());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let report = measure(&args, &folder.canonicalize()?).await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    report?.print(args.json)
}

async fn measure(args: &Args, folder: &Path) -> anyhow::Result<Report> {
    let source = folder.join("rows.csv");
    let bytes = repeat(&args.file, &source, args.mib << 20)
        .with_context(|| format!("cannot repeat {}", args.file.display()))?;
    let megabytes = bytes as f64 / 1e6;

    // Before Weir, so that both find the file in the system's memory.
    let job = json!({
        "threads": args.threads,
        "rounds": args.rounds,
        "source": source,
        "target": folder.join("duckdb.parquet"),
    });
    let duck: anyhow::Result<Duck> = python::run(&args.python, include_str!("ingest/duckdb.py"), &job).await;

    let engine = Engine::new(Arc::new(LocalFileSystem::new_with_prefix(folder)?), Config::default())?;
    let mut notes = vec![format!(
        "{megabytes:.0} MB of {}, best of {}; Weir finds the types and makes the profile too",
        args.file.display(),
        args.rounds
    )];
    let mut best: Option<(Duration, Option<Duration>)> = None;
    process::forget_peak();
    for round in 0..args.rounds {
        let (begun, before) = (Instant::now(), process::processor());
        let table = format!("table-{round}");
        let ingested = engine.ingest("rows.csv", &table, &ReadOptions::default(), |_| {}).await?;
        let took = begun.elapsed();
        let processor = process::processor().zip(before).map(|(after, before)| after - before);
        std::fs::remove_file(folder.join(&table))?;
        if let Ok(duck) = &duck {
            ensure!(ingested.rows == duck.rows, "{} rows, and {} in DuckDB", ingested.rows, duck.rows);
        }
        if best.is_none_or(|(least, _)| took < least) {
            best = Some((took, processor));
        }
    }
    let (took, processor) = best.context("nothing was measured")?;

    let mut cases = Vec::new();
    let duck = match duck {
        Ok(duck) => {
            notes.push(format!("ceiling: DuckDB {} with {} threads", duck.version, args.threads));
            Some(duck)
        }
        Err(error) => {
            notes.push(format!("no ceiling: DuckDB could not be measured: {error:#}"));
            None
        }
    };
    let speed = |seconds: f64| megabytes / seconds;
    let wall = duck.as_ref().map(|duck| speed(duck.seconds));
    cases.push(Case::new("on all cores".to_owned(), "MB/s", wall, speed(took.as_secs_f64()), None));
    if let Some(processor) = processor {
        let ceiling = duck.as_ref().map(|duck| speed(duck.processor));
        let reached = speed(processor.as_secs_f64());
        let wanted = Some(Target::Reach(80.0));
        cases.push(Case::new("per core".to_owned(), "MB/s", ceiling, reached, wanted));
    }
    if let Some(peak) = process::peak() {
        let ceiling = duck.as_ref().map(|duck| duck.peak);
        cases.push(Case::new(
            "peak memory".to_owned(),
            "MiB",
            ceiling,
            peak as f64 / f64::from(1 << 20),
            None,
        ));
    }
    Ok(Report { name: "ingest", cases, notes })
}

/// Writes the rows of a CSV file again and again below one header, until there are so many bytes.
fn repeat(from: &Path, to: &Path, least: u64) -> anyhow::Result<u64> {
    let mut file = BufReader::new(File::open(from)?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let mut text = Vec::new();
    if packed {
        MultiGzDecoder::new(file).read_to_end(&mut text)?;
    } else {
        file.read_to_end(&mut text)?;
    }
    let header = text.iter().position(|b| *b == b'\n').context("it has one line only")? + 1;
    ensure!(text.len() > header, "it has a header only");
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let mut out = BufWriter::new(File::create(to)?);
    let mut bytes = header as u64;
    out.write_all(&text[..header])?;
    while bytes < least {
        out.write_all(&text[header..])?;
        bytes += (text.len() - header) as u64;
    }
    out.flush()?;
    Ok(bytes)
}
