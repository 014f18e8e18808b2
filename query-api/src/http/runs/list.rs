//! `GET /api/v1/runs`

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use weir_infra::http::{List, PageParams, Problem};

use super::{Outcome, Run};
use crate::{
    http::Unanswered,
    list::{Key, Kind, Statement, Tie},
    params::Fresh,
    read::{Read, Then},
    reader::Reader,
};

/// The list's statement.
pub(crate) static LIST: Statement = Statement {
    template: include_str!("list.sql"),
    id: "r.run_id",
    keys: &[Key { name: "position", expression: "r.position", kind: Kind::Number, tie: Tie::Unique }],
    default: "-position",
};

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those that ended so: ok, failed.
    status: Option<String>,
    /// Only those of this query pattern.
    query_id: Option<Uuid>,
    /// Only those that read this dataset.
    dataset_id: Option<Uuid>,
    /// Only those of this person.
    user_id: Option<Uuid>,
    /// Only those from this moment on: an RFC 3339 time or a date.
    since: Option<DateTime<Utc>>,
    /// Only those before this moment.
    until: Option<DateTime<Utc>>,
}

/// List runs
///
/// The newest first; with `sort=position` the oldest.
#[utoipa::path(
    get,
    path = "/api/v1/runs",
    tag = "runs",
    operation_id = "list_runs",
    params(Filter, PageParams, Fresh, Then),
    responses(
        (status = 200, description = "The runs", body = List<Run>),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list(mut read: Read) -> Result<HttpResponse, Problem> {
    let list = read.list(&LIST)?;
    let params = &mut read.params;
    let filter = Filter {
        status: params.one_of("status", Outcome::WORDS).map(str::to_owned),
        query_id: params.take("query_id", "a UUID"),
        dataset_id: params.take("dataset_id", "a UUID"),
        user_id: params.take("user_id", "a UUID"),
        since: params.moment("since"),
        until: params.moment("until"),
    };
    let wanted = read.items::<Run>()?;
    read.answer(wanted, async |db| {
        let Filter { status, query_id, dataset_id, user_id, since, until } = &filter;
        list.read(db, &[status, query_id, dataset_id, user_id, since, until], Run::from_row).await
    })
    .await
}

/// The newest runs of all.
pub(crate) async fn newest(db: &Reader<'_>, limit: u32) -> Result<List<Run>, Problem> {
    let (text, id, time) = (None::<String>, None::<Uuid>, None::<DateTime<Utc>>);
    LIST.first(limit)?.read(db, &[&text, &id, &id, &id, &time, &time], Run::from_row).await
}
