//! The dashboard over HTTP, beside the same bytes served by the same HTTP server with nothing around them: from memory,
//! from the database, and while workspaces change all the time.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, ensure};
use bytes::Bytes;
use uuid::Uuid;
use weir_events::{Commit, EventLog, UserId};
use weir_infra::{
    auth::{SessionId, SigningKey, Tokens},
    log::{JetStreamLog, Options},
    nats,
};

use super::{
    Case, Report, Target,
    load::{self, Answer, Check, Load, Times},
    project::history,
    server::Weir,
};
use crate::servers::Runtime;

/// What is asked for.
const PATH: &str = "/api/v1/dashboard";

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Connections, each of which asks again as soon as it has its answer.
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// Times that each is measured, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Events of what can be read, those of 1,000 workspaces.
    #[arg(long, default_value_t = 20_000)]
    events: u64,
    /// Events per second, of workspaces at random, while workspaces change.
    #[arg(long, default_value_t = 200)]
    commands: u32,
    /// Folder with the programs of the servers.
    #[arg(long, env = "WEIR_BIN_DIR", default_value = ".weir/bin")]
    bin_dir: PathBuf,
    /// Folder for the measurement's own data, on the disk to measure.
    #[arg(long, default_value = ".weir/bench")]
    scratch: PathBuf,
}

/// Measures and prints.
///
/// # Errors
/// When Weir or its servers do not start, or an answer is not the right one.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        args.connections > 0 && args.rounds > 0 && args.seconds > 0.0,
        "there must be something to measure"
    );
    let folder = args.scratch.join(std::process::id().to_string());
    let data = std::path::absolute(folder.join("data"))?;
    let weir = Weir::start(&args.bin_dir, &folder, &data).await?;
    let report = measure(&args, &weir, &data).await;
    weir.stop().await?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    report?.print(args.json)
}

async fn measure(args: &Args, weir: &Weir, data: &Path) -> anyhow::Result<Report> {
    let running = Runtime::running(data).context("weir up says nothing of itself")?;
    let log = JetStreamLog::connect(nats::connect(&running.nats_url).await?, Options::default()).await?;
    let head = history::tell(&log, 0, args.events.next_multiple_of(history::ROUND)).await?;
    let tokens = Tokens::new(&SigningKey::from_file_or_generate(&data.join("secrets/signing-key"))?);
    let ask = |n: u64, more: &str| {
        let (user, session) = (UserId(Uuid::from_u128(n.into())), SessionId(Uuid::from_u128(n.into())));
        let (token, _) = tokens.issue(user, history::workspace(n), session, chrono::Utc::now())?;
        let host = weir.address;
        anyhow::Ok(Bytes::from(format!(
            "GET {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
        )))
    };
    let all = |more: &str| (0..history::WORKSPACES).map(|n| ask(n, more)).collect::<anyhow::Result<Vec<_>>>();
    // Everybody's events are there.
    let there = ask(0, &format!("Weir-Min-Position: {head}\r\n"))?;
    let first = loop {
        let answer = load::ask(weir.address, &there).await?;
        match answer.status {
            200 => break answer,
            503 => tokio::time::sleep(Duration::from_millis(100)).await,
            status => anyhow::bail!("the dashboard answers {status}: {}", answer.text()),
        }
    };
    weir.rest().await;
    let bare = bare(&first)?;
    let load = Load { connections: args.connections, time: Duration::from_secs_f64(args.seconds) };
    let same = Check::Equal(first.body.clone());
    let one = Arc::new(vec![ask(0, "")?]);
    let (mut fixed, mut kept) = (Times::default(), Times::default());
    for _ in 0..args.rounds {
        fixed.add(load.run(bare.address, &one, &same).await?);
        kept.add(load.run(weir.address, &one, &same).await?);
    }
    bare.handle.stop(false).await;

    // Everybody's own: a dataset's name has the workspace's number in it.
    let own = Check::Holds((0..history::WORKSPACES).map(|n| format!("\"flights {n}\"")).collect());
    let (anew, asked) = (Arc::new(all("Cache-Control: no-cache\r\n")?), Arc::new(all("")?));
    let (mut read, mut changing) = (Times::default(), Times::default());
    let mut told = args.events.next_multiple_of(history::ROUND);
    for _ in 0..args.rounds {
        read.add(load.run(weir.address, &anew, &own).await?);
        changing
            .add(while_changing(&log, args.commands, &mut told, load.run(weir.address, &asked, &own)).await?);
    }
    Ok(report(args, &first, [fixed, kept, read, changing]))
}

