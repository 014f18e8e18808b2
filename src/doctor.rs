//! `weir doctor`: what Weir uses, and what is wrong with it. Starts nothing, and leaves everything as it is: whether a
//! folder can be written it finds out with a file that it removes again.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use weir_infra::{
    blob, cache,
    llm::{self, Model},
    log::{self, STREAM},
    nats, postgres,
    servers::{leftover, programs},
};

use crate::{
    lifecycle::Signals,
    parts,
    servers::Runtime,
    settings::{Limits, Settings, masked},
    web::say,
};

/// How long each part may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How a part is.
enum State {
    Fine,
    /// Works, with something missing.
    Degraded,
    /// Weir cannot work like this.
    Wrong,
}

#[derive(Default)]
struct Report {
    wrong: usize,
}

impl Report {
    fn line(&mut self, state: State, part: &str, text: &str) {
        let mark = match state {
            State::Fine => "ok      ",
            State::Degraded => "degraded",
            State::Wrong => {
                self.wrong += 1;
                "WRONG   "
            }
        };
        say(&format!("{mark}  {part:<13} {text}"));
    }

    fn result(&mut self, part: &str, result: anyhow::Result<String>) -> bool {
        match result {
            Ok(text) => {
                self.line(State::Fine, part, &text);
                true
            }
            Err(error) => {
                self.line(State::Wrong, part, &format!("{error:#}"));
                false
            }
        }
    }
}

pub(crate) async fn run(settings: &Settings, signals: &mut Signals) -> anyhow::Result<()> {
    let wrong = signals.interruptible(async { Ok(examine(settings).await) }).await?;
    match wrong {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        n => bail!("{n} things are wrong"),
    }
}

async fn examine(settings: &Settings) -> usize {
    let mut report = Report::default();
    let running = Runtime::running(&settings.data_dir);
    let file = settings.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    report.line(State::Fine, "weir", &format!("{}, settings file: {file}", env!("CARGO_PKG_VERSION")));
    report.result("data folder", data_folder(&settings.data_dir, running.as_ref()));
    report.result("signing key", signing_key(settings));
    http(settings, running.as_ref(), &mut report).await;

    let url = |given: &Option<String>, of: fn(&Runtime) -> &String| {
        given.clone().or_else(|| running.as_ref().map(of).filter(|url| !url.is_empty()).cloned())
    };
    let mut head = None;
    match url(&settings.nats_url, |r| &r.nats_url) {
        Some(url) => head = event_log(&url, settings.nats_replicas, &mut report).await,
        None => program(&programs::NATS, settings, &mut report),
    }
    match url(&settings.database_url, |r| &r.database_url) {
        Some(url) => read_models(&url, head, &mut report).await,
        None => program(&programs::POSTGRES, settings, &mut report),
    }
    report.result("blob store", blobs(settings));
    language_model(settings, &mut report).await;
    let Limits { cache_bytes, result_cache_bytes, .. } = settings.limits;
    let megabytes = |bytes: u64| bytes >> 20;
    report.line(
        State::Fine,
        "cache",
        &format!(
            "in memory: {} MiB for answers, {} MiB for results of queries",
            megabytes(cache_bytes),
            megabytes(result_cache_bytes)
        ),
    );
    shared_cache(settings, &mut report).await;
    report.wrong
}

/// Without it, or while it does not answer, Weir is slower and nothing else.
async fn shared_cache(settings: &Settings, report: &mut Report) {
    const PART: &str = "shared cache";
    let Some(url) = &settings.redis_url else {
        return report.line(State::Fine, PART, "in memory only: no redis_url");
    };
    let shown = masked(url);
    match cache::inspect(url, ANSWER).await {
        Ok(cache::Found { product, version, policy, max_memory }) => {
            let bounded = match max_memory {
                0 => "no maxmemory".to_owned(),
                bytes => format!("{} MiB at most", bytes >> 20),
            };
            // A full one that evicts nothing takes nothing new either, until what it has is too old.
            let full = max_memory > 0 && policy == "noeviction";
            let remark =
                if full { ": once it is full it takes nothing new; allkeys-lru is better" } else { "" };
            let state = if full { State::Degraded } else { State::Fine };
            let text = format!("{product} {version} at {shown}: reachable, {bounded}, {policy}{remark}");
            report.line(state, PART, &text);
        }
        Err(cache::InspectError::Address(error)) => report.line(State::Wrong, PART, &error.to_string()),
        Err(error) => report.line(State::Degraded, PART, &format!("{shown}: {error}; Weir works without it")),
    }
}

