//! The projector over a backlog, beside the rows that come of it written without any folding; what a rebuild costs as the
//! log grows; and how soon an event can be read.

pub(super) mod history;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio_util::sync::CancellationToken;
use weir_events::{Commit, EventLog, Position};
use weir_infra::{
    log::{JetStreamLog, Options},
    nats as connection, postgres,
    postgres::Pool,
    servers::{Place, nats, postgres as server, programs, secret},
};
use weir_projector::{Runtime, Schema, projections};

use super::{Case, Report, Target};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Sizes of the log, in events, at which it is folded; the first is the backlog.
    #[arg(long, value_delimiter = ',', default_value = "250000,500000,1000000")]
    events: Vec<u64>,
    /// Commands per second while the time to visibility is measured.
    #[arg(long, default_value_t = 200)]
    commands: u32,
    /// Seconds of that.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
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
/// When the servers cannot be had, or fail.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        args.events.is_sorted() && args.events.first().is_some_and(|n| *n > 0),
        "sizes grow, and are not 0"
    );
    ensure!(args.commands > 0 && args.seconds > 0.0, "there must be something to measure");
    let folder = args.scratch.join(std::process::id().to_string());
    let place = || Place { run: folder.join("run"), logs: folder.join("logs") };
    std::fs::create_dir_all(place().run).with_context(|| format!("cannot make {}", folder.display()))?;
    let folders = programs::folders(std::slice::from_ref(&args.bin_dir));
    let options = nats::Options {
        program: programs::NATS.find(&folders)?.path,
        store: folder.join("store"),
        password: Some(secret::generate()),
        ports: Vec::new(),
    };
    let events = nats::Nats::start(options, place()).await?;
    let options = server::Options {
        program: programs::POSTGRES.find(&folders)?,
        data: std::path::absolute(&folder)?,
        secrets: folder.join("secrets"),
        ports: Vec::new(),
        durable: true,
    };
    let report = match server::Postgres::start(options, place()).await {
        Ok(database) => {
            let report = measure(events.url(), database.url(), &args).await;
            let home = database.home().to_owned();
            database.stop().await;
            // Where it may not lie in the folder, it lies elsewhere.
            let _ = std::fs::remove_dir_all(home);
            report
        }
        Err(error) => Err(error.into()),
    };
    events.stop().await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    report?.print(args.json)
}

async fn measure(events: &str, database: &str, args: &Args) -> anyhow::Result<Report> {
    let log = JetStreamLog::connect(connection::connect(events).await?, Options::default()).await?;
    let log: Arc<dyn EventLog> = Arc::new(log);
    let pool = postgres::connect(database, 8)?;
    postgres::migrate(&pool).await?;
    let all = projections::all();
    let (mut cases, mut told) = (Vec::new(), 0);
    for size in args.events.iter().map(|size| size.next_multiple_of(history::ROUND)) {
        let head = history::tell(&*log, told, size).await?;
        if told == 0 {
            weir_projector::ensure(&pool, &all).await?;
            let took = follow(&log, &pool, head).await?;
            let ceiling = size as f64 / copy(&pool).await?.as_secs_f64();
            let rate = size as f64 / took.as_secs_f64();
            let name = format!("backlog of {size} events");
            cases.push(Case::new(name, "events/s", ceiling, rate, Some(Target::AtLeast(0.7))));
            cases.push(Case::new(
                "the same".to_owned(),
                "events/s",
                None,
                rate,
                Some(Target::Reach(60_000.0)),
            ));
        } else {
            follow(&log, &pool, head).await?;
        }
        told = size;
        let done = weir_projector::rebuild(&log, &pool, &all, &all, |_| {}).await?;
        ensure!(
            done.differences.as_ref().is_some_and(Vec::is_empty),
            "a rebuild differs: {:?}",
            done.differences
        );
        let rate = size as f64 / done.took.as_secs_f64();
        cases.push(Case::new(format!("rebuild of {size} events, compared"), "events/s", None, rate, None));
    }
    let waits = visibility(&log, &pool, told, args).await?;
    for (share, wanted) in [(0.5, 5.0), (0.99, 25.0)] {
        let at =
            waits.get((waits.len() as f64 * share) as usize).or(waits.last()).copied().unwrap_or_default();
        let name = format!("p{:.0} from acknowledged to readable", share * 100.0);
        cases.push(Case::new(name, "ms", wanted, at.as_secs_f64() * 1e3, Some(Target::AtMost(1.0))));
    }
    let notes = vec![
        "ceiling of the backlog: the rows that came of it, copied into equal empty tables".to_owned(),
        format!("ceiling of the last two: what is wanted, at {} commands/s", args.commands),
    ];
    Ok(Report { name: "project", cases, notes })
}

