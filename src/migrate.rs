//! `weir migrate`: brings the database to this version's schema.

use crate::{lifecycle::Signals, parts, servers::Servers, settings::Settings, web::say};

pub(crate) async fn run(settings: &Settings, signals: &mut Signals) -> anyhow::Result<()> {
    let servers = signals.interruptible(Servers::reach(settings)).await?;
    let result = signals.interruptible(parts::database(settings, &servers)).await;
    servers.stop().await;
    result?;
    say("The database has this version's schema.");
    Ok(())
}