fn data_folder(folder: &Path, running: Option<&Runtime>) -> anyhow::Result<String> {
    let shown = folder.display();
    if !folder.exists() {
        return Ok(format!("{shown}, not there yet; the first `weir up` makes it"));
    }
    parts::writable(folder).with_context(|| format!("{shown} cannot be written"))?;
    Ok(match running {
        Some(running) => format!("{shown}, in use by weir with process id {}", running.pid),
        None => format!("{shown}, no weir runs on it"),
    })
}

fn signing_key(settings: &Settings) -> anyhow::Result<String> {
    let path = settings.secrets().join("signing-key");
    if settings.signing_key.is_none() && !path.exists() {
        return Ok("generated at the first start".to_owned());
    }
    settings.signing_key()?;
    Ok(if settings.signing_key.is_some() {
        "configured".to_owned()
    } else {
        format!("kept in {}", path.display())
    })
}

async fn http(settings: &Settings, running: Option<&Runtime>, report: &mut Report) {
    let Some(url) = running.and_then(|running| running.http.clone()) else {
        let address = settings.listen.address;
        return match std::net::TcpListener::bind(address) {
            Ok(_) => report.line(State::Fine, "http", &format!("not running; would listen on {address}")),
            Err(error) => {
                let text = format!("not running; {address} cannot be listened on: {error}");
                report.line(State::Degraded, "http", &text);
            }
        };
    };
    let address = url.trim_start_matches("http://").to_owned();
    match timeout(ANSWER, TcpStream::connect(&address)).await {
        Ok(Ok(_)) => report.line(State::Fine, "http", &format!("{url}: reachable")),
        Ok(Err(error)) => report.line(State::Wrong, "http", &format!("{url}: not reachable: {error}")),
        Err(_) => report.line(State::Wrong, "http", &format!("{url}: not reachable in time")),
    }
}

/// A server that would be a child, but is not running.
fn program(wanted: &programs::Wanted, settings: &Settings, report: &mut Report) {
    if let Some(left) = leftover::noted(&settings.data_dir.join("run"), wanted.name) {
        let text =
            format!("process {} runs without its Weir, which was killed; the next start stops it", left.pid);
        return report.line(State::Degraded, wanted.name, &text);
    }
    let found = wanted.find(&programs::folders(&settings.bin_dirs));
    report.result(
        wanted.name,
        found.map_err(Into::into).map(|program| {
            format!("{} at {}, not running; `weir up` starts it", program.version, program.path.display())
        }),
    );
}

/// The event log's last position, if it is there.
async fn event_log(url: &str, replicas: usize, report: &mut Report) -> Option<u64> {
    let shown = masked(url);
    let client = match timeout(ANSWER, nats::connect(url)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            report.line(State::Wrong, "nats-server", &format!("{shown}: not reachable: {error}"));
            return None;
        }
        Err(_) => {
            report.line(State::Wrong, "nats-server", &format!("{shown}: not reachable in time"));
            return None;
        }
    };
    let version = client.server_info().version.clone();
    let new_enough = programs::Version::find_in(&version)
        .zip(programs::Version::find_in(programs::NATS.needed))
        .is_some_and(|(found, needed)| found >= needed);
    let state = if new_enough { State::Fine } else { State::Wrong };
    let needed = programs::NATS.needed;
    let remark = if new_enough { String::new() } else { format!(", needed >= {needed}") };
    report.line(state, "nats-server", &format!("{version}{remark} at {shown}: reachable"));

    let subject = format!("$JS.API.STREAM.INFO.{STREAM}");
    let reply = match timeout(ANSWER, client.request(subject, "".into())).await {
        Ok(Ok(reply)) => serde_json::from_slice::<Value>(&reply.payload).unwrap_or_default(),
        Ok(Err(error)) => {
            report.line(State::Wrong, "event stream", &format!("JetStream does not answer: {error}"));
            return None;
        }
        Err(_) => {
            report.line(State::Wrong, "event stream", "JetStream does not answer in time");
            return None;
        }
    };
    if let Some(error) = reply.get("error") {
        let absent = error["err_code"] == 10059;
        let state = if absent { State::Degraded } else { State::Wrong };
        let text =
            if absent { "not there yet; the first start makes it".to_owned() } else { error.to_string() };
        report.line(state, "event stream", &text);
        return None;
    }
    let (now, config) = (&reply["state"], &reply["config"]);
    let there = format!(
        "{STREAM}: {} events, last position {}, {} bytes",
        now["messages"], now["last_seq"], now["bytes"]
    );
    let options = log::Options { replicas, ..log::Options::default() };
    let checked = serde_json::from_value(config.clone())
        .context("the stream's settings cannot be read")
        .and_then(|found| Ok(log::check_stream(&found, &options)?));
    report.result("event stream", checked.map(|()| there));
    let settings: Vec<String> =
        ["storage", "num_replicas", "retention", "discard", "compression", "allow_atomic"]
            .iter()
            .filter_map(|key| Some(format!("{key} {}", config.get(key)?.to_string().trim_matches('"'))))
            .collect();
    report.line(State::Fine, "", &settings.join(", "));
    // The server does not tell how often it syncs, so it can only be said for one of Weir's own.
    now["last_seq"].as_u64()
}

