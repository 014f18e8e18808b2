//! Which files there are, and how far they go: the schema `archive` of PostgreSQL.

use chrono::NaiveDate;
use deadpool_postgres::Pool;
use tokio_postgres::Row;
use uuid::Uuid;
use weir_events::{Position, WorkspaceId};
use weir_infra::blob::Blobs;

use crate::{Error, merge::Events};

/// The archive, for those who read it. Clones share it.
#[derive(Clone)]
pub struct Archive {
    pub(crate) pool: Pool,
    pub(crate) blobs: Blobs,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) key: String,
    pub(crate) workspace: Uuid,
    pub(crate) day: NaiveDate,
    pub(crate) first: Position,
    pub(crate) last: Position,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl File {
    pub(crate) fn from_row(row: &Row) -> Self {
        let number = |name: &str| u64::try_from(row.get::<_, i64>(name)).unwrap_or_default();
        Self {
            key: row.get("key"),
            workspace: row.get("workspace_id"),
            day: row.get("day"),
            first: Position(number("first_position")),
            last: Position(number("last_position")),
            events: number("events"),
            bytes: number("bytes"),
        }
    }
}

/// The archive at one moment: its files stay for a day after others took their place.
#[derive(Clone)]
pub struct Snapshot {
    blobs: Blobs,
    files: Vec<File>,
    position: Position,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("position", &self.position)
            .field("files", &self.files.len())
            .finish()
    }
}

impl Archive {
    /// In that database and that blob store.
    pub fn new(pool: Pool, blobs: Blobs) -> Self {
        Self { pool, blobs }
    }

    /// What the archive has now, of one workspace or of all.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn snapshot(&self, workspace: Option<WorkspaceId>) -> Result<Snapshot, Error> {
        let client = self.pool.get().await?;
        // Files and position of one statement are of one moment.
        let sql = match workspace {
            Some(_) => include_str!("statements/snapshot_of.sql"),
            None => include_str!("statements/snapshot.sql"),
        };
        let rows = match workspace {
            Some(workspace) => client.query(sql, &[&workspace.0]).await?,
            None => client.query(sql, &[]).await?,
        };
        let position = rows.first().map_or(0, |row| row.get::<_, i64>("position"));
        let there = |row: &&Row| row.get::<_, Option<String>>("key").is_some();
        Ok(Snapshot {
            blobs: self.blobs.clone(),
            files: rows.iter().filter(there).map(File::from_row).collect(),
            position: Position(u64::try_from(position).unwrap_or_default()),
        })
    }
}

impl Snapshot {
    /// Everything up to here is in the files.
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many files there are, and their events and bytes.
    pub fn size(&self) -> (usize, u64, u64) {
        let sum = |of: fn(&File) -> u64| self.files.iter().map(of).sum();
        (self.files.len(), sum(|f| f.events), sum(|f| f.bytes))
    }

    /// The events after a position, in the order of the stream, some at a time.
    pub fn events(&self, after: Position) -> Events {
        let files = self.files.iter().filter(|file| file.last > after).cloned().collect();
        Events::new(self.blobs.clone(), files, after)
    }
}
