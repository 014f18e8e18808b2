//! A workspace's past as tables for SQL: `weir.events`, `weir.runs` and `weir.usage`.
//!
//! All three are made from the workspace's events, and from those alone: from the archive as far as it goes, and
//! from the log after that. Events are decoded as the projections decode them, so that older versions look like
//! new ones.

mod columns;
mod usage;

use std::sync::Arc;

use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use weir_engine::sql::{ReadError, Rows, Table};
use weir_events::{EventLog, Filter, Position, Start, Stored, WorkspaceId};
use weir_infra::vault::Vault;

use self::usage::Usage;
use crate::{Archive, Error, Snapshot};

/// Events of the log that are read at a time.
const PAGE: usize = 500;

/// What a workspace's events can be looked at as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// One row for each event.
    Events,
    /// One row for each run of a query.
    Runs,
    /// One row for each day on which anything happened.
    Usage,
}

/// The tables by their names in SQL.
pub const TABLES: [(&str, View); 3] =
    [("weir.events", View::Events), ("weir.runs", View::Runs), ("weir.usage", View::Usage)];

impl View {
    /// The one with that name, as it is folded in SQL.
    pub fn named(name: &str) -> Option<Self> {
        TABLES.iter().find(|(table, _)| *table == name).map(|(_, view)| *view)
    }

    fn name(self) -> &'static str {
        TABLES.iter().find(|(_, view)| *view == self).map_or("", |(name, _)| name)
    }

    fn schema(self) -> SchemaRef {
        match self {
            Self::Events => columns::EVENTS.clone(),
            Self::Runs => columns::RUNS.clone(),
            Self::Usage => usage::SCHEMA.clone(),
        }
    }
}

/// Where the past is read from. Clones share it.
#[derive(Clone)]
pub struct Past {
    archive: Option<Archive>,
    log: Arc<dyn EventLog>,
    vault: Option<Vault>,
}

impl std::fmt::Debug for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Past")
    }
}

impl Past {
    /// Of that log, with the archive of it, if there is one.
    pub fn new(archive: Option<Archive>, log: Arc<dyn EventLog>) -> Self {
        Self { archive, log, vault: None }
    }

    /// Opens the texts of what is archived. The log opens its own.
    #[must_use]
    pub fn with_vault(self, vault: Vault) -> Self {
        Self { vault: Some(vault), ..self }
    }

    /// Everything that has happened in a workspace up to now.
    ///
    /// # Errors
    /// When the log or PostgreSQL does not answer.
    pub async fn of(&self, workspace: WorkspaceId) -> Result<Moment, Error> {
        let position = self.log.head().await?;
        let archived = match &self.archive {
            Some(archive) => Some(archive.snapshot(Some(workspace)).await?),
            None => None,
        };
        Ok(Moment { workspace, position, archived, log: Arc::clone(&self.log), vault: self.vault.clone() })
    }
}

/// What had happened in a workspace up to a position, which stays what it is.
#[derive(Clone)]
pub struct Moment {
    workspace: WorkspaceId,
    position: Position,
    archived: Option<Snapshot>,
    log: Arc<dyn EventLog>,
    vault: Option<Vault>,
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moment")
            .field("workspace", &self.workspace)
            .field("position", &self.position)
            .finish()
    }
}

impl Moment {
    /// Everything up to here, and nothing after it, is in the tables.
    pub fn position(&self) -> Position {
        self.position
    }

    /// One of the tables, for a query.
    pub fn table(&self, view: View) -> Table {
        Table::of_rows(view.name(), Arc::new(Seen { moment: self.clone(), view }))
    }

    /// The workspace's events, some at a time.
    pub fn events(&self) -> BoxStream<'static, Result<Vec<Stored>, Error>> {
        let end = self.archived.as_ref().map_or(Position::START, Snapshot::position);
        let log = Arc::clone(&self.log);
        // Nobody else's, whatever a file may hold.
        let filter = Filter::Workspace(self.workspace);
        let (to, own) = (self.position, filter.clone());
        let mine = move |mut events: Vec<Stored>| {
            events.retain(|event| event.position <= to && own.matches(&event.subject));
            events
        };
        let archived = self.archived.iter().map(|archived| archived.events(Position::START).stream());
        let vault = self.vault.clone();
        let archived = stream::iter(archived.collect::<Vec<_>>()).flatten().and_then(move |events| {
            let vault = vault.clone();
            async move {
                let Some(vault) = vault else { return Ok(events) };
                let mut opened = Vec::with_capacity(events.len());
                for event in events {
                    opened.push(vault.open_stored(event).await?);
                }
                Ok(opened)
            }
        });
        let tail = stream::try_unfold(Some(end), move |after| {
            let (log, filter) = (Arc::clone(&log), filter.clone());
            async move {
                let Some(after) = after.filter(|after| *after < to) else { return Ok::<_, Error>(None) };
                let page = log.read(&filter, Start::After(after), PAGE).await?;
                let last = page.events.last().map(|e| e.position).filter(|_| !page.end);
                Ok(Some((page.events, last)))
            }
        });
        archived.chain(tail).map(move |events| events.map(&mine)).boxed()
    }
}

/// One table at one moment.
#[derive(Debug)]
struct Seen {
    moment: Moment,
    view: View,
}

impl Rows for Seen {
    fn schema(&self) -> SchemaRef {
        self.view.schema()
    }

    fn read(&self) -> BoxStream<'static, Result<RecordBatch, ReadError>> {
        let events = self.moment.events();
        match self.view {
            View::Events => events.map(|events| Ok(columns::events(&events?)?)).boxed(),
            View::Runs => events.map(|events| Ok(columns::runs(&events?)?)).boxed(),
            View::Usage => stream::once(async move {
                let (mut usage, mut events) = (Usage::default(), events);
                while let Some(some) = events.next().await {
                    some?.iter().for_each(|event| usage.add(event));
                }
                Ok(usage.finish()?)
            })
            .boxed(),
        }
    }
}
