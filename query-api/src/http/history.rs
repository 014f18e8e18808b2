//! The history of one thing: who did what to it, when, and what that changed.

use serde::Serialize;
use utoipa::ToSchema;
use weir_events::{EventLog, Position, Subject};
use weir_infra::http::{List, Problem};

use super::{
    activity::{Activity, Filter, LIST},
    events::unavailable,
};
use crate::{
    diff::{self, Change},
    list::Request,
    read::Read,
    reader::Reader,
};

/// Something that happened to a thing.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct HistoryItem {
    #[serde(flatten)]
    activity: Activity,
    /// What is different since. Empty where nothing of the thing itself changed, and for an event that this version
    /// of Weir cannot read.
    changes: Vec<Change>,
}

/// Takes the parameters of the page.
///
/// # Errors
/// 422 when they do not fit it.
pub(crate) fn request(read: &mut Read) -> Result<Request, Problem> {
    read.list(&LIST)
}

/// The part of a history that `list` asks for.
///
/// # Errors
/// Those of the list, and 503 when the log does not answer.
pub(crate) async fn read(
    list: &Request,
    filter: &Filter,
    subject: Subject,
    db: &Reader<'_>,
    log: &dyn EventLog,
) -> Result<List<HistoryItem>, Problem> {
    let List { items, next_cursor } = filter.read(list, db).await?;
    let positions: Vec<_> =
        items.iter().filter_map(|item| u64::try_from(item.position).ok()).map(Position).collect();
    let mut changes = diff::at(log, subject, &positions).await.map_err(unavailable)?;
    let items = items.into_iter().map(|activity| {
        let position = Position(u64::try_from(activity.position).unwrap_or_default());
        HistoryItem { changes: changes.remove(&position).unwrap_or_default(), activity }
    });
    Ok(List { items: items.collect(), next_cursor })
}
