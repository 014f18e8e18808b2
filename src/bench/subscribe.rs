//! Commands over HTTP, by themselves and while subscribers follow the events over as many connections: whether the
//! commands get slower, how soon an event is with everybody who subscribes to its workspace, and what a subscriber
//! costs. Every subscriber has to get each event of its workspace once, in order, and no other.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use chrono::Utc;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
};
use uuid::Uuid;
use weir_events::{UserId, WorkspaceId};
use weir_infra::auth::{SessionId, SigningKey, Tokens};

use super::{
    Case, Report, Target,
    load::{self, Times},
    process,
    server::Weir,
};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Subscribers at once, each over a connection of its own.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Workspaces that they, and the commands, are divided among.
    #[arg(long, default_value_t = 50)]
    workspaces: usize,
    /// Commands per second.
    #[arg(long, default_value_t = 50)]
    commands: u32,
    /// Times that commands are measured without and with subscribers, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Folder with the programs of the servers.
    #[arg(long, env = "WEIR_BIN_DIR", default_value = ".weir/bin")]
    bin_dir: PathBuf,
    /// Folder for the measurement's own data, on the disk to measure.
    #[arg(long, default_value = ".weir/bench")]
    scratch: PathBuf,
}

/// A subscriber's workspace, and when it had which of its events.
type Heard = (usize, Vec<(u64, Instant)>);

/// Measures and prints.
///
/// # Errors
/// When Weir or its servers do not start, a command is refused, or a subscriber misses an event or gets one twice.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        args.subscribers > 0
            && args.workspaces > 0
            && args.commands > 0
            && args.rounds > 0
            && args.seconds > 0.0,
        "there must be something to measure"
    );
    let folder = args.scratch.join(std::process::id().to_string());
    let data = std::path::absolute(folder.join("data"))?;
    let weir = Weir::start(&args.bin_dir, &folder, &data).await?;
    let report = measure(&args, &weir, &data).await;
    weir.stop().await?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    report?.print(args.json)
}

async fn measure(args: &Args, weir: &Weir, data: &Path) -> anyhow::Result<Report> {
    let doors = doors(weir.address, data, args.workspaces).await?;
    weir.rest().await;
    // What is done for the first time takes longer.
    let mut said = 0;
    command(weir.address, &doors, args, &mut said).await?;
    let (mut alone, mut among, mut delays) = (Times::default(), Times::default(), Times::default());
    let (mut bytes, mut share) = (0_u64, 0.0);
    for _ in 0..args.rounds {
        alone.add(times(&command(weir.address, &doors, args, &mut said).await?));

        let before = weir.pid().and_then(process::memory_of);
        let (done, ending) = watch::channel(None);
        let mut subscribers = JoinSet::new();
        for n in 0..args.subscribers {
            let which = n % doors.len();
            let subscriber = Subscriber::open(weir.address, &doors[which]).await?;
            subscribers.spawn(subscriber.follow(which, ending.clone()));
        }
        if let Some((before, after)) = before.zip(weir.pid().and_then(process::memory_of)) {
            bytes = bytes.max(after.saturating_sub(before) / args.subscribers as u64);
        }
        let quiet = (weir.pid().and_then(process::of), Instant::now());
        tokio::time::sleep(Duration::from_secs_f64(args.seconds)).await;
        if let Some((before, after)) = quiet.0.zip(weir.pid().and_then(process::of)) {
            share += (after - before).as_secs_f64() / quiet.1.elapsed().as_secs_f64();
        }

        let commands = command(weir.address, &doors, args, &mut said).await?;
        among.add(times(&commands));
        let last = commands.iter().map(|command| command.position).max();
        done.send_replace(last);
        delays.add(received(&commands, subscribers, last).await?);
    }
    let memory = bytes as f64 / 1024.0;
    Ok(report(args, [alone, among, delays], memory, share / f64::from(args.rounds) * 100.0))
}

/// A workspace, and the token of somebody who owns it.
struct Door {
    workspace: WorkspaceId,
    token: String,
}

