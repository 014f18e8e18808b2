//! A Redis or Valkey for tests and measurements, on the loopback address, with nothing on disk. Weir
//! itself never starts one: it does without, or is given one that others look after.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::Signal;
use tokio::{process::Command, sync::watch};

use super::{Place, Server, StartError, Supervisor, port};

/// How to run it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The redis-server or valkey-server program.
    pub program: PathBuf,
    /// Ports to prefer, in order; any free one if all are taken.
    pub ports: Vec<u16>,
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process did not start or serve.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its files could not be written, or no port found.
    #[error("redis-server: cannot prepare its start: {0}")]
    Io(#[from] io::Error),
}

/// A running server.
#[derive(Debug)]
pub struct Redis {
    supervisor: Supervisor,
    port: u16,
}

impl Redis {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(options: Options, place: Place) -> Result<Self, Error> {
        let config = std::path::absolute(place.run.join("redis.conf"))?;
        let mut ports = options.ports.clone();
        let mut tries = 0;
        loop {
            let port = port::choose(&ports)?;
            // The title that it would give itself hides the argument by which it is recognised.
            let text = format!(
                "bind 127.0.0.1\nport {port}\nsave \"\"\nappendonly no\ndaemonize no\nset-proc-title no\n\
                 maxmemory 256mb\nmaxmemory-policy allkeys-lru\n"
            );
            std::fs::write(&config, text)?;
            let process = Process { program: options.program.clone(), config: config.clone(), port };
            match Supervisor::start(Arc::new(process), place.clone()).await {
                Ok(supervisor) => return Ok(Self { supervisor, port }),
                // Somebody took the port between the look and the start.
                Err(error) if tries < 5 && error.says(&["Address already in use"]) => {
                    tries += 1;
                    ports.clear();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port on the loopback address.
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

struct Process {
    program: PathBuf,
    config: PathBuf,
    port: u16,
}

#[async_trait]
impl Server for Process {
    fn name(&self) -> &'static str {
        "redis-server"
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(&self.config);
        command
    }

    fn mark(&self) -> &Path {
        &self.config
    }

    async fn probe(&self) -> Result<(), String> {
        let ask = async {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?;
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::cmd("INFO").arg("server").query_async::<String>(&mut connection).await
        };
        let asked = tokio::time::timeout(Duration::from_secs(2), ask).await;
        let info = asked.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
        if info.contains(&format!("config_file:{}", self.config.display())) {
            Ok(())
        } else {
            Err("another server answers on its port".to_owned())
        }
    }

    fn stop(&self) -> Vec<(Signal, Duration)> {
        vec![(Signal::TERM, Duration::from_secs(5))]
    }
}
