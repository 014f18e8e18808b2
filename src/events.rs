//! `weir events`: the event log as JSON lines, a workspace's events as a file, and who may read them from NATS.

mod export;
mod grant;

use anyhow::anyhow;
use futures::StreamExt;
use weir_events::{Filter, Position, Subject, WorkspaceId};
use weir_infra::http::CloudEvent;

use crate::{lifecycle::Signals, parts, servers::Servers, settings::Settings, web::say};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Print events as JSON lines as they come, until stopped
    Tail(Tail),
    /// Write a workspace's events into a file, as JSON lines or Parquet
    Export(export::Args),
    /// Make a key with which a program reads one workspace's events from NATS, and nothing else
    Grant(grant::Give),
    /// List the keys that were made, and how far each has read
    Grants(grant::List),
    /// Take a key back: its connections end, and it reads nothing more
    Revoke(grant::Revoke),
}

#[derive(clap::Args)]
struct Tail {
    /// Begin after this position; without it, with what happens from now on
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Only events of this workspace
    #[arg(long, value_name = "ID")]
    workspace: Option<WorkspaceId>,
    /// Only events on this subject
    #[arg(long, value_name = "SUBJECT", conflicts_with = "workspace")]
    subject: Option<Subject>,
    /// Only events whose type begins with this, such as weir.dataset
    #[arg(long = "type", value_name = "PREFIX")]
    kind: Option<String>,
    /// Stop at the log's end as of now
    #[arg(long)]
    no_follow: bool,
}

pub(crate) async fn run(settings: &Settings, args: Args, signals: &mut Signals) -> anyhow::Result<()> {
    let tail = match args.what {
        What::Tail(tail) => tail,
        What::Export(export) => return export::run(settings, export, signals).await,
        What::Grant(give) => return grant::run(settings, grant::What::Give(give), signals).await,
        What::Grants(list) => return grant::run(settings, grant::What::List(list), signals).await,
        What::Revoke(revoke) => return grant::run(settings, grant::What::Revoke(revoke), signals).await,
    };
    let servers = signals.interruptible(Servers::reach(settings)).await?;
    // A signal is the usual end of it.
    let result = tokio::select! {
        result = print(settings, &servers, &tail) => result,
        _ = signals.next() => Ok(()),
    };
    servers.stop().await;
    result
}

async fn print(settings: &Settings, servers: &Servers, tail: &Tail) -> anyhow::Result<()> {
    let log = parts::opened_log(settings, servers).await?;
    let head = log.head().await?;
    let after = match tail.after {
        Some(position) => Position(position),
        None if tail.no_follow => Position::START,
        None => head,
    };
    let filter = match (&tail.workspace, &tail.subject) {
        (Some(workspace), _) => Filter::Workspace(*workspace),
        (_, Some(subject)) => Filter::Subject(subject.clone()),
        _ => Filter::All,
    };
    if tail.no_follow && after >= head {
        return Ok(());
    }
    // Everything is read and filtered here when there is an end to find: a filtered stream may never reach it.
    let narrow = if tail.no_follow { Filter::All } else { filter.clone() };
    let mut events = log.follow(narrow, after);
    while let Some(event) = events.next().await {
        let event = event?;
        let kind = event.headers.get("ce-type").unwrap_or_default();
        if filter.matches(&event.subject) && tail.kind.as_ref().is_none_or(|prefix| kind.starts_with(prefix))
        {
            // As it is in the log: older versions are shown as they were written.
            say(&serde_json::to_string(&CloudEvent::from(&event))?);
        }
        if tail.no_follow && event.position >= head {
            return Ok(());
        }
    }
    Err(anyhow!("the event log ended"))
}
