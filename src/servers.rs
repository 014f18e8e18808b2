//! The servers behind Weir: given by address, running under another Weir, or started here as children.

use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use weir_infra::servers::{
    Lock, LockError, Place,
    leftover::Identity,
    nats::{self, Nats},
    postgres::{self, Postgres},
    programs, secret,
    unprivileged::User,
};

use crate::settings::Settings;

/// What a running `weir up` says of itself in `run/weir.json`, for other commands and for tests. Holds passwords:
/// readable by its owner only.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Runtime {
    /// Weir's process id.
    pub(crate) pid: u32,
    /// When that process started, which tells it from a later one of the same id.
    pub(crate) started: String,
    /// Where HTTP is served; nothing until it is.
    pub(crate) http: Option<String>,
    pub(crate) nats_url: String,
    /// Nothing when the server is not a child, or is just being started again.
    pub(crate) nats_pid: Option<u32>,
    pub(crate) nats_port: Option<u16>,
    pub(crate) database_url: String,
    pub(crate) postgres_pid: Option<u32>,
    pub(crate) postgres_port: Option<u16>,
}

impl Runtime {
    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("run/weir.json")
    }

    /// What the last `weir up` on this folder wrote, whether it still runs or not.
    pub(crate) fn last(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::path(data_dir)).ok()?).ok()
    }

    /// What the `weir up` that runs on this folder wrote.
    pub(crate) fn running(data_dir: &Path) -> Option<Self> {
        Self::last(data_dir).filter(|last| Identity { pid: last.pid, started: last.started.clone() }.runs())
    }

    /// After the end of what it tells of. The ports stay, so that the next start can have them again.
    fn retire(data_dir: &Path) {
        let Some(last) = Self::last(data_dir).filter(|last| last.pid == std::process::id()) else { return };
        let retired = Self { pid: 0, http: None, nats_pid: None, postgres_pid: None, ..last };
        if let Err(error) = retired.write(data_dir) {
            tracing::warn!(error = format!("{error:#}"), "the runtime file is out of date");
        }
    }

    fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        secret::write(&Self::path(data_dir), &serde_json::to_vec_pretty(self)?)
            .context("cannot write the runtime file")
    }
}

/// Addresses of the servers, and those that are children of this process.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) nats_url: String,
    pub(crate) database_url: String,
    nats: Option<Nats>,
    postgres: Option<Postgres>,
    data_dir: PathBuf,
    /// Released after the children have ended.
    lock: Option<Lock>,
}

impl Servers {
    /// For `weir up`: takes the data folder and starts what is not given by address.
    pub(crate) async fn start(settings: &Settings) -> anyhow::Result<Self> {
        prepare_folder(&settings.data_dir)?;
        let lock = Lock::take(&settings.data_dir)?;
        Self::start_locked(settings, lock).await
    }

    async fn start_locked(settings: &Settings, lock: Lock) -> anyhow::Result<Self> {
        let last = Runtime::last(&settings.data_dir).unwrap_or_default();
        let (nats, postgres) = tokio::try_join!(
            start_nats(settings, last.nats_port),
            start_postgres(settings, last.postgres_port)
        )?;
        let url = |given: &Option<String>, own: Option<&str>| {
            given.as_deref().or(own).unwrap_or_default().to_owned()
        };
        let servers = Self {
            nats_url: url(&settings.nats_url, nats.as_ref().map(Nats::url)),
            database_url: url(&settings.database_url, postgres.as_ref().map(Postgres::url)),
            nats,
            postgres,
            data_dir: settings.data_dir.clone(),
            lock: Some(lock),
        };
        Ok(servers)
    }

