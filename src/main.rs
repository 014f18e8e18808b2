//! The `weir` program: one binary, a subcommand per role.
//!
//! This is the only place where adapters are constructed. Each role has a file; `servers.rs` says where NATS and
//! PostgreSQL are, `parts.rs` connects to them, `web.rs` serves HTTP, `lifecycle.rs` ends it all in order.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]
#![expect(clippy::disallowed_methods, reason = "the binary hands out the clock, and measures")]

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

mod bench;
mod command;
mod doctor;
mod events;
mod import_archive;
mod lifecycle;
mod migrate;
mod openapi;
mod parts;
mod past;
mod projector;
mod query_api;
mod rebuild;
mod servers;
mod settings;
mod up;
mod web;

/// The system's allocator locks when many tasks allocate what other threads free, as writers to the log do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use lifecycle::Signals;
use settings::{Options, Settings};

/// What is set like the other options, but not by a flag.
const SECRETS: &str = "WEIR_SIGNING_KEY, or signing_key in the file, is the secret of at least 32 bytes that signs access \
    tokens [default: generated into the data folder]. WEIR_MODEL_KEY, or model_key in the file, is the key of the language \
    model's provider. They are no flags: everyone on the machine can read those.";

/// A self-hosted analytics workspace whose every action is an event.
#[derive(Parser)]
#[command(version, propagate_version = true, after_help = SECRETS)]
struct Cli {
    #[command(subcommand)]
    role: Role,
    /// Settings file in TOML, with the options' names as keys [default: weir.toml in the data folder, or here]
    #[arg(long, global = true, env = "WEIR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Role {
    /// Run everything: the servers as children where none are given, projector, API
    Up,
    /// Run the write side only, against given servers
    Command,
    /// Keep the read models up to date only, against given servers
    Projector,
    /// Run the read side only, against given servers
    QueryApi,
    /// Bring the database to this version's schema
    Migrate,
    /// Fold read models anew from the event log, and say whether they were equal; the old ones serve until then
    Rebuild(rebuild::Args),
    /// Compare the read models with a fresh fold of the event log; they serve, and go on, meanwhile
    Verify(rebuild::Args),
    /// Look at the event log, or export a workspace's events
    Events(events::Args),
    /// Fill an empty event log from the archive, every event at the position that it had
    ImportArchive,
    /// Measure Weir beside what it is built on
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Print versions, addresses, what is reachable and what is degraded
    Doctor,
    /// Print the API's OpenAPI document
    Openapi,
    /// Print the AsyncAPI document of the event stream
    Asyncapi(openapi::Events),
}

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // For people, wherever the logs go.
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if matches!(cli.role, Role::Openapi) {
        return openapi::run();
    }
    if let Role::Asyncapi(events) = &cli.role {
        return events.run();
    }
    let signing_key = settings::secret_in_environment("WEIR_SIGNING_KEY");
    let model_key = settings::secret_in_environment("WEIR_MODEL_KEY");
    let options = Options { signing_key, model_key, ..cli.options };
    let mut settings = Settings::resolve(options, cli.config.as_deref())?;
    let serves = matches!(cli.role, Role::Up | Role::Command | Role::Projector | Role::QueryApi);
    if !serves && settings.telemetry.level == settings::LOG_LEVEL {
        // A short command answers on standard output; what went on while it did is of no interest.
        "warn".clone_into(&mut settings.telemetry.level);
    }
    weir_infra::telemetry::init(&settings.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        match cli.role {
            Role::Up => up::run(&settings, &mut signals).await,
            Role::Command => command::run(&settings, &mut signals).await,
            Role::Projector => projector::run(&settings, &mut signals).await,
            Role::QueryApi => query_api::run(&settings, &mut signals).await,
            Role::Migrate => migrate::run(&settings, &mut signals).await,
            Role::Rebuild(args) => {
                rebuild::run(&settings, args, rebuild::Purpose::Rebuild, &mut signals).await
            }
            Role::Verify(args) => rebuild::run(&settings, args, rebuild::Purpose::Verify, &mut signals).await,
            Role::Events(args) => events::run(&settings, args, &mut signals).await,
            Role::ImportArchive => import_archive::run(&settings, &mut signals).await,
            Role::Bench(bench) => signals.interruptible(bench.run()).await,
            Role::Doctor => doctor::run(&settings, &mut signals).await,
            Role::Openapi | Role::Asyncapi(_) => Ok(()),
        }
    })
}
