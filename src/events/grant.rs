//! `weir events grant`, `grants` and `revoke`: keys that read one workspace's events straight from NATS.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;
use weir_events::{EventLog, Filter, Position, WorkspaceId};
use weir_infra::{
    grants::{self, API_PREFIX, Grant, Grants, New},
    log::STREAM,
    servers::nats,
};

use crate::{
    lifecycle::Signals,
    parts,
    servers::{Servers, without_credentials},
    settings::Settings,
    web::say,
};

/// How long the server may take to let a new key in.
const USABLE_WITHIN: Duration = Duration::from_secs(20);
/// How long it has before it is told again, or asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(super) struct Give {
    /// Whose events
    #[arg(long, value_name = "ID")]
    workspace: WorkspaceId,
    /// What to call it, to know it again
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,
    /// Begin after this position; without it, with the workspace's first event
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct Revoke {
    /// The grant's id
    #[arg(value_name = "ID")]
    id: Uuid,
}

pub(super) enum What {
    Give(Give),
    List(List),
    Revoke(Revoke),
}

pub(super) async fn run(settings: &Settings, what: What, signals: &mut Signals) -> anyhow::Result<()> {
    let servers = signals.interruptible(Servers::reach(settings)).await?;
    let result = async {
        let (client, log) = parts::event_log(settings, &servers, &weir_infra::metrics::registry()).await?;
        let grants = Grants::new(client);
        match what {
            What::Give(what) => give(&grants, &*log, &servers, what).await,
            What::List(what) => list(&grants, &what).await,
            What::Revoke(what) => revoke(&grants, &servers, what.id).await,
        }
    };
    let result = signals.interruptible(result).await;
    servers.stop().await;
    result
}

async fn give(grants: &Grants, log: &dyn EventLog, servers: &Servers, what: Give) -> anyhow::Result<()> {
    let (head, of) = (log.head().await?, log.last(&Filter::Workspace(what.workspace)).await?);
    if of == Position::START {
        bail!("workspace: there is nothing of {}", what.workspace);
    }
    if Position(what.after) > head {
        bail!("after: the log ends at position {head}");
    }
    let (key, seed) = grants::new_key()?;
    let new = New { name: what.name, workspace: what.workspace, after: Position(what.after) };
    let address = without_credentials(&servers.nats_url);
    if let Some(run) = servers.run_of_nats() {
        let _lock = lock(run.clone()).await?;
        let grant = grants.create(new, key).await?;
        if let Err(error) = let_in(grants, &run, &address, &seed, &grant).await {
            // Nobody has the key, so that nobody misses it.
            grants.delete(grant.id).await?;
            nats::write_grants(&run, &grants.list().await?)?;
            nats::reload(&run);
            return Err(error);
        }
        tell(&grant, &address, &seed, None, what.json);
        return Ok(());
    }
    let grant = grants.create(new, key).await?;
    let configuration = format!(
        "# In the block of Weir's own account, here called {}; $G, which every server has, can export nothing.\n{}\n\
         # Beside it, in `accounts`:\n{}",
        grants::WEIR_ACCOUNT,
        grants::exports(),
        grants::account(&grant)
    );
    tell(&grant, &address, &seed, Some(&configuration), what.json);
    Ok(())
}

/// Tells the server of all grants, until the new one can be used.
async fn let_in(grants: &Grants, run: &Path, address: &str, seed: &str, grant: &Grant) -> anyhow::Result<()> {
    nats::write_grants(run, &grants.list().await?).context("the server cannot be told of the grant")?;
    let end = Instant::now() + USABLE_WITHIN;
    loop {
        nats::reload(run);
        sleep(LOOK_AGAIN).await;
        let left = end.saturating_duration_since(Instant::now());
        let why = match timeout(left, grants::usable(address, seed, grant)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            Err(_) => "it does not answer".to_owned(),
        };
        if Instant::now() >= end {
            return Err(anyhow!("nats-server does not let the new key in: {why}; see its log"));
        }
    }
}

fn tell(grant: &Grant, address: &str, seed: &str, configuration: Option<&str>, as_json: bool) {
    let Grant { id, workspace, .. } = grant;
    let consumer = grant.consumer();
    if as_json {
        let mut told = json!({
            "id": id, "name": grant.name, "workspace": workspace, "server": address, "stream": STREAM,
            "consumer": consumer, "api_prefix": API_PREFIX, "seed": seed,
        });
        if let Some(configuration) = configuration {
            told["configuration"] = configuration.into();
        }
        return say(&told.to_string());
    }
    say(&format!("The grant {id} reads the events of workspace {workspace}, and nothing else:\n"));
    say(&format!("server      {address}"));
    say(&format!("stream      {STREAM}"));
    say(&format!("consumer    {consumer}"));
    say(&format!("API prefix  {API_PREFIX}"));
    say(&format!("nkey seed   {seed}\n"));
    say("The seed is the secret. It is kept nowhere and not shown again.");
    if let Some(configuration) = configuration {
        say("\nWeir does not run this NATS server: nobody gets in until its configuration has\n");
        say(configuration);
    }
}

async fn list(grants: &Grants, what: &List) -> anyhow::Result<()> {
    let all = grants.list().await?;
    if what.json {
        say(&serde_json::to_string(&all)?);
        return Ok(());
    }
    for Grant { id, workspace, created_at, acknowledged, pending, name, .. } in all {
        let at = created_at.format("%Y-%m-%dT%H:%M:%SZ");
        say(&format!(
            "{id}  workspace {workspace}  given {at}  read up to {acknowledged}, {pending} to come  {name}"
        ));
    }
    Ok(())
}

async fn revoke(grants: &Grants, servers: &Servers, id: Uuid) -> anyhow::Result<()> {
    let run = servers.run_of_nats();
    let _lock = match &run {
        Some(run) => Some(lock(run.clone()).await?),
        None => None,
    };
    // First what is read from, then the way to it: from here on nothing is read, whatever happens.
    let was = grants.delete(id).await?;
    if let Some(run) = &run {
        nats::write_grants(run, &grants.list().await?).context("the server cannot be told")?;
        nats::reload(run);
    }
    if !was {
        bail!("there is no grant {id}");
    }
    say(&format!("The grant {id} is over."));
    if run.is_none() {
        say(&format!("Take the account \"grant-{id}\" out of the NATS server's configuration, too."));
    }
    Ok(())
}

/// One at a time: each writes what all grants are.
async fn lock(run: PathBuf) -> anyhow::Result<File> {
    let taken = tokio::task::spawn_blocking(move || {
        let file = File::create(run.join("nats-grants.lock"))?;
        file.lock()?;
        std::io::Result::Ok(file)
    });
    taken.await?.context("the grants cannot be locked")
}
