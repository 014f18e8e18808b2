//! One child process: started, probed until it is ready, restarted when it dies, stopped at the end.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rustix::process::Signal;
use tokio::{
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{leftover, log_file};

/// How long a server may take until it answers its first probe. Crash recovery of a large database
/// counts, so this is generous: a server that *died* is noticed at once.
const READY_WITHIN: Duration = Duration::from_secs(90);
const PROBE_EVERY: Duration = Duration::from_millis(25);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// A server that lived this long was healthy, so that its next restart begins with a short pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// A server program, as the supervisor needs it.
#[async_trait]
pub trait Server: Send + Sync + 'static {
    /// Its name in log lines, and of its log and pid files.
    fn name(&self) -> &'static str;
    /// How to start it. The supervisor adds output, environment and process group.
    fn command(&self) -> Command;
    /// An argument that no other process of that name has, by which a leftover is recognised.
    fn mark(&self) -> &Path;
    /// One look at whether it serves.
    ///
    /// # Errors
    /// In words, what is not well yet.
    async fn probe(&self) -> Result<(), String>;
    /// The signals that stop it, mildest first, each with the time that it is given.
    fn stop(&self) -> Vec<(Signal, Duration)>;
}

/// Where a child's files go.
#[derive(Debug, Clone)]
pub struct Place {
    /// Folder for pid files.
    pub run: PathBuf,
    /// Folder for logs.
    pub logs: PathBuf,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program could not be executed.
    #[error("{server}: cannot start it: {source}")]
    Spawn {
        /// Which server.
        server: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It ended before it served.
    #[error("{server}: ended while starting ({status}); the end of {}:\n{tail}", log.display())]
    Ended {
        /// Which server.
        server: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// It runs but does not serve.
    #[error("{server}: not ready within {} s ({last}); the end of {}:\n{tail}", READY_WITHIN.as_secs(), log.display())]
    NotReady {
        /// Which server.
        server: &'static str,
        /// What the last probe found.
        last: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
}

impl StartError {
    /// Whether the server's own last words hold one of these.
    pub fn says(&self, any: &[&str]) -> bool {
        matches!(self, Self::Ended { tail, .. } if any.iter().any(|words| tail.contains(words)))
    }
}

/// A running, supervised server. Dropping it kills the server; [`Supervisor::stop`] stops it in order.
pub struct Supervisor {
    server: Arc<dyn Server>,
    pid: watch::Receiver<Option<u32>>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("server", &self.server.name())
            .field("pid", &*self.pid.borrow())
            .finish()
    }
}

impl Supervisor {
    /// Stops what an earlier run left behind, starts the server and waits until it serves.
    ///
    /// # Errors
    /// See [`StartError`]; the server is not running then.
    pub async fn start(server: Arc<dyn Server>, place: Place) -> Result<Self, StartError> {
        leftover::stop(&*server, &place.run).await;
        let child = start_once(&*server, &place).await?;
        let (pid_tx, pid) = watch::channel(child.id());
        let cancel = CancellationToken::new();
        let task = tokio::spawn(supervise(Arc::clone(&server), place, child, pid_tx, cancel.clone()));
        Ok(Self { server, pid, cancel, task })
    }

    /// The process id: changes when the server is restarted, `None` while it is down.
    pub fn pid(&self) -> watch::Receiver<Option<u32>> {
        self.pid.clone()
    }

    /// Stops the server and waits for its end: politely first, by force after a while.
    pub async fn stop(mut self) {
        self.cancel.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(server = self.server.name(), %error, "the server's supervisor failed");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // The child lives in the task and is killed when that is dropped.
        self.task.abort();
    }
}

async fn start_once(server: &dyn Server, place: &Place) -> Result<Child, StartError> {
    let name = server.name();
    let spawn_error = |source| StartError::Spawn { server: name, source };
    let path = place.logs.join(format!("{name}.log"));
    let log = log_file::open(&path).map_err(spawn_error)?;
    let mut child = spawn(server, &log).map_err(spawn_error)?;
    if let Some(pid) = child.id() {
        leftover::remember(&place.run, name, pid);
    }
    let started = Instant::now();
    loop {
        let last = match server.probe().await {
            // Something else may have answered in the place of a server that could not bind.
            Ok(()) => match child.try_wait() {
                Ok(None) => return Ok(child),
                Ok(Some(_)) => "ended".to_owned(),
                Err(error) => error.to_string(),
            },
            Err(last) => last,
        };
        if let Ok(Some(status)) = child.try_wait() {
            return Err(StartError::Ended { server: name, status, tail: log.tail(), log: path });
        }
        if started.elapsed() > READY_WITHIN {
            end(server, &mut child).await;
            return Err(StartError::NotReady { server: name, last, tail: log.tail(), log: path });
        }
        sleep(PROBE_EVERY).await;
    }
}

fn spawn(server: &dyn Server, log: &log_file::Log) -> io::Result<Child> {
    let mut command = server.command();
    // The servers take everything from their arguments and files: a PGPORT or the like in the
    // caller's environment must not reach them.
    command.env_clear();
    for key in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(key) {
            command.env(key, value);
        }
    }
    command
        .stdin(std::process::Stdio::null())
        .stdout(log.writer()?)
        .stderr(log.writer()?)
        // A group of its own: Ctrl-C at the terminal reaches Weir alone, which stops its children last.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn supervise(
    server: Arc<dyn Server>,
    place: Place,
    mut child: Child,
    pid: watch::Sender<Option<u32>>,
    cancel: CancellationToken,
) {
    let name = server.name();
    let mut backoff = FIRST_BACKOFF;
    loop {
        let since = Instant::now();
        let status = tokio::select! {
            status = child.wait() => status,
            () = cancel.cancelled() => {
                end(&*server, &mut child).await;
                break;
            }
        };
        pid.send_replace(None);
        match status {
            Ok(status) => tracing::error!(server = name, %status, "the server died; starting it again"),
            Err(error) => {
                tracing::error!(server = name, %error, "lost sight of the server; starting it again")
            }
        }
        if since.elapsed() > HEALTHY_AFTER {
            backoff = FIRST_BACKOFF;
        }
        child = loop {
            tokio::select! {
                () = sleep(backoff) => {}
                () = cancel.cancelled() => { leftover::forget(&place.run, name); return; }
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            // A start that is cut short drops the child, which kills it.
            let again = tokio::select! {
                again = start_once(&*server, &place) => again,
                () = cancel.cancelled() => { leftover::forget(&place.run, name); return; }
            };
            match again {
                Ok(child) => break child,
                Err(error) => tracing::error!(server = name, %error, "the server did not start again"),
            }
        };
        pid.send_replace(child.id());
        tracing::info!(server = name, pid = child.id(), "the server is back");
    }
    pid.send_replace(None);
    leftover::forget(&place.run, name);
}

async fn end(server: &dyn Server, child: &mut Child) {
    for (signal, patience) in server.stop() {
        let Some(pid) = child.id() else { return };
        leftover::signal(pid, signal);
        if tokio::time::timeout(patience, child.wait()).await.is_ok() {
            return;
        }
        tracing::warn!(server = server.name(), ?signal, "the server does not stop; asking harder");
    }
    if let Err(error) = child.kill().await {
        tracing::error!(server = server.name(), %error, "the server could not be killed");
    }
}
