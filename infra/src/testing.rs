//! Real servers for tests: a private nats-server each, a private Redis where there is one, a database each on one
//! shared PostgreSQL, a language model that says what it is told to.
//!
//! `make test` prepares both. To run tests by hand: `. <(scripts/test-postgres start)`, and
//! `scripts/test-postgres stop "$WEIR_TEST_POSTGRES_DIR"` at the end.

mod fake_model;
mod redis;

pub use fake_model::{FakeModel, Heard, Say};

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use async_nats::ServerAddr;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{
    postgres::{self, Pool},
    servers::{Place, nats, programs},
};

pub use ::redis::Value as RedisValue;
pub use redis::Redis;

/// The folder with nats-server, postgres and initdb.
pub fn bin_dir() -> PathBuf {
    std::env::var_os("WEIR_BIN_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.weir/bin"), PathBuf::from)
}

/// A nats-server of its own with JetStream in a temporary folder, killed when dropped.
#[derive(Debug)]
pub struct Nats {
    server: Option<nats::Nats>,
    options: nats::Options,
    url: String,
    folder: TempDir,
}

impl Nats {
    /// Starts it and waits until it serves.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = programs::NATS
            .find(&programs::folders(&[bin_dir()]))
            .unwrap_or_else(|error| panic!("{error}"))
            .path;
        let store = folder.path().join("store");
        let options = nats::Options { program, store, password: None, ports: Vec::new() };
        let server = run(&options, folder.path()).await;
        let url = server.url().to_owned();
        Self {
            server: Some(server),
            options: nats::Options { ports: vec![server_port(&url)], ..options },
            url,
            folder,
        }
    }

    /// Where clients connect, the same after a restart.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connected client that reconnects for as long as it lives.
    pub async fn client(&self) -> async_nats::Client {
        crate::nats::connect(self.url()).await.expect("a connection to the test server")
    }

    /// Kills it with no chance to say goodbye. [`Self::restart`] brings it back with what it had on disk.
    pub async fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            // Dropped, the supervisor kills; stopping waits for the end. A kill signal does both.
            let pid = *server.pid().borrow();
            if let Some(pid) =
                pid.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            server.stop().await;
        }
    }

    /// Stops it in order.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Starts it again at the same address with what it has on disk; stops it in order first if it runs.
    pub async fn restart(&mut self) {
        self.stop().await;
        let server = run(&self.options, self.folder.path()).await;
        assert_eq!(server.url(), self.url, "its port was taken in the meantime");
        self.server = Some(server);
    }
}

fn server_port(url: &str) -> u16 {
    url.parse::<ServerAddr>().expect("the address is one").port()
}

async fn run(options: &nats::Options, folder: &Path) -> nats::Nats {
    let place = Place { run: folder.join("run"), logs: folder.join("logs") };
    std::fs::create_dir_all(&place.run).expect("a folder");
    nats::Nats::start(options.clone(), place).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A database of its own, removed when dropped.
#[derive(Debug)]
pub struct Database {
    url: String,
    name: String,
    pool: Pool,
}

impl Database {
    /// Where clients connect.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A pool of connections to it.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.pool.close();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The test's own runtime may be on its way out: a thread with a runtime of its own removes it.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(admin(&statement)))
        });
        if !matches!(removal.join(), Ok(Ok(Ok(())))) {
            eprintln!("the test database {} was not removed", self.name);
        }
    }
}

/// A fresh database with all migrations applied.
pub async fn database() -> Database {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(template).await;
    create(&format!("TEMPLATE {template}")).await
}

/// A fresh database with nothing in it.
pub async fn empty_database() -> Database {
    create("").await
}

fn server_url() -> String {
    std::env::var("WEIR_TEST_DATABASE_URL").expect(
        "WEIR_TEST_DATABASE_URL names no PostgreSQL: run `make test`, or `. <(scripts/test-postgres start)`",
    )
}

/// The server's address with another database.
fn url_of(database: &str) -> String {
    let server = server_url();
    let (before, _) = server.rsplit_once('/').expect("an address ends with a database");
    format!("{before}/{database}")
}

async fn admin(statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(&server_url(), tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let result = client.batch_execute(statement).await;
    drop(client);
    let _ = connection.await;
    result
}

async fn create(how: &str) -> Database {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    admin(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.expect("an old database is removed");
    // Two tests may clone the template at once; a server that is busy with it says so.
    admin(&format!("CREATE DATABASE {name} {how}")).await.expect("a new database is made");
    let url = url_of(&name);
    let pool = postgres::connect(&url, 8).expect("a pool");
    Database { url, name, pool }
}

/// The migrated database that all others are cloned from; test programs that start at once make it once.
async fn template() -> String {
    const LOCK: i64 = 0x7465_6d70;
    let name = format!("template_{}", postgres::fingerprint());
    let (client, connection) = tokio_postgres::connect(&server_url(), tokio_postgres::NoTls)
        .await
        .expect("the test PostgreSQL answers");
    let connection = tokio::spawn(connection);
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.expect("a lock");
    let there = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
        .await
        .expect("a list of databases");
    if there.is_none() {
        // Under another name until it is whole.
        let draft = format!("{name}_new");
        for statement in
            [format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)"), format!("CREATE DATABASE {draft}")]
        {
            client.batch_execute(&statement).await.expect("the template is made");
        }
        let pool = postgres::connect(&url_of(&draft), 1).expect("a pool");
        postgres::migrate(&pool).await.expect("the template is migrated");
        pool.close();
        drop(pool);
        // A closed connection needs a moment to be gone on the server's side; FORCE is not for renaming.
        let end =
            format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{draft}'");
        client.batch_execute(&end).await.expect("the connections end");
        client
            .batch_execute(&format!("ALTER DATABASE {draft} RENAME TO {name}"))
            .await
            .expect("the template gets its name");
    }
    drop(client);
    let _ = connection.await;
    name
}
