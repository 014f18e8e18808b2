//! `weir openapi`: the document of the whole API, which `/openapi.json` and `/docs` serve too.

use std::sync::Arc;

use weir_query_api::Docs;

use crate::web::{Routes, say};

/// The routes of all roles in one document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut document = weir_command::openapi();
    document.merge(weir_query_api::openapi());
    document
}

/// `/openapi.json` and `/docs`.
pub(crate) fn routes() -> anyhow::Result<Routes> {
    let docs = Docs::new(&document())?;
    Ok(Arc::new(move |config| docs.routes(config)))
}

pub(crate) fn run() -> anyhow::Result<()> {
    say(&document().to_pretty_json()?);
    Ok(())
}
