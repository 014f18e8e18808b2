//! `weir rebuild` and `weir verify`: folds read models anew beside the live ones, which serve meanwhile, to replace
//! them or to compare them.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use weir_archive::{Archive, Replay};
use weir_events::EventLog;
use weir_projector::{Difference, Progress, Projections, projections};

use crate::{lifecycle::Signals, parts, servers::Servers, settings::Settings, web::say};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Projections, such as runs or usage [default: all of them]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Read events from the archive as far as it goes, not from the event log
    #[arg(long)]
    from_archive: bool,
}

/// What is done with a fresh fold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It takes the place of the live tables.
    Rebuild,
    /// The live tables are compared with it.
    Verify,
}

pub(crate) async fn run(
    settings: &Settings,
    args: Args,
    purpose: Purpose,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let part = part(&args.names)?;
    let servers = signals.interruptible(Servers::reach(settings)).await?;
    let result = signals.interruptible(fold(settings, &servers, &part, args.from_archive, purpose)).await;
    servers.stop().await;
    result
}

/// The projections of these names.
fn part(names: &[String]) -> anyhow::Result<Projections> {
    let all = projections::all();
    if names.is_empty() {
        return Ok(all);
    }
    let known: Vec<&str> = all.versions().iter().map(|(name, _)| *name).collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => bail!("there is no projection {name:?}: there are {}", known.join(", ")),
        None => Ok(all.only(names)),
    }
}

async fn fold(
    settings: &Settings,
    servers: &Servers,
    part: &Projections,
    from_archive: bool,
    purpose: Purpose,
) -> anyhow::Result<()> {
    let (_, log) = parts::event_log(settings, servers, &weir_infra::metrics::registry()).await?;
    let pool = parts::database(settings, servers).await?;
    let mut archived = None;
    let log = if from_archive {
        let blobs = weir_infra::blob::open(&settings.blob_url)?;
        let archive = Archive::new(pool.clone(), blobs).snapshot(None).await?;
        let head = log.head().await?;
        if archive.position() > head {
            bail!("the archive ends at position {}, but the event log at {head}", archive.position());
        }
        let replay = Arc::new(Replay::new(archive, log));
        archived = Some(Arc::clone(&replay));
        replay as Arc<dyn EventLog>
    } else {
        log
    };
    let all = projections::all();
    weir_projector::ensure(&pool, &all).await?;
    let mut bar = Bar::new();
    if purpose == Purpose::Verify {
        let found = weir_projector::verify(&log, &pool, &all, part, |p| bar.show(&p)).await;
        bar.clear();
        let differences = found?;
        tell(&differences);
        if !differences.is_empty() {
            bail!("the read models differ from a fresh fold; `weir rebuild` replaces them");
        }
        say("The read models are equal to a fresh fold.");
        return Ok(());
    }
    let done = weir_projector::rebuild(&log, &pool, &all, part, |p| bar.show(&p)).await;
    bar.clear();
    let done = done?;
    let seconds = done.took.as_secs_f64();
    let rate = done.events as f64 / seconds.max(1e-6);
    say(&format!(
        "Folded {} events up to position {} in {seconds:.1} s, {rate:.0} events/s.",
        done.events, done.position
    ));
    if let Some(replay) = archived {
        say(&format!("Of them {} were read from the archive.", replay.archived()));
    }
    match done.differences {
        Some(differences) if differences.is_empty() => say("The read models were equal to a fresh fold."),
        Some(differences) => {
            tell(&differences);
            say("The old read models differed from a fresh fold; they have been replaced.");
        }
        None => say("The old read models could not be compared; they have been replaced."),
    }
    Ok(())
}

fn tell(differences: &[Difference]) {
    for difference in differences {
        say(&difference.to_string());
    }
}

/// How far it is: a bar where somebody watches, a line every few seconds where it is written down.
struct Bar {
    said: Option<Instant>,
    watched: bool,
}

impl Bar {
    fn new() -> Self {
        Self { said: None, watched: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: &Progress) {
        let pause = Duration::from_millis(if self.watched { 100 } else { 2_000 });
        // What is over in a moment needs no bar.
        if self.said.get_or_insert_with(Instant::now).elapsed() < pause {
            return;
        }
        self.said = Some(Instant::now());
        let line = line(progress);
        let mut err = std::io::stderr().lock();
        // Nobody reads it any more: nothing is lost.
        let _ = if self.watched { write!(err, "\r\x1b[K{line}") } else { writeln!(err, "{line}") };
        let _ = err.flush();
    }

    fn clear(&self) {
        if self.watched {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn line(progress: &Progress) -> String {
    const WIDTH: usize = 24;
    let Progress { position, target, events_per_second, remaining } = progress;
    let share = (position.0 as f64 / target.0.max(1) as f64).clamp(0.0, 1.0);
    let full = (share * WIDTH as f64) as usize;
    let left = remaining.map_or_else(String::new, |left| format!(", {} s left", left.as_secs_f64().ceil()));
    format!(
        "[{}{}] {:3.0} %  {position} of {target}, {events_per_second:.0} events/s{left}",
        "#".repeat(full),
        " ".repeat(WIDTH - full),
        share * 100.0
    )
}

#[cfg(test)]
mod tests {
    use weir_events::Position;

    use super::*;

    #[test]
    fn progress_is_a_line() {
        let progress = |position| Progress {
            position: Position(position),
            target: Position(1_000),
            events_per_second: 250.0,
            remaining: Some(Duration::from_millis(2_500)),
        };
        assert_eq!(
            line(&progress(500)),
            "[############            ]  50 %  500 of 1000, 250 events/s, 3 s left"
        );
        // More came while it folded.
        assert!(line(&progress(1_200)).starts_with("[########################] 100 %"));
    }

    #[test]
    fn only_projections_that_there_are_can_be_named() {
        assert_eq!(part(&[]).unwrap().versions(), projections::all().versions());
        let named = part(&["usage".to_owned(), "runs".to_owned()]).unwrap();
        assert_eq!(named.versions().iter().map(|v| v.0).collect::<Vec<_>>(), ["runs", "usage"]);
        let error = part(&["rums".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("\"rums\"") && error.contains("runs, "), "{error}");
    }
}
