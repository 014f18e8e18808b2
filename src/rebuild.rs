//! `weir rebuild`: folds the read models anew beside the live ones, which serve meanwhile.

use std::time::{Duration, Instant};

use anyhow::bail;
use weir_projector::{Progress, projections};

use crate::{lifecycle::Signals, parts, servers::Servers, settings::Settings, web::say};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only compare the live read models with a fresh fold, and leave them as they are
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(settings: &Settings, args: Args, signals: &mut Signals) -> anyhow::Result<()> {
    let servers = signals.interruptible(Servers::reach(settings)).await?;
    let result = signals.interruptible(fold(settings, &servers, args.check)).await;
    servers.stop().await;
    result
}

async fn fold(settings: &Settings, servers: &Servers, check: bool) -> anyhow::Result<()> {
    let (_, log) = parts::event_log(settings, servers, &weir_infra::metrics::registry()).await?;
    let pool = parts::database(settings, servers).await?;
    let projections = projections::all();
    weir_projector::ensure(&pool, &projections).await?;
    let differences = if check {
        Some(weir_projector::verify(&log, &pool, &projections).await?)
    } else {
        let mut said = Instant::now();
        let progress = |progress: Progress| {
            if said.elapsed() > Duration::from_secs(2) {
                said = Instant::now();
                let Progress { position, target, events_per_second, .. } = progress;
                say(&format!("position {position} of {target}, {events_per_second:.0} events/s"));
            }
        };
        let done = weir_projector::rebuild(&log, &pool, &projections, progress).await?;
        let seconds = done.took.as_secs_f64();
        say(&format!("Folded {} events up to position {} in {seconds:.1} s.", done.events, done.position));
        done.differences
    };
    match differences {
        Some(differences) if differences.is_empty() => say("The read models were equal to a fresh fold."),
        Some(differences) => {
            for difference in &differences {
                say(&difference.to_string());
            }
            if check {
                bail!("the read models differ from a fresh fold; `weir rebuild` replaces them");
            }
            say("The old read models differed from a fresh fold; they have been replaced.");
        }
        None => say("The old read models could not be compared; they have been replaced."),
    }
    Ok(())
}
