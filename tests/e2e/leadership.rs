//! Of three projectors one leads. It is killed or frozen, again and again, while events come in: another one takes
//! over within seconds, one that wakes up again writes nothing, and no event is lost or counted twice.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::process::{Child, Command};
use uuid::Uuid;
use weir_events::{
    Actor, Commit, EventId, EventLog, Metadata, NewEvent, Position, QueryId, RunId, Subject, UserId,
    WorkspaceId,
    query::{Executed, Source},
};
use weir_infra::{
    log::JetStreamLog,
    postgres::Pool,
    testing::{Nats, database},
};
use weir_tests::{binary, signal};

/// How often the leader is struck: killed and frozen by turns.
const STRIKES: usize = 20;
/// How long the read models may stand still for it.
const WITHIN: Duration = Duration::from_secs(5);

struct Cluster {
    nats: Nats,
    database: weir_infra::testing::Database,
    folder: tempfile::TempDir,
}

impl Cluster {
    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(binary());
        command
            .arg(role)
            .arg("--data-dir")
            .arg(self.folder.path())
            .env("WEIR_NATS_URL", self.nats.url())
            .env("WEIR_DATABASE_URL", self.database.url())
            .env("WEIR_LOG_LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn projector(&self) -> Child {
        self.command("projector").spawn().expect("a projector starts")
    }
}

/// The process that leads, and the epoch that it leads in.
async fn leader(pool: &Pool) -> (u32, i64) {
    let client = pool.get().await.expect("a connection");
    let sql = "SELECT process, epoch FROM projector.runner WHERE schema = 'read'";
    let row = client.query_one(sql, &[]).await.expect("a row");
    (row.get::<_, Option<i64>>(0).and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default(), row.get(1))
}

async fn position(pool: &Pool) -> u64 {
    let client = pool.get().await.expect("a connection");
    let row = client.query_one("SELECT min(position) FROM read.checkpoint", &[]).await.expect("a row");
    row.get::<_, i64>(0).try_into().expect("a position")
}

/// Waits until events up to a position can be read; how long that took.
async fn reached(pool: &Pool, wanted: u64, what: &str) -> Duration {
    let since = Instant::now();
    while position(pool).await < wanted {
        assert!(since.elapsed() < Duration::from_secs(60), "{what}: position {wanted} is not reached");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    since.elapsed()
}

/// Appends runs, on and on, until told to stop; how many.
async fn load(log: Arc<dyn EventLog>, stop: Arc<AtomicBool>) -> u64 {
    let workspace = WorkspaceId(Uuid::from_u128(7));
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut commit = Commit::new();
        for n in 0..5_u128 {
            commit = commit.event(NewEvent {
                subject: Subject::query(workspace, QueryId(Uuid::from_u128(n))),
                meta: Metadata {
                    id: EventId(Uuid::now_v7()),
                    time: chrono::Utc::now(),
                    actor: Actor::User(UserId(Uuid::from_u128(9))),
                    correlation: Uuid::nil(),
                    causation: None,
                    traceparent: None,
                },
                event: run(n).into(),
            });
            written += 1;
        }
        log.append(commit).await.expect("the log takes them");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    written
}

fn run(n: u128) -> Executed {
    Executed {
        run_id: RunId(Uuid::now_v7()),
        sql: format!("SELECT {n}"),
        pattern: "SELECT ?".to_owned(),
        datasets: Vec::<Source>::new(),
        engine: "none".to_owned(),
        rows: 1,
        bytes: 8,
        truncated: false,
        elapsed_ms: 1.0,
        cache_tier: None,
        result_hash: "00".to_owned(),
        result: None,
        events_to: None,
        stages: None,
        context: None,
        question: None,
        model: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_leader_another_projector_takes_over() {
    let nats = Nats::start().await;
    let cluster =
        Cluster { nats, database: database().await, folder: tempfile::tempdir().expect("a folder") };
    let log = JetStreamLog::connect(cluster.nats.client().await, Default::default()).await.expect("the log");
    let log: Arc<dyn EventLog> = Arc::new(log);
    let pool = cluster.database.pool();
    weir_projector::ensure(pool, &weir_projector::projections::all()).await.expect("tables");

    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(log.clone(), stop.clone()));
    let mut projectors: Vec<Child> = (0..3).map(|_| cluster.projector()).collect();
    reached(pool, 1, "at the start").await;

    let (mut slowest, mut sum) = ([Duration::ZERO; 2], [Duration::ZERO; 2]);
    for strike in 0..STRIKES {
        let (pid, epoch) = leader(pool).await;
        let struck = projectors.iter().position(|p| p.id() == Some(pid)).expect("a projector leads");
        let frozen = strike % 2 == 1;
        signal(pid, if frozen { Signal::STOP } else { Signal::KILL });
        let since = Instant::now();
        // What it had in hand may still arrive; what comes from now on, the next one has to bring.
        let head = log.head().await.expect("a head").0;
        reached(pool, head + 5, "after a strike").await;
        let took = since.elapsed();
        let (now, later) = leader(pool).await;
        assert_ne!(now, pid, "strike {strike}");
        assert!(later > epoch, "strike {strike}");
        slowest[strike % 2] = slowest[strike % 2].max(took);
        sum[strike % 2] += took;
        if frozen {
            signal(pid, Signal::CONT);
            // It goes on where it stood: wherever that was, its epoch is over.
            let head = log.head().await.expect("a head").0;
            reached(pool, head + 5, "beside one that woke up").await;
            assert_eq!(leader(pool).await, (now, later), "one that woke up does not take the lead back");
        } else {
            projectors[struck].wait().await.expect("it is gone");
            projectors[struck] = cluster.projector();
        }
    }
    let n = u32::try_from(STRIKES / 2).expect("a few");
    println!(
        "killed: {:?}, {:?} at most; frozen: {:?}, {:?} at most",
        sum[0] / n,
        slowest[0],
        sum[1] / n,
        slowest[1]
    );
    assert!(slowest.iter().all(|took| *took < WITHIN), "{slowest:?}");

    stop.store(true, Ordering::Relaxed);
    let written = load.await.expect("the load ends in order");
    let head = log.head().await.expect("a head");
    assert_eq!(head, Position(written));
    reached(pool, head.0, "at the end").await;
    let client = pool.get().await.expect("a connection");
    let row = client.query_one("SELECT count(*) FROM read_runs.runs", &[]).await.expect("a row");
    assert_eq!(row.get::<_, i64>(0), i64::try_from(written).expect("a count"));
    let verified = cluster.command("verify").status().await.expect("it runs");
    assert!(verified.success(), "the read models differ from a fresh fold");
}
