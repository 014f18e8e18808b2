//! `weir projector`: keeps the read models and the archive up to date. Of several one writes, and the others stand by.

use crate::{
    lifecycle::{Lifecycle, Signals},
    parts::Parts,
    servers::Servers,
    settings::Settings,
    web::say,
};

pub(crate) async fn run(settings: &Settings, signals: &mut Signals) -> anyhow::Result<()> {
    let servers = Servers::given(settings)?;
    let (lifecycle, ends) = Lifecycle::new();
    let start = async {
        let parts = Parts::connect(settings, &servers).await?;
        parts.keep_archive(settings, &lifecycle);
        parts.project(&lifecycle)
    };
    signals.interruptible(start).await?;
    say("Weir's projector is ready");
    lifecycle.run(ends, signals, settings.drain_time).await
}
