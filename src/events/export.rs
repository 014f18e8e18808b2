//! `weir events export`: what the log has of a workspace, as a file.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, NaiveDate, Utc};
use weir_archive::{Writer, rows};
use weir_events::{EventLog, Filter, Position, Start, Stored, WorkspaceId};
use weir_infra::http::CloudEvent;

use crate::{lifecycle::Signals, parts, servers::Servers, settings::Settings};

/// Events that are read at a time.
const PAGE: usize = 1_000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Whose events
    #[arg(long, value_name = "ID")]
    workspace: WorkspaceId,
    /// The first event: a position, or a time such as 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "POSITION|TIME")]
    from: Option<Bound>,
    /// The last event, likewise; a day with everything that happened on it
    #[arg(long, value_name = "POSITION|TIME")]
    to: Option<Bound>,
    /// JSON lines, each a CloudEvent as the API gives it; or Parquet
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Where to; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

/// What an export is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Jsonl,
    Parquet,
}

/// Where an export begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    At(Position),
    Time(DateTime<Utc>),
    Day(NaiveDate),
}

impl FromStr for Bound {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Ok(position) = text.parse() {
            return Ok(Self::At(position));
        }
        if let Ok(day) = text.parse() {
            return Ok(Self::Day(day));
        }
        let time = DateTime::parse_from_rfc3339(text);
        time.map(|time| Self::Time(time.to_utc()))
            .map_err(|_| anyhow!("neither a position nor a time such as 2026-01-31T12:00:00Z"))
    }
}

impl Bound {
    /// Whether an event is not before this.
    fn begun(self, event: &Stored) -> bool {
        let time = rows::time(event);
        match self {
            Self::At(position) => event.position >= position,
            Self::Time(from) => time.is_some_and(|time| time >= from),
            Self::Day(day) => time.is_some_and(|time| time.date_naive() >= day),
        }
    }

    /// Whether an event is not after this.
    fn lasts(self, event: &Stored) -> bool {
        let time = rows::time(event);
        match self {
            Self::At(position) => event.position <= position,
            Self::Time(to) => time.is_some_and(|time| time <= to),
            Self::Day(day) => time.is_some_and(|time| time.date_naive() <= day),
        }
    }
}

pub(super) async fn run(settings: &Settings, args: Args, signals: &mut Signals) -> anyhow::Result<()> {
    let servers = signals.interruptible(Servers::reach(settings)).await?;
    let result = signals.interruptible(export(settings, &servers, &args)).await;
    servers.stop().await;
    result
}

async fn export(settings: &Settings, servers: &Servers, args: &Args) -> anyhow::Result<()> {
    let log = parts::opened_log(settings, servers).await?;
    if args.out == Path::new("-") {
        let mut out = Out::new(args.format, std::io::stdout())?;
        copy(&*log, args, &mut out).await?;
        return out.finish().map(drop);
    }
    // Beside it first: whoever finds the file finds all of it.
    let name = args.out.file_name().context("out: is no file")?.to_string_lossy();
    let part = args.out.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let file = File::create(&part).with_context(|| format!("out: {} cannot be written", part.display()))?;
    let written = async {
        let mut out = Out::new(args.format, file)?;
        copy(&*log, args, &mut out).await?;
        out.finish()?.sync_all()?;
        std::fs::rename(&part, &args.out)?;
        anyhow::Ok(())
    };
    let written = written.await;
    if written.is_err() {
        // Nobody wants half of it; that it cannot be removed is less than what went wrong.
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// Copies what is wanted, page by page, up to where the log is when it begins.
async fn copy<W: Write + Send>(log: &dyn EventLog, args: &Args, out: &mut Out<W>) -> anyhow::Result<()> {
    let filter = Filter::Workspace(args.workspace);
    let end = log.last(&filter).await?;
    if end == Position::START {
        bail!("workspace: there is nothing of {}", args.workspace);
    }
    let mut after = match args.from {
        Some(Bound::At(Position(first))) => Position(first.saturating_sub(1)),
        _ => Position::START,
    };
    let last = match args.to {
        Some(Bound::At(last)) => last.min(end),
        _ => end,
    };
    while after < last {
        let page = log.read(&filter, Start::After(after), PAGE).await?;
        let Some(newest) = page.events.last().map(|event| event.position) else { break };
        after = newest;
        let wanted = page.events.into_iter().filter(|event| {
            event.position <= end
                && args.from.is_none_or(|from| from.begun(event))
                && args.to.is_none_or(|to| to.lasts(event))
        });
        out.write(&wanted.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// A file in the making.
enum Out<W: Write + Send> {
    Jsonl(BufWriter<W>),
    Parquet(Box<Writer<W>>),
}

impl<W: Write + Send> Out<W> {
    fn new(format: Format, out: W) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Jsonl(BufWriter::new(out)),
            Format::Parquet => Self::Parquet(Box::new(Writer::new(out)?)),
        })
    }

    fn write(&mut self, events: &[Stored]) -> anyhow::Result<()> {
        match self {
            Self::Jsonl(out) => {
                for event in events {
                    serde_json::to_writer(&mut *out, &CloudEvent::from(event))?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            }
            Self::Parquet(out) => Ok(out.write(events)?),
        }
    }

    fn finish(self) -> anyhow::Result<W> {
        match self {
            Self::Jsonl(mut out) => {
                out.flush()?;
                Ok(out.into_inner().map_err(|e| e.into_error())?)
            }
            Self::Parquet(out) => Ok(out.finish()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_positions_times_or_days() {
        assert_eq!("17".parse::<Bound>().unwrap(), Bound::At(Position(17)));
        assert!(matches!("2026-01-31".parse().unwrap(), Bound::Day(_)));
        assert!(matches!("2026-01-31T12:00:00+01:00".parse().unwrap(), Bound::Time(_)));
        assert!("yesterday".parse::<Bound>().is_err());
    }
}