    /// For everything else: the servers given by address, else those of the `weir up` that runs on the data folder, else
    /// children for as long as the command takes.
    pub(crate) async fn reach(settings: &Settings) -> anyhow::Result<Self> {
        if let Some(servers) = Self::elsewhere(settings) {
            return Ok(servers);
        }
        if !settings.data_dir.exists() {
            bail!(
                "data_dir: there is nothing at {}; name the folder of a Weir that ran before, or start one with `weir up`",
                settings.data_dir.display()
            );
        }
        prepare_folder(&settings.data_dir)?;
        match Lock::take(&settings.data_dir) {
            Ok(lock) => Self::start_locked(settings, lock).await,
            // It took the folder but has not written its addresses yet, or just stops.
            Err(error @ LockError::Held { .. }) => {
                Err(anyhow::Error::from(error).context("its servers are not ready"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// For a single role: servers that run elsewhere, never children. Makes the folder that it works in.
    pub(crate) fn given(settings: &Settings) -> anyhow::Result<Self> {
        if let Some(servers) = Self::elsewhere(settings) {
            prepare_folder(&settings.data_dir)?;
            return Ok(servers);
        }
        let key = if settings.nats_url.is_none() { "nats_url" } else { "database_url" };
        bail!(
            "{key}: a single role starts no servers of its own; give their addresses, or run `weir up` on this data folder"
        )
    }

    fn elsewhere(settings: &Settings) -> Option<Self> {
        let running = Runtime::running(&settings.data_dir);
        let pick = |given: &Option<String>, of: fn(&Runtime) -> &String| {
            given.clone().or_else(|| running.as_ref().map(of).filter(|url| !url.is_empty()).cloned())
        };
        Some(Self {
            nats_url: pick(&settings.nats_url, |r| &r.nats_url)?,
            database_url: pick(&settings.database_url, |r| &r.database_url)?,
            nats: None,
            postgres: None,
            data_dir: settings.data_dir.clone(),
            lock: None,
        })
    }

    /// Keeps the runtime file true: process ids change when a server is started again.
    pub(crate) fn publish(&self, http: String) -> anyhow::Result<impl Future<Output = ()> + use<>> {
        let (pid, data_dir) = (std::process::id(), self.data_dir.clone());
        let mut nats = self.nats.as_ref().map(Nats::pid);
        let mut postgres = self.postgres.as_ref().map(Postgres::pid);
        let mut runtime = Runtime {
            pid,
            started: Identity::of(pid).map(|identity| identity.started).unwrap_or_default(),
            http: Some(http),
            nats_url: self.nats_url.clone(),
            nats_port: self.nats.as_ref().map(Nats::port),
            database_url: self.database_url.clone(),
            postgres_port: self.postgres.as_ref().map(Postgres::port),
            ..Runtime::default()
        };
        let mut refresh = move |nats: &mut Pid, postgres: &mut Pid| {
            runtime.nats_pid = now(nats);
            runtime.postgres_pid = now(postgres);
            runtime.write(&data_dir)
        };
        refresh(&mut nats, &mut postgres)?;
        Ok(async move {
            loop {
                tokio::select! {
                    () = changed(&mut nats) => {}
                    () = changed(&mut postgres) => {}
                }
                if let Err(error) = refresh(&mut nats, &mut postgres) {
                    tracing::warn!(error = format!("{error:#}"), "the runtime file is out of date");
                }
            }
        })
    }

    /// The folder that the configuration of nats-server is in, when it is a child of this process or of the Weir that
    /// runs on the data folder.
    pub(crate) fn run_of_nats(&self) -> Option<PathBuf> {
        let child = self.nats.is_some()
            || Runtime::running(&self.data_dir)
                .is_some_and(|running| running.nats_port.is_some() && running.nats_url == self.nats_url);
        child.then(|| self.data_dir.join("run"))
    }

    /// Stops the children, and releases the data folder.
    pub(crate) async fn stop(self) {
        let nats = async {
            if let Some(nats) = self.nats {
                nats.stop().await;
            }
        };
        let postgres = async {
            if let Some(postgres) = self.postgres {
                postgres.stop().await;
            }
        };
        tokio::join!(nats, postgres);
        if let Some(lock) = self.lock {
            Runtime::retire(&self.data_dir);
            drop(lock);
        }
    }
}

/// A server's address, or several, without user and password.
pub(crate) fn without_credentials(url: &str) -> String {
    let bare = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => url.to_owned(),
    };
    url.split(',').map(bare).collect::<Vec<_>>().join(",")
}

type Pid = Option<watch::Receiver<Option<u32>>>;

fn now(pid: &mut Pid) -> Option<u32> {
    pid.as_mut().and_then(|pid| *pid.borrow_and_update())
}

async fn changed(pid: &mut Pid) {
    let gone = match pid {
        Some(pid) => pid.changed().await.is_err(),
        None => true,
    };
    if gone {
        std::future::pending::<()>().await;
    }
}

/// Makes the data folder and those in it, closed to others.
fn prepare_folder(data_dir: &Path) -> anyhow::Result<()> {
    // Root's PostgreSQL runs as another user, who has to pass through to its own folder.
    let mode = if User::needed().is_some() { 0o711 } else { 0o700 };
    if let Some(parent) = data_dir.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("data_dir: {} cannot be made", parent.display()))?;
    }
    make_folder(data_dir, mode)?;
    ["run", "logs", "nats", "secrets", "blobs", "spill"]
        .iter()
        .try_for_each(|name| make_folder(&data_dir.join(name), 0o700))
}

fn make_folder(folder: &Path, mode: u32) -> anyhow::Result<()> {
    match std::fs::DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("data_dir: {} cannot be made", folder.display()))
        }
        _ => Ok(()),
    }
}

fn place(settings: &Settings) -> Place {
    Place { run: settings.data_dir.join("run"), logs: settings.data_dir.join("logs") }
}

/// The last port first, so that addresses stay the same; then the standard one.
fn ports(last: Option<u16>, standard: u16) -> Vec<u16> {
    last.into_iter().chain([standard]).collect()
}

async fn start_nats(settings: &Settings, last: Option<u16>) -> anyhow::Result<Option<Nats>> {
    if settings.nats_url.is_some() {
        return Ok(None);
    }
    let program = programs::NATS.find(&programs::folders(&settings.bin_dirs))?;
    let options = nats::Options {
        program: program.path,
        store: settings.data_dir.join("nats"),
        password: Some(secret::load_or_generate(&settings.secrets().join("nats"))?),
        ports: ports(last, nats::STANDARD_PORT),
    };
    let nats = Nats::start(options, place(settings)).await?;
    tracing::info!(version = %program.version, port = nats.port(), "nats-server is ready");
    Ok(Some(nats))
}

async fn start_postgres(settings: &Settings, last: Option<u16>) -> anyhow::Result<Option<Postgres>> {
    if settings.database_url.is_some() {
        return Ok(None);
    }
    let program = programs::POSTGRES.find(&programs::folders(&settings.bin_dirs))?;
    let version = program.version.clone();
    let options = postgres::Options {
        program,
        data: settings.data_dir.clone(),
        secrets: settings.secrets(),
        ports: ports(last, postgres::STANDARD_PORT),
        durable: true,
    };
    let postgres = Postgres::start(options, place(settings)).await?;
    tracing::info!(%version, port = postgres.port(), folder = %postgres.home().display(), "PostgreSQL is ready");
    Ok(Some(postgres))
}
