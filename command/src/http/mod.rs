//! The commands over HTTP, one file per endpoint: request, answer, handler, documentation.
//!
//! To add an endpoint: a file beside its resource's others, one line in that resource's `routes`
//! and one in its `Documentation`.

pub mod admin;
mod answer;
pub mod api_keys;
pub mod auth;
mod common;
pub mod contexts;
pub mod datasets;
pub mod insights;
pub mod me;
pub mod queries;
mod read;
mod undo;
pub mod visualizations;
pub mod webhooks;
pub mod workspaces;

use actix_web::web;
use utoipa::OpenApi;

use crate::{accounts::Accounts, app::App, webhooks::Webhooks};

/// Adds the commands to an application.
///
/// The application also needs `web::Data<Authenticator>`, `weir_infra::http::edge` around it all
/// and the idempotency middleware inside of that. So that a caller who goes away cancels what is
/// asked for, the server is told `h1_allow_half_closed(false)`.
pub fn routes(cfg: &mut web::ServiceConfig, app: App, accounts: Accounts, hooks: Webhooks) {
    cfg.app_data(web::Data::new(app.directory().clone()))
        .app_data(web::Data::new(app))
        .app_data(web::Data::new(accounts))
        .app_data(web::Data::new(hooks))
        .configure(auth::routes)
        .configure(api_keys::routes)
        .configure(workspaces::routes)
        .configure(datasets::routes)
        .configure(contexts::routes)
        .configure(queries::routes)
        .configure(visualizations::routes)
        .configure(insights::routes)
        .configure(webhooks::routes)
        .configure(me::routes)
        .configure(admin::routes);
}

/// The description of these routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = auth::Documentation::openapi();
    for part in [
        api_keys::Documentation::openapi(),
        workspaces::Documentation::openapi(),
        datasets::Documentation::openapi(),
        contexts::Documentation::openapi(),
        queries::Documentation::openapi(),
        visualizations::Documentation::openapi(),
        insights::Documentation::openapi(),
        webhooks::Documentation::openapi(),
        me::Documentation::openapi(),
        admin::Documentation::openapi(),
    ] {
        document.merge(part);
    }
    document
}
