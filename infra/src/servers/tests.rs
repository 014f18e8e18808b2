//! The supervisor with real servers.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use rustix::process::{Pid, Signal};

use super::{Place, leftover::Identity, nats, postgres, programs, secret};
use crate::testing::bin_dir;

fn place(folder: &Path) -> Place {
    let place = Place { run: folder.join("run"), logs: folder.join("logs") };
    std::fs::create_dir_all(&place.run).unwrap();
    place
}

fn nats_options(folder: &Path) -> nats::Options {
    let program = programs::NATS.find(&programs::folders(&[bin_dir()])).unwrap().path;
    nats::Options {
        program,
        store: folder.join("store"),
        password: Some(secret::generate()),
        ports: Vec::new(),
    }
}

fn postgres_options(folder: &Path) -> postgres::Options {
    let program = programs::POSTGRES.find(&programs::folders(&[bin_dir()])).unwrap();
    let data = folder.to_owned();
    postgres::Options { program, secrets: data.join("secrets"), data, ports: Vec::new(), durable: true }
}

fn kill(pid: u32) {
    rustix::process::kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

/// The server as a killed Weir leaves it: running, with nobody to look after it.
fn abandon(pid: u32, run: &Path, name: &str) -> Identity {
    let identity = Identity::of(pid).unwrap();
    std::fs::write(run.join(format!("{name}.pid.json")), serde_json::to_vec(&identity).unwrap()).unwrap();
    identity
}

#[tokio::test]
async fn a_server_that_is_killed_comes_back_at_the_same_address() {
    let folder = tempfile::tempdir().unwrap();
    let nats = nats::Nats::start(nats_options(folder.path()), place(folder.path())).await.unwrap();
    let client = crate::nats::connect(nats.url()).await.unwrap();
    assert!(
        async_nats::connect(nats.url().replace("weir:", "weir:x")).await.is_err(),
        "nobody without the password"
    );
    let mut pid = nats.pid();
    let first = pid.borrow_and_update().unwrap();
    kill(first);
    let second = *pid.wait_for(|pid| pid.is_some_and(|pid| pid != first)).await.unwrap();
    assert_ne!(second, Some(first));
    // The old client finds it again by itself.
    tokio::time::timeout(Duration::from_secs(20), async {
        while client.request("$JS.API.INFO", "".into()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    nats.stop().await;
    assert_eq!(Identity::of(second.unwrap()), None, "stopped means gone");
}

#[tokio::test]
async fn a_taken_port_makes_the_server_use_another() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = nats::Options { ports: vec![port], ..nats_options(folder.path()) };
    let nats = nats::Nats::start(options, place(folder.path())).await.unwrap();
    assert_ne!(nats.port(), port);
    nats.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_the_end_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("nats-server");
    std::fs::write(&program, "#!/bin/sh\necho cannot open the moon >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = nats::Options { program, ..nats_options(folder.path()) };
    let error = nats::Nats::start(options, place(folder.path())).await.unwrap_err().to_string();
    assert!(error.contains("cannot open the moon") && error.contains("exit status: 3"), "{error}");
}

#[tokio::test]
async fn a_leftover_nats_server_is_stopped_even_without_its_pid_file() {
    let folder = tempfile::tempdir().unwrap();
    let options = nats_options(folder.path());
    let place = place(folder.path());
    let first = nats::Nats::start(options.clone(), place.clone()).await.unwrap();
    let left = abandon(first.pid().borrow().unwrap(), &place.run, "nats-server");
    if cfg!(target_os = "linux") {
        std::fs::remove_file(place.run.join("nats-server.pid.json")).unwrap();
    }
    let second = nats::Nats::start(options, place.clone()).await.unwrap();
    assert!(!left.runs());
    second.stop().await;
    drop(first);
}

#[tokio::test]
async fn a_pid_file_of_another_process_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let mut bystander = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
    let identity =
        Identity { started: "before".to_owned(), ..Identity::of(bystander.id().unwrap()).unwrap() };
    std::fs::write(place.run.join("nats-server.pid.json"), serde_json::to_vec(&identity).unwrap()).unwrap();
    let nats = nats::Nats::start(nats_options(folder.path()), place).await.unwrap();
    assert!(bystander.try_wait().unwrap().is_none(), "the process that has the id now still runs");
    nats.stop().await;
    bystander.kill().await.unwrap();
}

#[tokio::test]
async fn postgres_starts_survives_a_kill_and_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let server = postgres::Postgres::start(postgres_options(folder.path()), place.clone()).await.unwrap();
    let home = server.home().to_owned();
    let pool = crate::postgres::connect(server.url(), 2).unwrap();
    crate::postgres::migrate(&pool).await.unwrap();
    pool.get().await.unwrap().batch_execute("CREATE TABLE accounts.kept AS SELECT 42 AS n").await.unwrap();

    let mut pid = server.pid();
    let first = pid.borrow_and_update().unwrap();
    kill(first);
    pid.wait_for(|pid| pid.is_some_and(|pid| pid != first)).await.unwrap();
    let pool = crate::postgres::connect(server.url(), 2).unwrap();
    let kept = |client: deadpool_postgres::Object| async move {
        client.query_one("SELECT n FROM accounts.kept", &[]).await.unwrap().get::<_, i32>(0)
    };
    assert_eq!(kept(pool.get().await.unwrap()).await, 42);

    // As after kill -9 of Weir: the first server is still there when the next one starts.
    let left = abandon(pid.borrow().unwrap(), &place.run, "postgres");
    let second = postgres::Postgres::start(postgres_options(folder.path()), place).await.unwrap();
    assert!(!left.runs());
    assert_eq!(second.home(), home, "the data stays where it was put");
    let pool = crate::postgres::connect(second.url(), 2).unwrap();
    assert_eq!(kept(pool.get().await.unwrap()).await, 42);
    // Weir's own role is no superuser: what reaches the database through a defect stays in it.
    let client = pool.get().await.unwrap();
    let role =
        client.query_one("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", &[]).await.unwrap();
    assert!(!role.get::<_, bool>(0));
    drop(client);
    drop(server);
    second.stop().await;
}

#[tokio::test]
async fn where_the_servers_user_cannot_go_its_data_goes_elsewhere_and_stays_there() {
    if super::unprivileged::User::needed().is_none() {
        return; // only root's PostgreSQL runs as another user
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let options = postgres::Options { durable: false, ..postgres_options(folder.path()) };
    let server = postgres::Postgres::start(options.clone(), place(folder.path())).await.unwrap();
    let home = server.home().to_owned();
    assert!(!home.starts_with(folder.path()));
    server.stop().await;
    let server = postgres::Postgres::start(options, place(folder.path())).await.unwrap();
    assert_eq!(server.home(), home);
    server.stop().await;
    std::fs::remove_dir_all(home.parent().unwrap()).unwrap();
}

/// The folder of a version whose streams belonged to the account that every server has.
#[tokio::test]
async fn an_event_log_of_before_there_were_accounts_is_found_and_never_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let options = nats_options(folder.path());
    let config = std::path::absolute(place.run.join("nats-server.conf")).unwrap();
    let port = super::port::choose(&[]).unwrap();
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
        options.store.display()
    );
    std::fs::write(&config, text).unwrap();
    // As kill -9 of that version leaves it: its server still runs, and writes.
    let old =
        || tokio::process::Command::new(&options.program).arg("-c").arg(&config).kill_on_drop(true).spawn();
    let mut running = old().unwrap();
    let client = loop {
        match async_nats::connect(format!("127.0.0.1:{port}")).await {
            Ok(client) => break client,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let log = crate::log::JetStreamLog::connect(client, crate::log::Options::default()).await.unwrap();
    let workspace = weir_events::WorkspaceId(uuid::Uuid::from_u128(7));
    let commit = weir_events::Commit::new().event(weir_events::contract::reserved(workspace, "t"));
    let position = weir_events::EventLog::append(&log, commit).await.unwrap().last;

    let head = async |nats: &nats::Nats| {
        let client = crate::nats::connect(nats.url()).await.unwrap();
        let log = crate::log::JetStreamLog::connect(client, crate::log::Options::default()).await.unwrap();
        weir_events::EventLog::head(&log).await.unwrap()
    };
    let options = nats::Options { ports: vec![port], ..options.clone() };
    let nats = nats::Nats::start(options.clone(), place.clone()).await.unwrap();
    assert_eq!(nats.port(), port, "where its clients look for it");
    assert!(running.wait().await.is_ok(), "the old server was stopped before");
    assert_eq!(head(&nats).await, position);
    nats.stop().await;
    // The next start has nothing to move.
    let nats = nats::Nats::start(options.clone(), place.clone()).await.unwrap();
    assert_eq!(head(&nats).await, position);
    nats.stop().await;

    // The older version has run again, and begun a log of its own: which one counts is not Weir's to say.
    std::fs::create_dir_all(options.store.join("jetstream/$G/streams/WEIR_EVENTS")).unwrap();
    let error = nats::Nats::start(options.clone(), place).await.unwrap_err().to_string();
    assert!(error.contains("there are two event logs"), "{error}");
}
