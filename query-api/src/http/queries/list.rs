//! `GET /api/v1/queries`

use actix_web::HttpResponse;
use serde::Deserialize;
use utoipa::IntoParams;
use weir_infra::http::{List, PageParams, Problem};

use super::Query;
use crate::{
    http::Unanswered,
    list::{Key, Kind, Statement, Tie},
    params::Fresh,
    read::{Read, Then},
    search,
};

/// What is searched for words.
pub(crate) const WORDS: &str = include_str!("words.sql");

/// The list's statement.
pub(crate) static LIST: Statement = Statement {
    template: include_str!("list.sql"),
    id: "q.id",
    keys: &[
        Key { name: "last_run_at", expression: "q.last_run_at", kind: Kind::Time, tie: Tie::IdNullsLast },
        Key { name: "first_run_at", expression: "q.first_run_at", kind: Kind::Time, tie: Tie::IdNullsLast },
        Key { name: "saved_at", expression: "q.saved_at", kind: Kind::Time, tie: Tie::IdNullsLast },
        Key { name: "runs", expression: "q.runs", kind: Kind::Number, tie: Tie::Id },
        Key { name: "failures", expression: "q.failures", kind: Kind::Number, tie: Tie::Id },
        Key { name: "name", expression: "q.name", kind: Kind::Text, tie: Tie::IdNullsLast },
    ],
    default: "-last_run_at",
};

/// Which queries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// True for the saved ones, false for the others.
    saved: Option<bool>,
    /// Only the one of this name.
    name: Option<String>,
    /// Only those whose name or SQL contains this, whatever the case, of the 20,000 that were run last.
    q: Option<String>,
}

/// List query patterns and saved queries
///
/// The last run first unless sorted otherwise: by `last_run_at`, `first_run_at`, `saved_at`, `runs`,
/// `failures` or `name`.
#[utoipa::path(
    get,
    path = "/api/v1/queries",
    tag = "queries",
    operation_id = "list_queries",
    params(Filter, PageParams, Fresh, Then),
    responses(
        (status = 200, description = "The queries", body = List<Query>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list(mut read: Read) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let params = &mut read.params;
    let filter = Filter { saved: params.flag("saved"), name: params.text("name"), q: params.text("q") };
    let wanted = read.items::<Query>()?;
    let vault = read.state().0.sources.vault.clone();
    read.answer(wanted, async |db| {
        let found = search::matching(db, &vault, WORDS, filter.q.as_deref()).await?;
        list.read(db, &[&filter.saved, &filter.name, &found], Query::from_row).await
    })
    .await
}
