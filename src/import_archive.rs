//! `weir import-archive`: the event log, made again from the archive.

use std::time::Instant;

use anyhow::{Context, bail};
use weir_archive::Archive;
use weir_events::Position;

use crate::{lifecycle::Signals, parts, servers::Servers, settings::Settings, web::say};

pub(crate) async fn run(settings: &Settings, signals: &mut Signals) -> anyhow::Result<()> {
    let servers = signals.interruptible(Servers::reach(settings)).await?;
    let result = signals.interruptible(import(settings, &servers)).await;
    servers.stop().await;
    result
}

async fn import(settings: &Settings, servers: &Servers) -> anyhow::Result<()> {
    let (_, log) = parts::jetstream(settings, servers, &weir_infra::metrics::registry()).await?;
    log.empty().await?;
    let pool = parts::database(settings, servers).await?;
    let archive = Archive::new(pool, weir_infra::blob::open(&settings.blob_url)?).snapshot(None).await?;
    if archive.position() == Position::START {
        bail!("there is no archive: nothing was written into it yet, or the database is another one");
    }
    let (begun, mut events, mut last) = (Instant::now(), archive.events(Position::START), Position::START);
    let advice = "the event log is not whole; remove its data before the next try";
    loop {
        let piece = events.next().await.context(advice)?;
        if piece.is_empty() {
            break;
        }
        last = log.restore(last, piece).await.context(advice)?;
    }
    if last != archive.position() {
        bail!("the archive should go up to position {}, but ends at {last}: {advice}", archive.position());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let rate = last.0 as f64 / seconds.max(1e-6);
    say(&format!("The event log is filled up to position {last}, in {seconds:.1} s, {rate:.0} events/s."));
    say("Where read models had seen more than that, `weir rebuild` folds them anew.");
    Ok(())
}
