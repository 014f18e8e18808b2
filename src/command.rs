//! `weir command`: the write side alone; any number of them may run.

use std::sync::Arc;

use crate::{
    lifecycle::{Lifecycle, Signals},
    parts::Parts,
    servers::Servers,
    settings::Settings,
    web::{self, say},
};

pub(crate) async fn run(settings: &Settings, signals: &mut Signals) -> anyhow::Result<()> {
    settings.shared()?;
    let servers = Servers::given(settings)?;
    let bound = web::bind(settings.listen)?;
    let url = bound.url.clone();
    let (lifecycle, ends) = Lifecycle::new();
    let start = async {
        let parts = Parts::connect(settings, &servers).await?;
        let directory = parts.directory(&lifecycle).await?;
        let guards = parts.guards(Arc::new(directory.clone()), settings, &lifecycle).await?;
        let routes = vec![parts.command_routes(directory, &guards, settings, &lifecycle)?];
        web::serve(bound, guards, routes, settings, &lifecycle)
    };
    signals.interruptible(start).await?;
    say(&format!("Weir's write side is ready on {url}"));
    lifecycle.run(ends, signals, settings.drain_time).await
}
