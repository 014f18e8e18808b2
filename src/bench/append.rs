//! Commits into the event log, beside plain guarded publishes to the same server.

mod measure;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use weir_infra::{
    log::{JetStreamLog, Options, STREAM},
    nats as connection,
    servers::{Place, nats, programs, secret},
};

use super::{Case, Report, Target};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Numbers of concurrent writers, each on a subject of its own.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256,1024")]
    writers: Vec<usize>,
    /// Seconds to measure each side of each case.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds to split them into; the sides take turns, so that both see the same machine.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// A NATS server without an event log, to use instead of one of its own.
    #[arg(long)]
    nats_url: Option<String>,
    /// Folder with the nats-server program.
    #[arg(long, env = "WEIR_BIN_DIR", default_value = ".weir/bin")]
    bin_dir: PathBuf,
    /// Folder for the measurement's own data, on the disk to measure.
    #[arg(long, default_value = ".weir/bench")]
    scratch: PathBuf,
}

/// Measures and prints.
///
/// # Errors
/// When the server cannot be had, or does not take a write.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(args.rounds > 0 && args.seconds > 0.0, "there must be something to measure");
    ensure!(args.writers.iter().all(|w| *w > 0), "there must be a writer");
    if let Some(url) = &args.nats_url {
        let client = connection::connect(url).await.context("the NATS server does not answer")?;
        let stream = async_nats::jetstream::new(client.clone());
        // Events cannot be taken out of a log again: never measure on somebody's.
        ensure!(stream.get_stream(STREAM).await.is_err(), "there is an event log on that server");
        let report = measure(&client, &args).await;
        stream.delete_stream(STREAM).await.context("the measurement's stream could not be removed")?;
        return report?.print(args.json);
    }
    let folder = args.scratch.join(std::process::id().to_string());
    let place = Place { run: folder.join("run"), logs: folder.join("logs") };
    std::fs::create_dir_all(&place.run).with_context(|| format!("cannot make {}", folder.display()))?;
    let program = programs::NATS.find(&programs::folders(std::slice::from_ref(&args.bin_dir)))?.path;
    let store = folder.join("store");
    let options = nats::Options { program, store, password: Some(secret::generate()), ports: Vec::new() };
    let server = nats::Nats::start(options, place).await?;
    let report = match connection::connect(server.url()).await {
        Ok(client) => measure(&client, &args).await,
        Err(error) => Err(error.into()),
    };
    server.stop().await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    report?.print(args.json)
}

async fn measure(client: &async_nats::Client, args: &Args) -> anyhow::Result<Report> {
    let log = JetStreamLog::connect(client.clone(), Options::default()).await?;
    let jetstream = async_nats::jetstream::new(client.clone());
    let round = Duration::from_secs_f64(args.seconds / f64::from(args.rounds));
    let mut cases = Vec::new();
    for &writers in &args.writers {
        let (mut raw, mut weir) = (measure::Side::default(), measure::Side::default());
        for _ in 0..args.rounds {
            raw.add(measure::raw(&jetstream, writers, round).await?);
            weir.add(measure::weir(&log, writers, round).await?);
        }
        let at = if writers == 1 { "1 writer".to_owned() } else { format!("{writers} writers") };
        let throughput = match writers {
            256.. if writers < 1024 => Some(Target::AtLeast(8.0)),
            1024.. => Some(Target::AtLeast(15.0)),
            _ => None,
        };
        let latency = (writers == 1).then_some(Target::AtMost(1.2));
        let tail = (writers >= 256).then_some(Target::AtMost(1.0));
        let whole = if writers >= 256 {
            Some(measure::batches(client, writers.min(1_000), round).await?)
        } else {
            None
        };
        let pair = |side: fn(&measure::Side) -> f64| (side(&raw), side(&weir));
        let (ceiling, reached) = pair(measure::Side::throughput);
        cases.push(Case::new(format!("throughput, {at}"), "commits/s", ceiling, reached, throughput));
        if let Some(ceiling) = whole {
            let name = format!("throughput, {at}, beside bare batches");
            cases.push(Case::new(name, "commits/s", ceiling, reached, None));
        }
        let (ceiling, reached) = pair(|side| side.percentile(0.5));
        cases.push(Case::new(format!("p50 latency, {at}"), "ms", ceiling, reached, latency));
        let (ceiling, reached) = pair(|side| side.percentile(0.99));
        cases.push(Case::new(format!("p99 latency, {at}"), "ms", ceiling, reached, tail));
    }
    Ok(Report { name: "append", cases, notes: Vec::new() })
}
