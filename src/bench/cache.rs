//! Results in their three tiers: how many questions each answers and how fast, beside answers from memory alone. Every
//! answer is held against one that was computed without any cache.

mod stage;
mod trace;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use weir_events::DatasetId;
use weir_infra::{
    nats as connection,
    servers::{Place, nats, programs, redis, secret},
};

use self::{
    stage::Stage,
    trace::{Step, TABLES},
};
use super::{Case, Report, Target};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Questions to ask.
    #[arg(long, default_value_t = 2_000)]
    queries: usize,
    /// New versions of tables in between.
    #[arg(long, default_value_t = 20)]
    uploads: usize,
    /// What chance begins with: the same gives the same trace.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Print the trace as it is done, with the tier that answered.
    #[arg(long)]
    trace: bool,
    /// Memory for results in each process, in bytes: so little that most are pushed out.
    #[arg(long, default_value_t = 64 << 10)]
    memory: u64,
    /// Folder with the nats-server and redis-server programs.
    #[arg(long, env = "WEIR_BIN_DIR", default_value = ".weir/bin")]
    bin_dir: PathBuf,
    /// Folder for the measurement's own data, on the disk to measure.
    #[arg(long, default_value = ".weir/bench")]
    scratch: PathBuf,
}

/// Measures and prints.
///
/// # Errors
/// When the servers cannot be had, a question fails, or an answer is stale.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(args.queries > 0, "there must be something to ask");
    let folder = args.scratch.join(std::process::id().to_string());
    let place = Place { run: folder.join("run"), logs: folder.join("logs") };
    std::fs::create_dir_all(&place.run).with_context(|| format!("cannot make {}", folder.display()))?;
    let folders = programs::folders(std::slice::from_ref(&args.bin_dir));
    let program = programs::NATS.find(&folders)?.path;
    let options = nats::Options {
        program,
        store: folder.join("store"),
        password: Some(secret::generate()),
        ports: Vec::new(),
    };
    let server = nats::Nats::start(options, place.clone()).await?;
    let shared = match programs::redis(&folders) {
        Some(found) => {
            let options = redis::Options { program: found.path, ports: Vec::new() };
            Some(redis::Redis::start(options, place).await?)
        }
        None => {
            eprintln!("There is no redis-server or valkey-server: tier 2 is left out.");
            None
        }
    };
    let report = measure(&args, &folder, server.url(), shared.as_ref().map(redis::Redis::url)).await;
    if let Some(shared) = shared {
        shared.stop().await;
    }
    server.stop().await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    report?.print(args.json)
}

/// Times to answers in milliseconds, by the tier that had them; `None` were computed.
type Times = BTreeMap<Option<u8>, Vec<f64>>;

async fn measure(args: &Args, folder: &Path, nats: &str, shared: Option<String>) -> anyhow::Result<Report> {
    let client = connection::connect(nats).await?;
    let steps = trace::trace(args.seed, args.queries, args.uploads);
    eprintln!("seed {}, {} steps; --trace prints them", args.seed, steps.len());
    let mut stage = Stage::set(client, folder, shared.clone(), args.memory).await?;
    let mut versions: Vec<(DatasetId, u32)> = Vec::new();
    for (n, name) in TABLES.iter().enumerate() {
        versions.push((stage.upload(None, name, 1, trace::table(args.seed, n, 1)).await?, 1));
    }
    let (mut times, mut seen, mut stale) = (Times::new(), HashSet::new(), 0_u32);
    for (n, step) in steps.iter().enumerate() {
        let mut remark = String::new();
        match step {
            Step::Join => stage.join().await?,
            Step::Restart => stage.restart(stage.processes.len()).await?,
            Step::Flush => flush(shared.as_deref()).await?,
            Step::Upload { table } => {
                let (id, version) = &mut versions[*table];
                *version += 1;
                let text = trace::table(args.seed, *table, *version);
                stage.upload(Some(*id), TABLES[*table], *version, text).await?;
            }
            Step::Ask { process, sql } => {
                let run = stage.ask(*process, sql).await?;
                let right = stage.uncached(sql).await?;
                let answer = &run.ran.kept.answer;
                if (&answer.hash, answer.truncated) != (&right.hash, right.truncated) {
                    stale += 1;
                    eprintln!("step {n}: a wrong answer from tier {:?} to {sql}", run.ran.tier);
                }
                let sources: Vec<_> = run.ran.sources.iter().map(|s| (s.id, s.version)).collect();
                seen.insert((sql.clone(), sources));
                times.entry(run.ran.tier).or_default().push(run.elapsed_ms);
                remark = match run.ran.tier {
                    Some(tier) => format!(" -> tier {tier}, {:.2} ms", run.elapsed_ms),
                    None => format!(" -> computed, {:.2} ms", run.elapsed_ms),
                };
            }
        }
        if args.trace {
            eprintln!("{n} {step}{remark}");
        }
    }
    ensure!(stale == 0, "{stale} answers were not those of an uncached run");
    Ok(report(args.queries, seen.len(), &times))
}

async fn flush(shared: Option<&str>) -> anyhow::Result<()> {
    if let Some(url) = shared {
        weir_infra::cache::flush(url).await.context("the shared cache could not be emptied")?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count of queries is far below 2^52")]
fn report(asked: usize, distinct: usize, times: &Times) -> Report {
    let share = |count: usize| count as f64 / asked as f64 * 100.0;
    let of = |tier: Option<u8>| times.get(&tier).map_or(0, Vec::len);
    // A cache that never lost anything would compute each question once per content.
    let best = share(asked.saturating_sub(distinct));
    let hits = share(asked - of(None));
    let mut cases = vec![
        Case::new(
            "answers equal to an uncached run".to_owned(),
            "answers",
            asked as f64,
            asked as f64,
            Some(Target::AtLeast(1.0)),
        ),
        Case::new(
            "hits, beside the 70 % that are wanted".to_owned(),
            "%",
            70.0,
            hits,
            Some(Target::AtLeast(1.0)),
        ),
        Case::new("hits, beside a cache that loses nothing".to_owned(), "%", best, hits, None),
    ];
    for tier in 1..=3 {
        cases.push(Case::new(format!("hits of tier {tier}"), "%", best, share(of(Some(tier))), None));
    }
    let sorted: HashMap<_, Vec<f64>> = times
        .iter()
        .map(|(tier, times)| {
            let mut times = times.clone();
            times.sort_unstable_by(f64::total_cmp);
            (*tier, times)
        })
        .collect();
    for (part, name) in [(50, "p50"), (99, "p99")] {
        let at = |tier| {
            sorted.get(&tier).and_then(|times: &Vec<f64>| times.get(times.len() * part / 100)).copied()
        };
        let Some(memory) = at(Some(1)) else { continue };
        for tier in [Some(1), Some(2), Some(3), None] {
            if let Some(time) = at(tier) {
                let from = tier.map_or("computed".to_owned(), |tier| format!("tier {tier}"));
                cases.push(Case::new(format!("{name} latency, {from}"), "ms", memory, time, None));
            }
        }
    }
    Report { name: "cache", cases, notes: Vec::new() }
}