/// Runs it while events of workspaces at random are appended.
async fn while_changing(
    log: &JetStreamLog,
    commands: u32,
    told: &mut u64,
    load: impl Future<Output = anyhow::Result<Times>>,
) -> anyhow::Result<Times> {
    tokio::pin!(load);
    let mut every = tokio::time::interval(Duration::from_secs_f64(1.0 / f64::from(commands.max(1))));
    loop {
        tokio::select! {
            done = &mut load => return done,
            _ = every.tick() => {
                // As good as random, and the same in each run; only answers to queries.
                let at = told.wrapping_mul(0x9e37_79b9) % (history::WORKSPACES * 4) * history::ROUND;
                *told += history::ROUND * history::WORKSPACES * 4;
                log.append(Commit::new().event(history::event(*told + at + 5))).await?;
            }
        }
    }
}

/// The same HTTP server with one answer that is always the same, and nothing else.
struct Bare {
    address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
}

fn bare(answer: &Answer) -> anyhow::Result<Bare> {
    let headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["content-length", "date", "connection"].contains(&name.as_str()))
        .cloned()
        .collect();
    let body = answer.body.clone();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let server = HttpServer::new(move || {
        let (headers, body) = (headers.clone(), body.clone());
        App::new().route(
            PATH,
            web::get().to(move || {
                let mut response = HttpResponse::Ok();
                for (name, value) in &headers {
                    response.insert_header((name.as_str(), value.as_str()));
                }
                std::future::ready(response.body(body.clone()))
            }),
        )
    })
    .workers(workers)
    .disable_signals()
    .bind(("127.0.0.1", 0))?;
    let address = *server.addrs().first().context("the bare server has no address")?;
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Bare { address, handle })
}

fn report(args: &Args, first: &Answer, times: [Times; 4]) -> Report {
    let [fixed, kept, read, changing] = times;
    let rate = |times: &Times| times.count() as f64 / (f64::from(args.rounds) * args.seconds);
    let mut cases = vec![Case::new(
        "kept answers, beside a fixed one".to_owned(),
        "answers/s",
        rate(&fixed),
        rate(&kept),
        Some(Target::AtLeast(0.5)),
    )];
    for (what, share, wanted) in [("p50", 0.5, None), ("p99", 0.99, Some(10.0)), ("p99.9", 0.999, None)] {
        cases.push(Case::new(format!("{what} of them"), "ms", fixed.at(share), kept.at(share), None));
        if let Some(wanted) = wanted {
            let name = format!("{what} of them, beside what is wanted");
            cases.push(Case::new(name, "ms", wanted, kept.at(share), Some(Target::AtMost(1.0))));
        }
    }
    for (what, times) in [
        ("of 1,000 workspaces, read anew".to_owned(), &read),
        (format!("of 1,000 workspaces, {} events/s", args.commands), &changing),
    ] {
        cases.push(Case::new(what.clone(), "answers/s", None, rate(times), None));
        for (share, name) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
            cases.push(Case::new(format!("{name} {what}"), "ms", None, times.at(share), None));
        }
        cases.push(Case::new(format!("kept ones {what}"), "%", None, times.kept() * 100.0, None));
    }
    let size = first.body.len() + first.head;
    let notes = vec![
        format!(
            "{} connections, {size} bytes to an answer, {} of them body; every body was checked",
            args.connections,
            first.body.len()
        ),
        "who asks shares the processors with who answers".to_owned(),
    ];
    Report { name: "read", cases, notes }
}
