//! The embedded nats-server: JetStream on the loopback address, synced to disk before every answer.

use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::Signal;
use tokio::{process::Command, sync::watch};

use super::{Place, Server, StartError, Supervisor, leftover, port, secret};
use crate::grants;

/// The port that NATS clients expect.
pub const STANDARD_PORT: u16 = 4222;
/// The largest message, in bytes. Events are small; this leaves room for a dataset of very many columns.
pub const MAX_PAYLOAD: usize = 4 << 20;
const USER: &str = "weir";
const NAME: &str = "nats-server";
/// Accounts of grants, beside the server's configuration, which includes it.
const GRANTS: &str = "nats-grants.conf";

/// How to run the embedded server.
#[derive(Debug, Clone)]
pub struct Options {
    /// The nats-server program.
    pub program: PathBuf,
    /// Folder of the streams.
    pub store: PathBuf,
    /// The password of the user `weir`, whom clients must be; without one anyone on this machine may be a client.
    pub password: Option<String>,
    /// Ports to prefer, in order; any free one if all are taken.
    pub ports: Vec<u16>,
}

/// Why the embedded server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process did not start or serve.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its files could not be written, or no port found.
    #[error("nats-server: cannot prepare its start: {0}")]
    Io(#[from] io::Error),
    /// An older Weir, which keeps its streams elsewhere, ran on a folder that this one had used.
    #[error(
        "nats-server: there are two event logs, {} and {}: an older version of Weir has run here since; \
         move away the one that is not wanted", of.display(), old.display()
    )]
    Two {
        /// Where this version keeps its streams.
        of: PathBuf,
        /// Where versions without grants kept theirs.
        old: PathBuf,
    },
}

/// A running nats-server.
#[derive(Debug)]
pub struct Nats {
    supervisor: Supervisor,
    url: String,
    port: u16,
}

