//! Charts: saved, changed, deleted, restored, suggested, and the rows they draw.

mod body;
mod change;
mod data;
mod delete;
mod restore;
mod save;
mod suggest;
mod undo;

use actix_web::web;
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;
use weir_events::Position;
use weir_infra::http::read;

use crate::domain::visualization::Chart;

/// The routes. Each guards its method, so that other methods of a path may be served elsewhere.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/api/v1/visualizations", web::post().to(save::save))
        .route("/api/v1/visualizations/suggest", web::post().to(suggest::suggest))
        .route("/api/v1/visualizations/{id}", web::patch().to(change::change))
        .route("/api/v1/visualizations/{id}", web::delete().to(delete::delete))
        .route("/api/v1/visualizations/{id}/restore", web::post().to(restore::restore))
        .route("/api/v1/visualizations/{id}/undo", web::post().to(undo::undo));
    read(cfg, "/api/v1/visualizations/{id}/data", data::data);
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    save::save,
    suggest::suggest,
    change::change,
    delete::delete,
    restore::restore,
    undo::undo,
    data::data
))]
pub struct Documentation;

/// A chart as it is after a command.
#[derive(Debug, Serialize, ToSchema)]
struct SavedVisualization {
    /// Its id.
    id: Uuid,
    /// Its unique name.
    name: String,
    /// What its author said about it.
    description: Option<String>,
    /// `active`.
    #[schema(example = "active")]
    status: &'static str,
    /// The SQL whose rows it draws.
    sql: String,
    /// That SQL's pattern.
    query_id: Uuid,
    /// The run that it was made from, if it was.
    run_id: Option<Uuid>,
    /// The Vega-Lite specification, without data: the rows come as the data set `rows`.
    #[schema(value_type = Object)]
    spec: Value,
    /// The short form that the specification was made from, if it was.
    #[schema(value_type = Option<Object>)]
    chart: Option<Value>,
    /// Where the event log has it.
    position: u64,
}

impl SavedVisualization {
    fn new(id: Uuid, chart: Chart, position: Position) -> Self {
        let content = chart.content;
        Self {
            id,
            name: chart.name,
            description: chart.description,
            status: "active",
            sql: content.sql,
            query_id: content.query_id.0,
            run_id: content.run_id.map(|r| r.0),
            spec: content.spec,
            chart: content.chart,
            position: position.0,
        }
    }
}
