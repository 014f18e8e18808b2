//! `/api/v1/contexts`: what datasets mean and how they join.

pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod versions;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{Row, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::{Code, Problem};

use crate::{reader::Decoded, words::words};

/// A context, as its newest version has it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Context {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its unique name.
    pub(crate) name: String,
    /// The version that counts.
    pub(crate) version: String,
    /// `draft`, `active` or `deprecated` as it stands in the file, or `deleted`.
    pub(crate) status: Status,
    /// What it is about.
    pub(crate) description: String,
    /// The datasets that it spoke of when it was saved.
    pub(crate) datasets: Vec<Uuid>,
    /// The ids of its metrics.
    pub(crate) metrics: Vec<String>,
    /// How many relationships it has.
    pub(crate) relationships: i32,
    /// The whole file; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    /// When its first version was saved.
    pub(crate) created_at: DateTime<Utc>,
    /// Who saved that.
    pub(crate) created_by: Option<Uuid>,
    /// When it last changed.
    pub(crate) updated_at: DateTime<Utc>,
    /// Who changed it last.
    pub(crate) updated_by: Option<Uuid>,
    /// When it was deleted, if it is.
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    /// Its last event.
    pub(crate) position: i64,
}

words! {
    /// What a context is good for.
    #[schema(as = ContextStatus)]
    enum Status {
        /// It is still being written.
        Draft = "draft",
        /// It is in use.
        Active = "active",
        /// Another one is to be used.
        Deprecated = "deprecated",
        /// It was deleted and can be restored.
        Deleted = "deleted",
    }
}

/// A version of a context.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ContextVersion)]
pub(crate) struct Version {
    /// The version, `1.2.3`.
    pub(crate) version: String,
    /// Whether it is the one that counts.
    pub(crate) current: bool,
    /// `draft`, `active` or `deprecated`.
    pub(crate) status: String,
    /// The whole file.
    pub(crate) content: String,
    /// SHA-256 of the file, in hex.
    pub(crate) sha256: String,
    /// When it was saved.
    pub(crate) saved_at: DateTime<Utc>,
    /// Who saved it.
    pub(crate) saved_by: Option<Uuid>,
}

impl Context {
    fn from_row(row: &Row) -> Decoded<Self> {
        let datasets: Json<Vec<Uuid>> = row.try_get("datasets")?;
        let metrics: Json<Vec<String>> = row.try_get("metrics")?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            status: row.try_get("status")?,
            description: row.try_get("description")?,
            datasets: datasets.0,
            metrics: metrics.0,
            relationships: row.try_get("relationships")?,
            content: row.try_get("content")?,
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
    Problem::new(Code::ContextNotFound, format!("There is no context {id} in this workspace."))
}