impl Nats {
    /// Starts it and waits until JetStream answers.
    ///
    /// # Errors
    /// When it cannot be started; what an earlier run left behind never is a reason.
    pub async fn start(options: Options, place: Place) -> Result<Self, Error> {
        std::fs::create_dir_all(&options.store)?;
        let config = std::path::absolute(place.run.join("nats-server.conf"))?;
        if !place.run.join(GRANTS).exists() {
            write_grants(&place.run, &[])?;
        }
        let mut process = Process {
            name: String::new(),
            program: options.program.clone(),
            config: config.clone(),
            address: String::new(),
            password: options.password.clone(),
        };
        // What a killed Weir left behind holds the port that clients know, and may still write.
        leftover::stop(&process, &place.run).await;
        take_over(&options.store)?;
        let mut ports = options.ports.clone();
        let mut tries = 0;
        loop {
            let port = port::choose(&ports)?;
            // Tells this start of the server from any other that may hold the port.
            let name = format!("weir-{}", &secret::generate()[..16]);
            secret::write(&config, configuration(&options, &name, port).as_bytes())?;
            process = Process { name, address: format!("127.0.0.1:{port}"), ..process };
            match Supervisor::start(Arc::new(process.clone()), place.clone()).await {
                Ok(supervisor) => {
                    let url = match &options.password {
                        Some(password) => format!("nats://{USER}:{password}@127.0.0.1:{port}"),
                        None => format!("nats://127.0.0.1:{port}"),
                    };
                    return Ok(Self { supervisor, url, port });
                }
                // Somebody took the port between the look and the start.
                Err(error) if tries < 5 && error.says(&["address already in use"]) => {
                    tries += 1;
                    ports.clear();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Where clients connect, with the password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on the loopback address; stays the same across restarts of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id, see [`Supervisor::pid`].
    pub fn pid(&self) -> watch::Receiver<Option<u32>> {
        self.supervisor.pid()
    }

    /// Stops it in order.
    pub async fn stop(self) {
        self.supervisor.stop().await;
    }
}

/// Writes which grants the server lets in. It reads that when it starts, and at a [`reload`].
///
/// # Errors
/// When the file cannot be written; what was there before is there still.
pub fn write_grants(run: &Path, all: &[grants::Grant]) -> io::Result<()> {
    let mut text = String::from("# Written by `weir events grant` and `revoke`.\n");
    for grant in all {
        text.push_str(&grants::account(grant));
    }
    secret::write(&run.join(GRANTS), text.as_bytes())
}

/// Tells the server that runs to read its configuration again; one that is down reads it when it starts.
///
/// An account that is new to the server works from the second reading on: at the first it is made, and only accounts
/// that are there already get what they import (as of nats-server 2.15).
pub fn reload(run: &Path) {
    if let Some(server) = leftover::noted(run, NAME) {
        leftover::signal(server.pid, Signal::HUP);
    }
}

/// Before there were grants, Weir's streams belonged to the account that every server has, which cannot share anything
/// with others. A server keeps an account's streams in a folder of its name, and nothing in there names the account.
fn take_over(store: &Path) -> Result<(), Error> {
    let (old, of) = (store.join("jetstream/$G"), store.join("jetstream").join(grants::WEIR_ACCOUNT));
    let streams = std::fs::read_dir(old.join("streams"));
    if !streams.is_ok_and(|mut streams| streams.next().is_some()) {
        return Ok(());
    }
    if of.exists() {
        return Err(Error::Two { of, old });
    }
    std::fs::rename(&old, &of)?;
    std::fs::File::open(store.join("jetstream"))?.sync_all()?;
    tracing::info!(from = %old.display(), to = %of.display(), "moved the event log");
    Ok(())
}

fn configuration(options: &Options, name: &str, port: u16) -> String {
    let mut text = String::from("# Written by Weir at every start.\n");
    let store = options.store.display().to_string();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "server_name: {name}\n\
         listen: \"127.0.0.1:{port}\"\n\
         max_payload: {MAX_PAYLOAD}\n\
         jetstream {{\n  \
           store_dir: {store}\n  \
           # The default, every two minutes, loses acknowledged events when the power fails.\n  \
           sync_interval: always\n\
         }}\n\
         accounts {{\n  \
           {account} {{\n    \
             jetstream: enabled\n    \
             users: [ {{ user: {USER}, password: {password} }} ]\n    \
             {exports}  \
           }}\n  \
           include \"{GRANTS}\"\n\
         }}\n",
        store = quoted(&store),
        account = grants::WEIR_ACCOUNT,
        password = quoted(options.password.as_ref().unwrap_or(&secret::generate())),
        exports = grants::exports().replace('\n', "\n    ").trim_end_matches(' '),
    );
    if options.password.is_none() {
        let _ = writeln!(text, "no_auth_user: {USER}");
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[derive(Clone)]
struct Process {
    program: PathBuf,
    config: PathBuf,
    address: String,
    password: Option<String>,
    name: String,
}

#[async_trait]
impl Server for Process {
    fn name(&self) -> &'static str {
        NAME
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.config);
        command
    }

    fn mark(&self) -> &Path {
        &self.config
    }

    async fn probe(&self) -> Result<(), String> {
        let mut options =
            async_nats::ConnectOptions::new().connection_timeout(Duration::from_secs(2)).max_reconnects(1);
        if let Some(password) = &self.password {
            options = options.user_and_password(USER.to_owned(), password.clone());
        }
        let client = options.connect(self.address.as_str()).await.map_err(|error| error.to_string())?;
        if client.server_info().server_name != self.name {
            return Err("another server answers on its port".to_owned());
        }
        let info = client.request("$JS.API.INFO", "".into());
        match tokio::time::timeout(Duration::from_secs(5), info).await {
            Ok(Ok(reply)) if !reply.payload.windows(7).any(|w| w == b"\"error\"") => Ok(()),
            Ok(Ok(reply)) => Err(String::from_utf8_lossy(&reply.payload).into_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("JetStream does not answer".to_owned()),
        }
    }

    fn stop(&self) -> Vec<(Signal, Duration)> {
        vec![(Signal::TERM, Duration::from_secs(15))]
    }
}
