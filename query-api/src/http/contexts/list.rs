//! `GET /api/v1/contexts`

use actix_web::HttpResponse;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use weir_infra::http::{List, PageParams, Problem};

use super::{Context, Status};
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
    id: "c.id",
    keys: &[
        Key { name: "created_at", expression: "c.created_at", kind: Kind::Time, tie: Tie::Id },
        Key { name: "updated_at", expression: "c.updated_at", kind: Kind::Time, tie: Tie::Id },
        Key { name: "name", expression: "c.name", kind: Kind::Text, tie: Tie::Id },
    ],
    default: "-updated_at",
};

/// Which contexts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those in this state: draft, active, deprecated, deleted. Without it, all but the deleted ones.
    status: Option<String>,
    /// Only the one of this name.
    name: Option<String>,
    /// Only those whose name or description contains this, whatever the case.
    q: Option<String>,
    /// Only those that speak of this dataset.
    dataset_id: Option<Uuid>,
}

/// List contexts
///
/// Last changed first unless sorted otherwise: by `created_at`, `updated_at` or `name`.
#[utoipa::path(
    get,
    path = "/api/v1/contexts",
    tag = "contexts",
    operation_id = "list_contexts",
    params(Filter, PageParams, Fresh, Then),
    responses(
        (status = 200, description = "The contexts", body = List<Context>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list(mut read: Read) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let params = &mut read.params;
    let filter = Filter {
        status: params.one_of("status", Status::WORDS).map(str::to_owned),
        name: params.text("name"),
        q: params.text("q"),
        dataset_id: params.take("dataset_id", "a UUID"),
    };
    let wanted = read.items::<Context>()?;
    let vault = read.state().0.sources.vault.clone();
    read.answer(wanted, async |db| {
        let Filter { status, name, q, dataset_id } = &filter;
        let found = search::matching(db, &vault, WORDS, q.as_deref()).await?;
        list.read(db, &[status, name, &found, dataset_id], Context::from_row).await
    })
    .await
}

/// The contexts that were changed last.
pub(crate) async fn newest(db: &Reader<'_>, limit: u32) -> Result<List<Context>, Problem> {
    let (text, id, ids) = (None::<String>, None::<Uuid>, None::<Vec<Uuid>>);
    LIST.first(limit)?.read(db, &[&text, &text, &ids, &id], Context::from_row).await
}
