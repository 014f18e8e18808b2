//! Servers that a killed Weir left behind, found at the next start and stopped.
//!
//! Each child's pid file holds its process id and start time, so that a process that merely got the
//! same id later is never touched. A Weir that is killed between starting a child and writing the
//! file leaves none: on Linux the process table is searched as well.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::Server;

/// A process, told apart from others that had or will have the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its process id.
    pub pid: u32,
    /// When it started, in whatever form this system tells.
    pub started: String,
}

impl Identity {
    /// The process that has this id now; `None` if there is none, or only a dead one that nobody
    /// has waited for.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: start_time(pid)? })
    }

    /// Whether that very process still runs.
    pub fn runs(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

#[cfg(target_os = "linux")]
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(not(target_os = "linux"))]
fn start_time(pid: u32) -> Option<String> {
    let pid = pid.to_string();
    let out = std::process::Command::new("ps").args(["-o", "state=,lstart=", "-p", &pid]).output().ok()?;
    let line = String::from_utf8_lossy(&out.stdout);
    let (state, started) = line.trim().split_once(' ')?;
    (out.status.success() && !state.starts_with('Z')).then(|| started.trim().to_owned())
}

fn file(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{name}.pid.json"))
}

/// Notes a child, for a later start to find.
pub(super) fn remember(run: &Path, name: &str, pid: u32) {
    let write = || -> std::io::Result<()> {
        let Some(identity) = Identity::of(pid) else { return Ok(()) };
        let mut file = std::fs::File::create(file(run, name))?;
        file.write_all(&serde_json::to_vec(&identity)?)
    };
    if let Err(error) = write() {
        tracing::warn!(server = name, %error, "cannot write the pid file");
    }
}

/// Forgets a child that was stopped.
pub(super) fn forget(run: &Path, name: &str) {
    let _ = std::fs::remove_file(file(run, name));
}

/// Sends a signal; a process that is gone already needs none.
pub(super) fn signal(pid: u32, signal: Signal) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let _ = rustix::process::kill_process(pid, signal);
}

/// The process that a Weir which was killed left behind of a server, as far as it was noted.
pub fn noted(run: &Path, name: &str) -> Option<Identity> {
    let bytes = std::fs::read(file(run, name)).ok()?;
    serde_json::from_slice::<Identity>(&bytes).ok().filter(Identity::runs)
}

/// Stops what an earlier Weir left behind of this server.
pub(super) async fn stop(server: &dyn Server, run: &Path) {
    for identity in find(server, run) {
        tracing::warn!(
            server = server.name(),
            pid = identity.pid,
            "stopping a server that an earlier run left behind"
        );
        stop_one(server, &identity).await;
    }
    forget(run, server.name());
}

fn find(server: &dyn Server, run: &Path) -> Vec<Identity> {
    let mut all: Vec<Identity> = noted(run, server.name()).into_iter().collect();
    for identity in search(server) {
        if !all.contains(&identity) {
            all.push(identity);
        }
    }
    all
}

/// Every process of the server's name that carries its mark as an argument.
#[cfg(target_os = "linux")]
fn search(server: &dyn Server) -> Vec<Identity> {
    use std::os::unix::ffi::OsStrExt;

    let mark = server.mark().as_os_str().as_bytes();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let mut arguments = line.split(|&byte| byte == 0);
            let program = arguments.next()?.rsplit(|&byte| byte == b'/').next()?;
            (program == server.name().as_bytes() && arguments.any(|argument| argument == mark))
                .then(|| Identity::of(pid))?
        })
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn search(_: &dyn Server) -> Vec<Identity> {
    Vec::new()
}

async fn stop_one(server: &dyn Server, identity: &Identity) {
    let last = (Signal::KILL, Duration::from_secs(10));
    for (how, patience) in server.stop().into_iter().chain([last]) {
        signal(identity.pid, how);
        let asked = Instant::now();
        while asked.elapsed() < patience {
            if !identity.runs() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    tracing::error!(server = server.name(), pid = identity.pid, "a leftover server does not end");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_id_and_start() {
        let this = Identity::of(std::process::id()).unwrap();
        assert!(this.runs());
        let another = Identity { started: "1".to_owned(), ..this };
        assert!(!another.runs(), "the same id with another start is another process");
    }

    #[test]
    fn a_dead_process_that_nobody_waited_for_does_not_run() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let identity = Identity::of(child.id());
        // Its end is seen through a pipe rather than by waiting, which would remove the very thing
        // that is to be looked at.
        while Identity::of(child.id()).is_some() {
            std::thread::yield_now();
        }
        assert!(identity.is_none_or(|identity| !identity.runs()));
        child.wait().unwrap();
    }
}
