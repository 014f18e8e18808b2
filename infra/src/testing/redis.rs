//! A private Redis for a test, which it may kill, stop in its tracks, fill up and empty.

use std::{io::Write as _, path::Path};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::bin_dir;
use crate::servers::{Place, programs, redis};

/// A Redis or Valkey of its own, killed when dropped.
#[derive(Debug)]
pub struct Redis {
    server: Option<redis::Redis>,
    options: redis::Options,
    url: String,
    folder: TempDir,
}

impl Redis {
    /// Starts it and waits until it serves. `None` where there is no such program on this machine: the test then says
    /// that it was skipped, in a line that is counted in the end, and returns.
    pub async fn start() -> Option<Self> {
        let Some(program) = programs::redis(&programs::folders(&[bin_dir()])) else {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            // Not by a macro: what those print is kept from the output of tests that pass.
            let line = format!("\nskipped: {test}: there is no redis-server or valkey-server\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = redis::Options { program: program.path, ports: Vec::new() };
        let server = run(&options, folder.path()).await;
        let options = redis::Options { ports: vec![server.port()], ..options };
        Some(Self { url: server.url(), server: Some(server), options, folder })
    }

    /// Where clients connect, the same after a restart.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills it with no chance to say goodbye.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Starts it again at the same address, with nothing in it; kills it first if it runs.
    pub async fn restart(&mut self) {
        self.kill().await;
        let server = run(&self.options, self.folder.path()).await;
        assert_eq!(server.url(), self.url, "its port was taken in the meantime");
        self.server = Some(server);
    }

    /// Stops it in its tracks: connections stay, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Has it carry out a command, such as `["CONFIG", "SET", "maxmemory", "1mb"]`, and gives its answer as text.
    pub async fn tell(&self, command: &[&[u8]]) -> ::redis::Value {
        let client = ::redis::Client::open(self.url()).expect("the address is one");
        let mut connection =
            client.get_multiplexed_async_connection().await.expect("a connection to the test server");
        let mut whole = ::redis::Cmd::new();
        for part in command {
            whole.arg(*part);
        }
        whole.query_async(&mut connection).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The names of all values in it.
    pub async fn keys(&self) -> Vec<Vec<u8>> {
        ::redis::from_redis_value(self.tell(&[b"KEYS", b"*"]).await).expect("a list of names")
    }

    fn signal(&self, signal: Signal) {
        let pid = self.server.as_ref().and_then(|server| *server.pid().borrow());
        if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

async fn run(options: &redis::Options, folder: &Path) -> redis::Redis {
    let place = Place { run: folder.join("run"), logs: folder.join("logs") };
    std::fs::create_dir_all(&place.run).expect("a folder");
    redis::Redis::start(options.clone(), place).await.unwrap_or_else(|error| panic!("{error}"))
}
