//! `/api/v1/visualizations`: saved charts.

pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{Row, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::{Code, Problem};

use crate::{reader::Decoded, words::words};

/// A saved chart.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Visualization {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its unique name.
    pub(crate) name: String,
    /// What its author said about it.
    pub(crate) description: Option<String>,
    /// Whether it is still there.
    pub(crate) status: Status,
    /// The SQL whose rows it draws.
    pub(crate) sql: String,
    /// The pattern of that SQL.
    pub(crate) query_id: Uuid,
    /// The run that it was made from, if it was.
    pub(crate) run_id: Option<Uuid>,
    /// The Vega-Lite specification, without data.
    #[schema(value_type = Object)]
    pub(crate) spec: Value,
    /// The short form that the specification was made from, if it was.
    #[schema(value_type = Option<Object>)]
    pub(crate) chart: Option<Value>,
    /// How often it was saved.
    pub(crate) revision: i32,
    /// When it was first saved.
    pub(crate) created_at: DateTime<Utc>,
    /// Who saved it first.
    pub(crate) created_by: Option<Uuid>,
    /// When it was last changed.
    pub(crate) updated_at: DateTime<Utc>,
    /// Who changed it last.
    pub(crate) updated_by: Option<Uuid>,
    /// When it was deleted, if it is.
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    /// Its last event.
    pub(crate) position: i64,
}

words! {
    /// Whether a chart is still there.
    #[schema(as = VisualizationStatus)]
    enum Status {
        /// It is.
        Active = "active",
        /// It was deleted and can be restored.
        Deleted = "deleted",
    }
}

impl Visualization {
    pub(crate) fn from_row(row: &Row) -> Decoded<Self> {
        let spec: Json<Value> = row.try_get("spec")?;
        let chart: Option<Json<Value>> = row.try_get("chart")?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            status: row.try_get("status")?,
            sql: row.try_get("sql")?,
            query_id: row.try_get("query_id")?,
            run_id: row.try_get("run_id")?,
            spec: spec.0,
            chart: chart.map(|c| c.0),
            revision: row.try_get("revision")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
            updated_at: row.try_get("updated_at")?,
            updated_by: row.try_get("updated_by")?,
            deleted_at: row.try_get("deleted_at")?,
            position: row.try_get("position")?,
        })
    }
}

pub(crate) fn not_found(id: Uuid) -> Problem {
    Problem::new(Code::VisualizationNotFound, format!("There is no visualization {id} in this workspace."))
}
