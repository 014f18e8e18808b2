//! `weir query-api`: the read side alone; any number of them may run.

use crate::{
    lifecycle::{Lifecycle, Signals},
    openapi,
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
        let positions = parts.positions(&lifecycle);
        let memberships = parts.read_memberships(positions.clone());
        let guards = parts.guards(memberships, settings, &lifecycle).await?;
        let routes = vec![parts.read_routes(positions, settings, &lifecycle).await?, openapi::routes()?];
        web::serve(bound, guards, routes, settings, &lifecycle)
    };
    signals.interruptible(start).await?;
    say(&format!("Weir's read side is ready on {url}"));
    lifecycle.run(ends, signals, settings.drain_time).await
}