/// Registers an account and makes workspaces of it.
async fn doors(address: SocketAddr, data: &Path, count: usize) -> anyhow::Result<Vec<Door>> {
    let account = serde_json::json!({
        "email": "bench@example.org", "password": Uuid::new_v4().to_string(), "name": "Bench"
    });
    let account = post(address, "/api/v1/auth/register", None, &account).await?;
    let user: UserId = serde_json::from_value(account["user"]["id"].clone()).context("no user")?;
    let token = account["access_token"].as_str().context("no token")?;
    let tokens = Tokens::new(&SigningKey::from_file_or_generate(&data.join("secrets/signing-key"))?);
    let mut doors = Vec::new();
    for n in 0..count {
        let body = serde_json::json!({ "name": format!("Workspace {n}") });
        let made = post(address, "/api/v1/workspaces", Some(token), &body).await?;
        let workspace: WorkspaceId = serde_json::from_value(made["id"].clone()).context("no workspace")?;
        let (token, _) = tokens.issue(user, workspace, SessionId(Uuid::new_v4()), Utc::now())?;
        doors.push(Door { workspace, token });
    }
    Ok(doors)
}

async fn post(address: SocketAddr, path: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Value> {
    let answer = load::ask(address, &request("POST", path, address, token, &body.to_string())).await?;
    ensure!(answer.status == 201, "{path} answers {}: {}", answer.status, answer.text());
    Ok(serde_json::from_slice(&answer.body)?)
}

fn request(method: &str, path: &str, address: SocketAddr, token: Option<&str>, body: &str) -> Bytes {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    Bytes::from(format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    ))
}

/// A command that was acknowledged.
struct Command {
    workspace: usize,
    position: u64,
    took: Duration,
    acknowledged: Instant,
}

fn times(commands: &[Command]) -> Times {
    let mut times = Times::default();
    for command in commands {
        times.push(command.took);
    }
    // Sorts.
    times.add(Times::default());
    times
}

/// Sends commands at an even pace, whether or not those before are answered.
async fn command(
    address: SocketAddr,
    doors: &[Door],
    args: &Args,
    said: &mut usize,
) -> anyhow::Result<Vec<Command>> {
    let mut every = tokio::time::interval(Duration::from_secs_f64(1.0 / f64::from(args.commands)));
    let mut sent = JoinSet::new();
    for _ in 0..(args.seconds * f64::from(args.commands)).ceil() as usize {
        every.tick().await;
        *said += 1;
        let workspace = *said % doors.len();
        let door = &doors[workspace];
        // Never the name that it has.
        let body = format!("{{\"name\":\"Workspace {said}\"}}");
        let path = format!("/api/v1/workspaces/{}", door.workspace);
        let request = request("PATCH", &path, address, Some(&door.token), &body);
        sent.spawn(async move {
            let asked = Instant::now();
            let answer = load::ask(address, &request).await?;
            let (took, acknowledged) = (asked.elapsed(), Instant::now());
            ensure!(answer.status == 200, "a command answers {}: {}", answer.status, answer.text());
            let position = serde_json::from_slice::<Value>(&answer.body)?["position"].as_u64();
            Ok(Command { workspace, position: position.context("no position")?, took, acknowledged })
        });
    }
    let mut commands = Vec::new();
    while let Some(command) = sent.join_next().await {
        commands.push(command??);
    }
    Ok(commands)
}

/// Who follows the events of a workspace.
struct Subscriber {
    stream: TcpStream,
    /// What has come and is no whole line yet.
    rest: Vec<u8>,
}

impl Subscriber {
    /// Subscribes to what happens from now on; done when the server has said so.
    async fn open(address: SocketAddr, door: &Door) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await.context("cannot connect")?;
        let token = &door.token;
        let request = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Accept: text/event-stream\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut rest = Vec::new();
        let head = loop {
            ensure!(stream.read_buf(&mut rest).await? > 0, "the connection was closed");
            if let Some(end) = rest.windows(4).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let status = String::from_utf8_lossy(&rest[..head]).into_owned();
        ensure!(status.starts_with("HTTP/1.1 200 "), "no subscription: {status}");
        rest.drain(..head);
        Ok(Self { stream, rest })
    }

