//! Who may do what where.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_events::{Event, Recorded, member, workspace};

use super::{keys, position};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Members;

#[derive(Default)]
pub(crate) struct Delta {
    /// Workspaces that were deleted: whoever was in them before `rows` is gone.
    deleted: HashSet<Uuid>,
    rows: HashMap<(Uuid, Uuid), Row>,
}

struct Row {
    role: Option<&'static str>,
    /// Since when, if the membership began in this batch.
    since: Option<DateTime<Utc>>,
    removed: bool,
    position: i64,
}

impl Projection for Members {
    const NAME: &'static str = "members";
    const VERSION: i32 = 1;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        if let Event::Workspace(workspace::Event::Deleted(_)) = &event.event {
            let workspace = event.subject.workspace_id().0;
            delta.rows.retain(|key, _| key.0 != workspace);
            delta.deleted.insert(workspace);
        }
        let Event::Member(happened) = &event.event else { return };
        // Says nothing of who is there.
        if let member::Event::Erased(_) = happened {
            return;
        }
        let Some(key) = keys(event) else { return };
        let row =
            delta.rows.entry(key).or_insert(Row { role: None, since: None, removed: false, position: 0 });
        row.position = position(event);
        match happened {
            member::Event::Added(e) => {
                row.role = Some(e.role.as_str());
                row.since = Some(event.meta.time);
                row.removed = false;
            }
            // A role for someone who is not there (any more) makes no member.
            member::Event::RoleChanged(e) if !row.removed => row.role = Some(e.role.as_str()),
            member::Event::RoleChanged(_) => {}
            member::Event::Removed(_) => {
                row.removed = true;
                row.since = None;
            }
            member::Event::Erased(_) => {}
        }
    }

    async fn write(tx: &Tx<'_>, Delta { deleted, rows }: Delta) -> Result<(), tokio_postgres::Error> {
        if !deleted.is_empty() {
            let deleted: Vec<_> = deleted.into_iter().collect();
            execute(tx, include_str!("clear.sql"), &[&deleted]).await?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let workspaces: Vec<_> = rows.keys().map(|k| k.0).collect();
        let users: Vec<_> = rows.keys().map(|k| k.1).collect();
        let roles: Vec<_> = rows.values().map(|r| r.role).collect();
        let since: Vec<_> = rows.values().map(|r| r.since).collect();
        let removed: Vec<_> = rows.values().map(|r| r.removed).collect();
        let positions: Vec<_> = rows.values().map(|r| r.position).collect();
        let params: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
            &[&workspaces, &users, &roles, &since, &removed, &positions];
        execute(tx, include_str!("write.sql"), params).await
    }
}
