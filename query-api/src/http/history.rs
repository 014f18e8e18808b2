//! The history of one thing: who did what to it, when, and what that changed.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
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

/// Which part of whose history.
pub(crate) struct History {
    list: Request,
    filter: Filter,
    subject: Subject,
    log: Arc<dyn EventLog>,
}

impl History {
    /// The page that a read asks for, of the thing `id` whose events are on `subject`.
    ///
    /// # Errors
    /// 422 when the parameters of the page do not fit it.
    pub(crate) fn of(read: &mut Read, id: Uuid, subject: Subject) -> Result<Self, Problem> {
        Ok(Self {
            list: read.list(&LIST)?,
            filter: Filter { subject: Some(id), ..Filter::default() },
            subject,
            log: Arc::clone(&read.state().0.sources.log),
        })
    }

    /// Only events of these types, with commas between.
    pub(crate) fn only(mut self, types: &str) -> Self {
        self.filter.event_type = Some(types.to_owned());
        self
    }

    /// Reads it.
    ///
    /// # Errors
    /// Those of the list, and 503 when the log does not answer.
    pub(crate) async fn read(self, db: &Reader<'_>) -> Result<List<HistoryItem>, Problem> {
        let List { items, next_cursor } = self.filter.read(&self.list, db).await?;
        let at = |item: &Activity| Position(u64::try_from(item.position).unwrap_or_default());
        let positions: Vec<_> = items.iter().map(at).collect();
        let changes = diff::at(&*self.log, self.subject, &positions).await;
        let mut changes = changes.map_err(unavailable)?;
        let items = items.into_iter().map(|activity| HistoryItem {
            changes: changes.remove(&at(&activity)).unwrap_or_default(),
            activity,
        });
        Ok(List { items: items.collect(), next_cursor })
    }
}
