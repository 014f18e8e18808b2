//! The tenants.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_events::{Event, Recorded, workspace};

use super::position;
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Workspaces;

#[derive(Default)]
pub(crate) struct Delta(HashMap<Uuid, Row>);

#[derive(Default)]
struct Row {
    created: Option<Created>,
    name: Option<String>,
    deleted: bool,
    position: i64,
}

#[derive(Clone, Copy)]
struct Created {
    owner: Uuid,
    personal: bool,
    at: DateTime<Utc>,
}

impl Projection for Workspaces {
    const NAME: &'static str = "workspaces";
    const VERSION: i32 = 1;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let Event::Workspace(happened) = &event.event else { return };
        let row = delta.0.entry(event.subject.workspace_id().0).or_default();
        row.position = position(event);
        match happened {
            workspace::Event::Created(e) => {
                row.created = Some(Created { owner: e.owner.0, personal: e.personal, at: event.meta.time });
                row.name = Some(e.name.clone());
            }
            workspace::Event::Renamed(e) => row.name = Some(e.name.clone()),
            // Who may see rows is for commands to know, and what was dismissed has a table of its own.
            workspace::Event::RowsShared(_)
            | workspace::Event::ActionDismissed(_)
            | workspace::Event::ActionRestored(_) => {}
            workspace::Event::Deleted(_) => row.deleted = true,
        }
    }

    async fn write(tx: &Tx<'_>, Delta(rows): Delta) -> Result<(), tokio_postgres::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = rows.keys().collect();
        let names: Vec<_> = rows.values().map(|r| r.name.as_deref()).collect();
        let created: Vec<_> = rows.values().map(|r| r.created).collect();
        let owners: Vec<_> = created.iter().map(|c| c.map(|c| c.owner)).collect();
        let personal: Vec<_> = created.iter().map(|c| c.map(|c| c.personal)).collect();
        let at: Vec<_> = created.iter().map(|c| c.map(|c| c.at)).collect();
        let deleted: Vec<_> = rows.values().map(|r| r.deleted).collect();
        let positions: Vec<_> = rows.values().map(|r| r.position).collect();
        let params: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
            &[&ids, &names, &owners, &personal, &at, &deleted, &positions];
        execute(tx, include_str!("write.sql"), params).await
    }
}
