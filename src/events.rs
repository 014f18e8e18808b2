//! `weir events`: the event log as JSON lines.

use anyhow::{Context, anyhow};
use futures::StreamExt;
use serde_json::{Map, Value, json};
use weir_events::{Filter, Position, Stored, Subject, WorkspaceId};

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
    let What::Tail(tail) = args.what;
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
    let (_, log) = parts::event_log(settings, servers, &weir_infra::metrics::registry()).await?;
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
            say(&line(&event)?);
        }
        if tail.no_follow && event.position >= head {
            return Ok(());
        }
    }
    Err(anyhow!("the event log ended"))
}

/// An event as it is in the log: older versions are shown as they were written.
fn line(event: &Stored) -> anyhow::Result<String> {
    let headers: Map<String, Value> =
        event.headers.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    let payload: Value = serde_json::from_slice(&event.payload)
        .with_context(|| format!("the event at position {} is not JSON", event.position))?;
    let shown = json!({
        "position": event.position, "subject": event.subject, "headers": headers, "data": payload,
    });
    Ok(shown.to_string())
}
