//! Weir itself, to be measured from outside.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::Context;
use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::process;

/// `weir up` as anybody starts it, in a process of its own.
pub(super) struct Weir {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Weir {
    /// Starts it over a folder of its own, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start; the reason is in `weir.log` in the folder.
    pub(super) async fn start(bin_dir: &Path, folder: &Path, data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let log = std::fs::File::create(folder.join("weir.log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .arg("--bin-dir")
            .arg(bin_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("weir up")?;
        let mut lines = BufReader::new(child.stdout.take().context("weir up has no output")?).lines();
        let mut weir = Self { child, address: ([127, 0, 0, 1], 0).into() };
        while let Some(line) = lines.next_line().await? {
            if let Some(url) = line.strip_prefix("Weir is ready on http://") {
                weir.address = url.parse().context("the address of weir up")?;
                return Ok(weir);
            }
        }
        anyhow::bail!("weir up does not start; see {}", folder.join("weir.log").display())
    }

    /// Waits until it has done with what the events made it do.
    pub(super) async fn rest(&self) {
        let used = || self.child.id().and_then(process::of);
        for _ in 0..120 {
            let before = used();
            tokio::time::sleep(Duration::from_secs(1)).await;
            match before.zip(used()) {
                Some((before, now)) if now - before > Duration::from_millis(50) => {}
                _ => return,
            }
        }
    }

    /// Its process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it with its servers.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.terminate();
        self.child.wait().await?;
        Ok(())
    }

    fn terminate(&self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        // It takes its servers along, which it could not if it were killed.
        self.terminate();
    }
}