/// Follows the log up to a position; how long that took.
async fn follow(log: &Arc<dyn EventLog>, pool: &Pool, head: Position) -> anyhow::Result<Duration> {
    let runtime = Runtime::new(log.clone(), pool.clone(), projections::all(), Default::default());
    let mut position = runtime.position();
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let running = tokio::spawn(runtime.run(stop.clone()));
    position.wait_for(|p| *p >= head).await?;
    let took = begun.elapsed();
    stop.cancel();
    running.await??;
    Ok(took)
}

/// Copies the read models into tables of the same definition; how long that took.
async fn copy(pool: &Pool) -> anyhow::Result<Duration> {
    let mut client = pool.get().await?;
    let tx = client.transaction().await?;
    let path = Schema::live().path(&projections::all());
    // What is computed from other columns is computed again.
    let tables = "SELECT table_schema::text, table_name::text, string_agg(quote_ident(column_name), ', ')
                  FROM information_schema.columns WHERE table_schema = ANY($1) AND is_generated = 'NEVER'
                  GROUP BY 1, 2 ORDER BY 1, 2";
    let tables = tx.query(tables, &[&path]).await?;
    let (mut make, mut fill) = ("CREATE SCHEMA bench;".to_owned(), String::new());
    for row in &tables {
        let (schema, table, columns): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        make += &format!("CREATE TABLE bench.\"{table}\" (LIKE \"{schema}\".\"{table}\" INCLUDING ALL);");
        fill += &format!(
            "INSERT INTO bench.\"{table}\" ({columns}) SELECT {columns} FROM \"{schema}\".\"{table}\";"
        );
    }
    tx.batch_execute(&make).await?;
    let begun = Instant::now();
    tx.batch_execute(&fill).await?;
    let took = begun.elapsed();
    tx.rollback().await?;
    Ok(took)
}

/// How long events take from the acknowledgement until they can be read, the shortest first.
async fn visibility(
    log: &Arc<dyn EventLog>,
    pool: &Pool,
    from: u64,
    args: &Args,
) -> anyhow::Result<Vec<Duration>> {
    let runtime = Runtime::new(log.clone(), pool.clone(), projections::all(), Default::default());
    let position = runtime.position();
    let stop = CancellationToken::new();
    let running = tokio::spawn(runtime.run(stop.clone()));
    let head = log.head().await?;
    position.clone().wait_for(|p| *p >= head).await?;
    let mut every = tokio::time::interval(Duration::from_secs_f64(1.0 / f64::from(args.commands)));
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..(args.seconds * f64::from(args.commands)) as u64 {
        every.tick().await;
        let (log, mut position) = (log.clone(), position.clone());
        asked.spawn(async move {
            let appended = log.append(Commit::new().event(history::event(from + n))).await?;
            let acknowledged = Instant::now();
            position.wait_for(|p| *p >= appended.last).await?;
            anyhow::Ok(acknowledged.elapsed())
        });
    }
    let mut waits = Vec::new();
    while let Some(wait) = asked.join_next().await {
        waits.push(wait??);
    }
    waits.sort_unstable();
    stop.cancel();
    running.await??;
    Ok(waits)
}
