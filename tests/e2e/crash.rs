//! Real processes are killed in the middle of 1,000 concurrent commands of every kind. Afterwards every
//! acknowledged command is there once, whatever was not acknowledged is there wholly or not at all
//! and can be sent again, and the read models equal a fresh fold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use weir_events::EventLog;
use weir_tests::{Caller, Weir, signal};

const COMMANDS: usize = 1_000;
/// After how many answers the strike comes.
const STRIKE: usize = 300;
/// How many datasets the renames share, so that they meet.
const RENAMED: usize = 10;

/// What a command does; they take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Two events in one commit.
    Workspace,
    /// A file, an event and a name; a worker reads it.
    Upload,
    /// A fact on a subject that all of them share.
    Query,
    /// A guard on a subject that others change too, and two names.
    Rename,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Workspace, Self::Upload, Self::Query, Self::Rename];

    fn of(n: usize) -> Self {
        Self::ALL[n % Self::ALL.len()]
    }
}

/// What came of one command: the id of what it made if it was acknowledged.
struct Outcome {
    n: usize,
    id: Option<String>,
    took: Duration,
}

/// Somebody with files to rename and to query.
struct Storm {
    caller: Caller,
    renamed: Vec<String>,
}

impl Storm {
    async fn prepare(weir: &Weir) -> Self {
        let caller = weir.register("ada").await;
        let mut renamed = Vec::new();
        for n in 0..RENAMED {
            let dataset = caller.upload(&format!("renamed_{n}"), b"a\n1\n".to_vec()).await;
            renamed.push(dataset["id"].as_str().expect("an id").to_owned());
        }
        caller.upload_sample("airlines.csv").await;
        Self { caller, renamed }
    }

    /// Sends a command; which one, its number says.
    async fn command(&self, n: usize) -> Outcome {
        let began = Instant::now();
        let (request, made, field) = match Kind::of(n) {
            Kind::Workspace => {
                let body = json!({"name": format!("crash {n}")});
                (self.caller.post("/api/v1/workspaces").json(&body), StatusCode::CREATED, "id")
            }
            Kind::Upload => {
                let path = format!("/api/v1/datasets?name=crash_{n}");
                let request = self.caller.post(&path).header("content-type", "text/csv");
                (request.body(format!("n\n{n}\n")), StatusCode::ACCEPTED, "id")
            }
            Kind::Query => {
                let body = json!({"sql": format!("SELECT {n} AS n, count(*) AS c FROM airlines")});
                (self.caller.post("/api/v1/queries").json(&body), StatusCode::OK, "run_id")
            }
            Kind::Rename => {
                let path = format!("/api/v1/datasets/{}", self.renamed[n / Kind::ALL.len() % RENAMED]);
                let body = json!({"name": format!("renamed_by_{n}")});
                (self.caller.request(Method::PATCH, &path).json(&body), StatusCode::OK, "id")
            }
        };
        let request =
            request.header("idempotency-key", format!("crash-{n}")).timeout(Duration::from_secs(20));
        let id = match request.send().await {
            Ok(answer) if answer.status() == made => {
                // The status line was the acknowledgement; a body cut off by the crash has no id.
                answer.json::<Value>().await.ok().and_then(|b| b[field].as_str().map(str::to_owned))
            }
            _ => None,
        };
        Outcome { n, id, took: began.elapsed() }
    }

    /// Sends all commands with 100 on the way at once; after some answers calls `strike`. Says how
    /// long the slowest answer before it took, too.
    async fn rage(&self, strike: impl FnOnce()) -> (Vec<Outcome>, Duration) {
        let mut strike = Some(strike);
        let mut slowest_before = Duration::ZERO;
        let mut outcomes = Vec::with_capacity(COMMANDS);
        let mut running = stream::iter(0..COMMANDS).map(|n| self.command(n)).buffer_unordered(100);
        while let Some(outcome) = running.next().await {
            outcomes.push(outcome);
            if outcomes.len() == STRIKE {
                slowest_before = outcomes.iter().map(|o| o.took).max().expect("some");
                strike.take().expect("once")();
            }
        }
        (outcomes, slowest_before)
    }

