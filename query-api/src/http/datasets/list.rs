//! `GET /api/v1/datasets`

use actix_web::HttpResponse;
use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use weir_infra::http::{List, PageParams, Problem};

use super::{Dataset, Status};
use crate::{
    http::Unanswered,
    list::{Key, Kind, Statement, Tie},
    params::{Fresh, Params},
    read::{Read, Then},
    reader::{Param, Reader},
    search,
};

/// What is searched for words.
pub(crate) const WORDS: &str = include_str!("words.sql");

/// The list's statement.
pub(crate) static LIST: Statement = Statement {
    template: include_str!("list.sql"),
    id: "d.id",
    keys: &[
        Key { name: "created_at", expression: "d.created_at", kind: Kind::Time, tie: Tie::Id },
        Key { name: "updated_at", expression: "d.updated_at", kind: Kind::Time, tie: Tie::Id },
        Key { name: "name", expression: "d.name", kind: Kind::Text, tie: Tie::Id },
        Key { name: "bytes", expression: "d.upload_bytes", kind: Kind::Number, tie: Tie::Id },
        Key { name: "rows", expression: "d.rows", kind: Kind::Number, tie: Tie::IdNullsLast },
        Key { name: "queries_7d", expression: "u.queries", kind: Kind::Number, tie: Tie::Id },
        Key { name: "last_used_at", expression: "d.last_used_at", kind: Kind::Time, tie: Tie::IdNullsLast },
    ],
    default: "-created_at",
};

/// Which datasets.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those in this state: ingesting, ready, rejected, deleted.
    status: Option<String>,
    /// True for the deleted ones, which are left out otherwise.
    deleted: Option<bool>,
    /// Only the one of this name.
    name: Option<String>,
    /// Only those whose name or description contains this, whatever the case.
    q: Option<String>,
    /// Only those whose file is of this format.
    format: Option<String>,
    /// Only those of this person.
    created_by: Option<Uuid>,
}

impl Filter {
    fn take(params: &mut Params) -> Self {
        Self {
            status: params.one_of("status", Status::WORDS).map(str::to_owned),
            deleted: params.flag("deleted"),
            name: params.text("name"),
            q: params.text("q"),
            format: params.text("format"),
            created_by: params.take("created_by", "a UUID"),
        }
    }
}

/// List datasets
///
/// Newest first unless sorted otherwise: by `created_at`, `updated_at`, `name`, `bytes`, `rows`,
/// `queries_7d` or `last_used_at`.
#[utoipa::path(
    get,
    path = "/api/v1/datasets",
    tag = "datasets",
    operation_id = "list_datasets",
    params(Filter, PageParams, Fresh, Then),
    responses(
        (status = 200, description = "The datasets", body = List<Dataset>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list(mut read: Read) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let filter = Filter::take(&mut read.params);
    let deleted = filter.status.as_deref().map(|s| s == "deleted");
    if let (Some(a), Some(b)) = (filter.deleted, deleted)
        && a != b
    {
        read.params.refuse("deleted", "contradiction", "says the opposite of `status`");
    }
    let deleted = filter.deleted.or(deleted).unwrap_or(false);
    let wanted = read.items::<Dataset>()?;
    let today = read.today();
    let vault = read.state().0.sources.vault.clone();
    read.answer(wanted, async |db| {
        let Filter { status, name, q, format, created_by, .. } = &filter;
        let found = search::matching(db, &vault, WORDS, q.as_deref()).await?;
        list.read(db, &[&today, &deleted, status, name, &found, format, created_by], Dataset::from_row).await
    })
    .await
}

/// The newest datasets that are not deleted.
pub(crate) async fn newest(db: &Reader<'_>, limit: u32, today: NaiveDate) -> Result<List<Dataset>, Problem> {
    let (text, id, ids) = (None::<String>, None::<Uuid>, None::<Vec<Uuid>>);
    let filters: [Param<'_>; 7] = [&today, &false, &text, &text, &ids, &text, &id];
    LIST.first(limit)?.read(db, &filters, Dataset::from_row).await
}