    /// Follows until everything up to a position that it is told in the end is there. The workspace, and which events
    /// came when.
    async fn follow(
        mut self,
        workspace: usize,
        mut ending: watch::Receiver<Option<u64>>,
    ) -> anyhow::Result<Heard> {
        let (mut came, mut seen, mut id) = (Vec::new(), 0, 0);
        loop {
            if ending.borrow().is_some_and(|last| seen >= last) {
                return Ok((workspace, came));
            }
            let read = tokio::select! {
                read = self.stream.read_buf(&mut self.rest) => read?,
                changed = ending.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ok((workspace, came)),
                },
            };
            ensure!(read > 0, "a subscription was ended");
            let now = Instant::now();
            // Chunks begin where messages do, so that no line is cut by a chunk's length.
            let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in self.rest[..whole].split(|byte| *byte == b'\n') {
                let line = std::str::from_utf8(line)?.trim_end();
                if let Some(position) = line.strip_prefix("id:") {
                    id = position.trim().parse().context("an id that is no position")?;
                    seen = seen.max(id);
                } else if line.starts_with("data:") && line.contains("weir.workspace.renamed") {
                    came.push((id, now));
                }
            }
            self.rest.drain(..whole);
        }
    }
}

/// Compares what subscribers got with what was commanded; how long it took from each acknowledgement.
async fn received(
    commands: &[Command],
    mut subscribers: JoinSet<anyhow::Result<Heard>>,
    last: Option<u64>,
) -> anyhow::Result<Times> {
    let mut wanted: HashMap<usize, Vec<&Command>> = HashMap::new();
    for command in commands {
        wanted.entry(command.workspace).or_default().push(command);
    }
    for commands in wanted.values_mut() {
        commands.sort_unstable_by_key(|command| command.position);
    }
    let mut delays = Times::default();
    while let Some(subscriber) = subscribers.join_next().await {
        let (workspace, came) = subscriber??;
        let wanted = wanted.get(&workspace).map(Vec::as_slice).unwrap_or_default();
        let positions: Vec<u64> = came.iter().map(|(position, _)| *position).collect();
        if !wanted.iter().map(|command| command.position).eq(positions.iter().copied()) {
            let wanted: Vec<u64> = wanted.iter().map(|command| command.position).collect();
            bail!("a subscriber was to get {wanted:?} up to {last:?} and got {positions:?}");
        }
        for (command, (_, at)) in wanted.iter().zip(&came) {
            // It may be there before the command's own answer is.
            delays.push(at.saturating_duration_since(command.acknowledged));
        }
    }
    delays.add(Times::default());
    Ok(delays)
}

fn report(args: &Args, [alone, among, delays]: [Times; 3], memory: f64, share: f64) -> Report {
    let subscribers = args.subscribers;
    let mut cases = Vec::new();
    for (name, at, wanted) in [
        ("p50", 0.5, Some(Target::AtMost(1.5))),
        ("p95", 0.95, None),
        ("p99", 0.99, Some(Target::AtMost(2.0))),
    ] {
        let name = format!("{name} of a command, {subscribers} subscribers beside none");
        cases.push(Case::new(name, "ms", alone.at(at), among.at(at), wanted));
    }
    for (name, at) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let name = format!("{name} from acknowledged to a subscriber");
        cases.push(Case::new(name, "ms", None, delays.at(at), None));
    }
    cases.push(Case::new("memory of a subscriber".to_owned(), "KiB", None, memory, None));
    cases.push(Case::new("processor while nothing happens".to_owned(), "% of one", None, share, None));
    let notes = vec![
        format!(
            "{} commands/s in {} workspaces, {} events handed on; each subscriber had each of its events once, in order",
            args.commands,
            args.workspaces,
            delays.count()
        ),
        "who subscribes shares the processors with who serves".to_owned(),
    ];
    Report { name: "subscribe", cases, notes }
}