async fn read_models(url: &str, head: Option<u64>, report: &mut Report) {
    let shown = masked(url);
    let look = async {
        let pool = postgres::connect(url, 1)?;
        let client = pool.get().await.with_context(|| format!("{shown}: not reachable"))?;
        let version: String = client.query_one("SHOW server_version", &[]).await?.try_get(0)?;
        let at = "SELECT to_regclass('read.checkpoint') IS NOT NULL";
        let there: bool = client.query_one(at, &[]).await?.try_get(0)?;
        let position: Option<i64> = match there {
            true => client.query_one("SELECT min(position) FROM read.checkpoint", &[]).await?.try_get(0)?,
            false => None,
        };
        anyhow::Ok((version, position))
    };
    let found = timeout(ANSWER * 2, look).await.unwrap_or_else(|_| bail_late(&shown));
    let position = match found {
        Ok((version, position)) => {
            let old = programs::Version::find_in(&version)
                .zip(programs::Version::find_in(programs::POSTGRES.needed))
                .is_none_or(|(found, needed)| found < needed);
            let (state, remark) = if old { (State::Wrong, ", needed >= 16") } else { (State::Fine, "") };
            report.line(state, "postgres", &format!("{version}{remark} at {shown}: reachable"));
            position.and_then(|position| u64::try_from(position).ok())
        }
        Err(error) => return report.line(State::Wrong, "postgres", &format!("{error:#}")),
    };
    match (position, head) {
        (Some(position), Some(head)) => {
            let behind = head.saturating_sub(position);
            let state = if behind > 10_000 { State::Degraded } else { State::Fine };
            report.line(
                state,
                "read models",
                &format!("position {position}, {behind} events behind the log"),
            );
        }
        (Some(position), None) => report.line(State::Fine, "read models", &format!("position {position}")),
        (None, _) => report.line(State::Degraded, "read models", "not there yet; the first start makes them"),
    }
}

fn bail_late<T>(shown: &str) -> anyhow::Result<T> {
    bail!("{shown}: not reachable in time")
}

/// Whether questions in plain language can be asked. The model itself is asked nothing, which would cost.
async fn language_model(settings: &Settings, report: &mut Report) {
    let part = "model";
    let Some(config) = settings.model.clone() else {
        let text =
            "none configured: questions are asked in SQL, or with keys of people's own; set model_name";
        return report.line(State::Fine, part, text);
    };
    let config = llm::Config { timeout: ANSWER, ..config };
    let made = llm::Client::new().context("model").and_then(|client| Ok(Model::new(&client, config)?));
    let model = match made {
        Ok(model) => model,
        Err(error) => return report.line(State::Wrong, part, &format!("{error:#}")),
    };
    let shown = format!("{} at {}", model.name(), model.address());
    match model.probe().await {
        Ok(()) => report.line(State::Fine, part, &format!("{shown}: reachable")),
        // Everything but questions works without it.
        Err(error) => report.line(State::Degraded, part, &format!("{shown}: {error}")),
    }
}

fn blobs(settings: &Settings) -> anyhow::Result<String> {
    let location = &settings.blob_url;
    let folder = location.strip_prefix("file://").unwrap_or(location);
    if !folder.contains("://") && !Path::new(folder).exists() {
        return Ok(format!("{folder}, not there yet; the first start makes it"));
    }
    blob::open(location)?;
    if !folder.contains("://") {
        parts::writable(Path::new(folder)).with_context(|| format!("{folder} cannot be written"))?;
    }
    Ok(format!("{}: reachable", if folder.contains("://") { masked(location) } else { folder.to_owned() }))
}
