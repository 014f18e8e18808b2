//! `weir openapi`: the document of the whole API, which `/openapi.json` and `/docs` serve too.

use std::sync::Arc;

use weir_query_api::Docs;

use crate::web::{Routes, say};

/// The routes of all roles in one document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut document = weir_command::openapi();
    document.merge(weir_query_api::openapi());
    "Weir".clone_into(&mut document.info.title);
    document.info.description = Some(
        "Upload data files, say in a context how they belong together, query them with SQL or in plain language, \
         save charts, and see a dashboard of it all. Every command \
         answers with the position of its events; every read can wait for one."
            .to_owned(),
    );
    document
}

/// `/openapi.json`, `/docs`, and the pages.
pub(crate) fn routes() -> anyhow::Result<Routes> {
    let docs = Docs::new(&document())?;
    Ok(Arc::new(move |config| {
        // The guide is at /docs, too, before everything else there.
        weir_web::routes(config);
        docs.routes(config);
    }))
}

pub(crate) fn run() -> anyhow::Result<()> {
    say(&document().to_pretty_json()?);
    Ok(())
}

/// `weir asyncapi`: the same about events.
#[derive(clap::Args)]
pub(crate) struct Events {
    /// Print the page about events instead, in Markdown
    #[arg(long)]
    guide: bool,
}

impl Events {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.guide {
            say(weir_events::guide().trim_end());
        } else {
            say(&serde_json::to_string_pretty(&weir_events::asyncapi(env!("CARGO_PKG_VERSION")))?);
        }
        Ok(())
    }
}
