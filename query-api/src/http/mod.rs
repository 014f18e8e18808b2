//! The routes, one module per resource and one file per endpoint.

use std::collections::BTreeMap;

use actix_web::web;
use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};
use weir_infra::http::read;

pub(crate) mod activity;
pub(crate) mod admin;
pub(crate) mod contexts;
pub(crate) mod dashboard;
pub(crate) mod datasets;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod insights;
pub(crate) mod queries;
pub(crate) mod runs;
pub(crate) mod usage;
pub(crate) mod visualizations;

/// The index of routes.
///
/// Each is a resource with its method as a guard, so that another crate may serve other methods of
/// the same path. None of them hides another, whatever their order.
pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    // First what is asked for most: patterns before it would be tried, twice for each request.
    read(cfg, "/api/v1/dashboard", dashboard::get);
    read(cfg, "/api/v1/datasets", datasets::list::list);
    read(cfg, "/api/v1/datasets/{id}", datasets::get::get);
    read(cfg, "/api/v1/datasets/{id}/history", datasets::history::history);
    read(cfg, "/api/v1/datasets/{id}/versions", datasets::versions::versions);
    read(cfg, "/api/v1/contexts", contexts::list::list);
    read(cfg, "/api/v1/contexts/{id}", contexts::get::get);
    read(cfg, "/api/v1/contexts/{id}/history", contexts::history::history);
    read(cfg, "/api/v1/contexts/{id}/versions", contexts::versions::versions);
    read(cfg, "/api/v1/contexts/{id}/export", contexts::export::export);
    read(cfg, "/api/v1/queries", queries::list::list);
    read(cfg, "/api/v1/queries/{query_id}", queries::get::get);
    read(cfg, "/api/v1/queries/{query_id}/history", queries::history::history);
    read(cfg, "/api/v1/runs", runs::list::list);
    read(cfg, "/api/v1/runs/{run_id}", runs::get::get);
    read(cfg, "/api/v1/runs/{run_id}/result", runs::result::result);
    read(cfg, "/api/v1/runs/{run_id}/receipt", runs::receipt::receipt);
    read(cfg, "/api/v1/visualizations", visualizations::list::list);
    read(cfg, "/api/v1/visualizations/{id}", visualizations::get::get);
    read(cfg, "/api/v1/visualizations/{id}/history", visualizations::history::history);
    read(cfg, "/api/v1/activity", activity::list);
    read(cfg, "/api/v1/events", events::list);
    read(cfg, "/api/v1/usage", usage::get);
    read(cfg, "/api/v1/insights", insights::get);
    read(cfg, "/api/v1/admin/projections", admin::projections::get);
    read(cfg, "/api/v1/admin/dead-letters", admin::dead_letters::list);
}

/// The document's own part about the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        datasets::list::list,
        datasets::get::get,
        datasets::history::history,
        datasets::versions::versions,
        contexts::list::list,
        contexts::get::get,
        contexts::history::history,
        contexts::versions::versions,
        contexts::export::export,
        queries::list::list,
        queries::get::get,
        queries::history::history,
        runs::list::list,
        runs::get::get,
        runs::result::result,
        runs::receipt::receipt,
        visualizations::list::list,
        visualizations::get::get,
        visualizations::history::history,
        dashboard::get,
        activity::list,
        events::list,
        usage::get,
        insights::get,
        admin::projections::get,
        admin::dead_letters::list,
    ),
    components(schemas(weir_infra::http::Problem)),
    tags(
        (name = "accounts", description = "Registering, logging in, API keys: where everybody begins"),
        (name = "workspaces", description = "Where things belong, and who may do what in them"),
        (name = "datasets", description = "Files that became tables"),
        (name = "contexts", description = "What datasets mean, and how they join"),
        (name = "queries", description = "What is asked, by pattern"),
        (name = "runs", description = "Each execution of a query, with its receipt"),
        (name = "visualizations", description = "Saved charts"),
        (name = "dashboard", description = "Everything at a glance, what happened, usage and insights"),
        (name = "events", description = "The stream itself: what happened, in order, as it happens"),
        (name = "operations", description = "For machines: health and metrics; for the owner of the installation: how it fares"),
    )
)]
pub(crate) struct Routes;

/// What a read answers when it does not give what was asked for.
pub(crate) struct Unanswered;

impl IntoResponses for Unanswered {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let response = ResponseBuilder::new().description(description);
            RefOr::T(response.content(weir_infra::http::PROBLEM_MEDIA_TYPE, content).build())
        };
        let unchanged = "Nothing has changed since the answer with the entity tag in `If-None-Match`";
        BTreeMap::from([
            ("304".to_owned(), RefOr::T(ResponseBuilder::new().description(unchanged).build())),
            ("401".to_owned(), problem("There is no valid token")),
            ("404".to_owned(), problem("There is no such thing in this workspace, or no such workspace")),
            ("422".to_owned(), problem("A parameter is unknown or makes no sense")),
            (
                "503".to_owned(),
                problem("The models have not reached the minimum position, or cannot be reached"),
            ),
        ])
    }
}