    /// Sends a command until it is acknowledged: its first try may still hold the key for a moment.
    async fn settle(&self, n: usize) -> Outcome {
        for _ in 0..600 {
            let outcome = self.command(n).await;
            if outcome.id.is_some() {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("command {n} is never acknowledged")
    }

    /// Everything in a list.
    async fn all(&self, path: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let mut page = self.caller.read(&format!("{path}{sign}limit=200{cursor}")).await;
            all.append(page["items"].as_array_mut().expect("items"));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// The ids of what there is of each kind that commands make, as of a position.
    async fn made(&self, position: u64) -> BTreeMap<Kind, Vec<String>> {
        let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let at = format!("min_position={position}");
        let mut made = BTreeMap::new();
        let workspaces = self.all(&format!("/api/v1/workspaces?{at}")).await;
        let workspaces = workspaces.iter().filter(|w| text(w, "name").starts_with("crash ")).inspect(|w| {
            assert_eq!(w["role"], "owner", "made whole, with its owner: {w}");
        });
        made.insert(Kind::Workspace, workspaces.map(|w| text(w, "id")).collect());
        let datasets = self.all(&format!("/api/v1/datasets?{at}")).await;
        let uploads = datasets.iter().filter(|d| text(d, "name").starts_with("crash_"));
        made.insert(Kind::Upload, uploads.map(|d| text(d, "id")).collect());
        let runs = self.all(&format!("/api/v1/runs?status=ok&{at}")).await;
        made.insert(Kind::Query, runs.iter().map(|r| text(r, "run_id")).collect());
        made
    }

    /// A position behind everything so far.
    async fn position(&self) -> u64 {
        let body = json!({"name": "marker"});
        let answer = self.caller.make("/api/v1/workspaces", &body, StatusCode::CREATED).await;
        answer["position"].as_u64().expect("a position")
    }

    #[expect(clippy::print_stdout, reason = "how much of the storm got through is worth seeing")]
    async fn afterwards(&self, weir: &Weir, outcomes: &[Outcome]) {
        let acknowledged =
            |kind| outcomes.iter().filter(move |o| Kind::of(o.n) == kind).filter_map(|o| o.id.as_ref());
        let answered = outcomes.iter().filter(|o| o.id.is_some()).count();
        let of = |kind| format!("{} {kind:?}", acknowledged(kind).count());
        println!("{answered} of {COMMANDS} commands were acknowledged: {}", Kind::ALL.map(of).join(", "));
        assert!(answered >= STRIKE / 2, "the storm had begun before the strike");
        let there = self.made(projected(weir, self.position().await).await).await;
        for (kind, ids) in &there {
            let distinct: BTreeSet<&String> = ids.iter().collect();
            assert_eq!(distinct.len(), ids.len(), "none of {kind:?} is there twice");
            let lost: Vec<_> = acknowledged(*kind).filter(|id| !distinct.contains(id)).collect();
            assert!(lost.is_empty(), "{kind:?} lost: {lost:?}");
        }

        // What was not acknowledged is sent again under its key, and then everything is there once.
        let again: Vec<usize> = outcomes.iter().filter(|o| o.id.is_none()).map(|o| o.n).collect();
        stream::iter(again).map(|n| self.settle(n)).buffer_unordered(50).collect::<Vec<_>>().await;
        let there = self.made(projected(weir, self.position().await).await).await;
        for (kind, ids) in &there {
            let distinct: BTreeSet<&String> = ids.iter().collect();
            let each = COMMANDS / Kind::ALL.len();
            assert_eq!((ids.len(), distinct.len()), (each, each), "{kind:?}");
        }
        // Every file is read, once; every rename is whole.
        let datasets = self.ready().await;
        for dataset in &datasets {
            assert_eq!((&dataset["status"], &dataset["version"]), (&json!("ready"), &json!(1)), "{dataset}");
        }
        let names: BTreeSet<&str> = datasets.iter().filter_map(|d| d["name"].as_str()).collect();
        assert_eq!(names.len(), datasets.len(), "no name is taken twice");
        assert_eq!(names.iter().filter(|name| name.starts_with("renamed_by_")).count(), RENAMED);

        equal_to_a_fresh_fold(weir).await;
    }

    /// All datasets, once their files have been read; a worker that was killed is silent for half a
    /// minute before another one takes its file.
    async fn ready(&self) -> Vec<Value> {
        for _ in 0..600 {
            if self.all("/api/v1/datasets?status=ingesting").await.is_empty() {
                return self.all("/api/v1/datasets").await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("some files are never read")
    }
}

/// The position, once the read models have reached it.
async fn projected(weir: &Weir, position: u64) -> u64 {
    let url = weir.runtime()["database_url"].as_str().expect("a database").to_owned();
    wait_for(&weir_infra::postgres::connect(&url, 1).expect("a pool"), position).await;
    position
}

/// Folds the whole stream afresh beside the live read models and compares table by table.
async fn equal_to_a_fresh_fold(weir: &Weir) {
    let runtime = weir.runtime();
    let text = |key: &str| runtime[key].as_str().unwrap_or_else(|| panic!("{key} in {runtime}")).to_owned();
    let nats = weir_infra::nats::connect(&text("nats_url")).await.expect("NATS");
    let log = weir_infra::log::JetStreamLog::connect(nats, Default::default()).await.expect("the log");
    let pool = weir_infra::postgres::connect(&text("database_url"), 4).expect("a pool");
    let log: Arc<dyn EventLog> = Arc::new(log);
    wait_for(&pool, log.head().await.expect("a head").0).await;
    let all = weir_projector::projections::all();
    let differences = weir_projector::verify(&log, &pool, &all, &all, |_| {}).await.expect("a fresh fold");
    assert!(differences.is_empty(), "{differences:?}");
}

async fn wait_for(pool: &weir_infra::postgres::Pool, position: u64) {
    let position = i64::try_from(position).expect("it fits");
    for _ in 0..600 {
        let client = pool.get().await.expect("a connection");
        let row =
            client.query_one("SELECT min(position) FROM read.checkpoint", &[]).await.expect("a checkpoint");
        if row.get::<_, i64>(0) >= position {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the read models did not reach {position}");
}

#[tokio::test(flavor = "multi_thread")]
async fn weir_is_killed_in_the_middle_of_a_thousand_commands() {
    let mut weir = Weir::start().await;
    let mut storm = Storm::prepare(&weir).await;
    let pid = weir.pid();
    let (outcomes, _) = storm.rage(|| signal(pid, Signal::KILL)).await;
    // Those on the way at that moment, and all that came later.
    let cut = outcomes.iter().filter(|o| o.id.is_none()).count();
    assert!(cut > COMMANDS - STRIKE - 100, "only {cut} commands were cut off");
    weir.kill().await;
    weir.restart().await;
    weir.url().clone_into(&mut storm.caller.url);
    storm.afterwards(&weir, &outcomes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_killed_in_the_middle_of_a_thousand_commands() {
    let (outcomes, slowest_before) = server_is_killed("nats_pid").await;
    // No command works without the log: those on the way fail, or are answered once it is back.
    let interrupted = outcomes.iter().filter(|o| o.id.is_none() || o.took > slowest_before).count();
    assert!(interrupted > 0, "the strike interrupted nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_in_the_middle_of_a_thousand_commands() {
    // Commands do not need it: what is interrupted is the projector.
    server_is_killed("postgres_pid").await;
}

/// Weir itself stays up and starts the server again.
async fn server_is_killed(key: &str) -> (Vec<Outcome>, Duration) {
    let weir = Weir::start().await;
    let storm = Storm::prepare(&weir).await;
    let pid = u32::try_from(weir.runtime()[key].as_u64().expect("a pid")).expect("a pid");
    let (outcomes, slowest_before) = storm.rage(|| signal(pid, Signal::KILL)).await;
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let ready = storm.caller.get("/health/ready").send().await;
        if ready.is_ok_and(|r| r.status() == StatusCode::OK) {
            break;
        }
        assert!(Instant::now() < until, "not ready half a minute after the storm");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_ne!(weir.runtime()[key].as_u64(), Some(u64::from(pid)), "another process took over");
    if key == "postgres_pid" {
        let metrics = storm.caller.get("/metrics").send().await.unwrap().text().await.unwrap();
        let retries = metrics.lines().find_map(|line| line.strip_prefix("weir_projector_retries_total "));
        assert!(retries.expect("the metric").parse::<f64>().unwrap() > 0.0, "the strike interrupted nothing");
    }
    storm.afterwards(&weir, &outcomes).await;
    (outcomes, slowest_before)
}
