//! `GET /api/v1/visualizations`

use actix_web::HttpResponse;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use weir_infra::http::{List, PageParams, Problem};

use super::{Status, Visualization};
use crate::{
    http::Unanswered,
    list::{Key, Kind, Statement, Tie},
    params::Fresh,
    read::{Read, Then},
    reader::Reader,
    search,
};

/// What is searched for words.
pub(crate) const WORDS: &str = include_str!("words.sql");

/// The list's statement.
pub(crate) static LIST: Statement = Statement {
    template: include_str!("list.sql"),
    id: "v.id",
    keys: &[
        Key { name: "created_at", expression: "v.created_at", kind: Kind::Time, tie: Tie::Id },
        Key { name: "updated_at", expression: "v.updated_at", kind: Kind::Time, tie: Tie::Id },
        Key { name: "name", expression: "v.name", kind: Kind::Text, tie: Tie::Id },
    ],
    default: "-created_at",
};

/// Which charts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those in this state: active, deleted.
    status: Option<String>,
    /// True for the deleted ones, which are left out otherwise.
    deleted: Option<bool>,
    /// Only the one of this name.
    name: Option<String>,
    /// Only those whose name or description contains this, whatever the case.
    q: Option<String>,
    /// Only those over this query pattern.
    query_id: Option<Uuid>,
    /// Only those of this person.
    created_by: Option<Uuid>,
}

/// List saved charts
///
/// Newest first unless sorted otherwise: by `created_at`, `updated_at` or `name`.
#[utoipa::path(
    get,
    path = "/api/v1/visualizations",
    tag = "visualizations",
    operation_id = "list_visualizations",
    params(Filter, PageParams, Fresh, Then),
    responses(
        (status = 200, description = "The charts", body = List<Visualization>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list(mut read: Read) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let params = &mut read.params;
    let filter = Filter {
        status: params.one_of("status", Status::WORDS).map(str::to_owned),
        deleted: params.flag("deleted"),
        name: params.text("name"),
        q: params.text("q"),
        query_id: params.take("query_id", "a UUID"),
        created_by: params.take("created_by", "a UUID"),
    };
    let deleted = filter.status.as_deref().map(|s| s == "deleted");
    if let (Some(a), Some(b)) = (filter.deleted, deleted)
        && a != b
    {
        params.refuse("deleted", "contradiction", "says the opposite of `status`");
    }
    let deleted = filter.deleted.or(deleted).unwrap_or(false);
    let wanted = read.items::<Visualization>()?;
    let vault = read.state().0.sources.vault.clone();
    read.answer(wanted, async |db| {
        let Filter { name, q, query_id, created_by, .. } = &filter;
        let found = search::matching(db, &vault, WORDS, q.as_deref()).await?;
        list.read(db, &[&deleted, name, &found, query_id, created_by], Visualization::from_row).await
    })
    .await
}

/// The newest charts that are not deleted.
pub(crate) async fn newest(db: &Reader<'_>, limit: u32) -> Result<List<Visualization>, Problem> {
    let (text, id, ids) = (None::<String>, None::<Uuid>, None::<Vec<Uuid>>);
    LIST.first(limit)?.read(db, &[&false, &text, &ids, &id, &id], Visualization::from_row).await
}
