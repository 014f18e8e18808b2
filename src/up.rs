//! `weir up`: everything in one process.

use std::sync::Arc;

use crate::{
    lifecycle::{Lifecycle, Signals},
    openapi,
    parts::Parts,
    servers::Servers,
    settings::Settings,
    web::{self, Bound, say},
};

pub(crate) async fn run(settings: &Settings, signals: &mut Signals) -> anyhow::Result<()> {
    let servers = signals.interruptible(Servers::start(settings)).await?;
    let result = serve(settings, &servers, signals).await;
    // Last, whatever happened before: nothing that uses them is left.
    servers.stop().await;
    result
}

async fn serve(settings: &Settings, servers: &Servers, signals: &mut Signals) -> anyhow::Result<()> {
    let bound = web::bind(settings.listen)?;
    let url = bound.url.clone();
    if let Some(taken) = bound.instead_of {
        say(&format!("{taken} is taken by another process, so Weir listens on {url}"));
    }
    let (lifecycle, ends) = Lifecycle::new();
    let started = signals.interruptible(start(settings, servers, bound, &lifecycle)).await;
    if let Err(error) = started {
        lifecycle.inner().cancel();
        return Err(error);
    }
    let refresh = servers.publish(url.clone())?;
    let stop = lifecycle.inner();
    lifecycle.spawn_inner("the runtime file", async move {
        tokio::select! {
            () = refresh => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    });
    say(&format!("Weir is ready on {url}"));
    lifecycle.run(ends, signals, settings.drain_time).await
}

async fn start(
    settings: &Settings,
    servers: &Servers,
    bound: Bound,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let parts = Parts::connect(settings, servers).await?;
    parts.project(lifecycle)?;
    parts.keep_archive(settings, lifecycle);
    let positions = parts.positions(lifecycle);
    let directory = parts.directory(lifecycle).await?;
    let guards = parts.guards(Arc::new(directory.clone()), settings, lifecycle).await?;
    // Paths are tried in this order, and most requests read.
    let routes = vec![
        parts.read_routes(positions, settings, lifecycle).await?,
        parts.command_routes(directory, &guards, settings, lifecycle)?,
        openapi::routes()?,
    ];
    web::serve(bound, guards, routes, settings, lifecycle)
}
