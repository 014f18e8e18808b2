//! Which recommended actions nobody wants to hear of.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{ActionId, Event, Recorded, workspace};

use super::{person, position};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Dismissals;

#[derive(Default)]
pub(crate) struct Delta(HashMap<(Uuid, ActionId), Row>);

/// The last that happened to it.
struct Row {
    dismissed: bool,
    at: DateTime<Utc>,
    by: Option<Uuid>,
    position: i64,
}

impl Projection for Dismissals {
    const NAME: &'static str = "dismissals";
    const VERSION: i32 = 1;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        let (action, dismissed) = match &event.event {
            Event::Workspace(workspace::Event::ActionDismissed(e)) => (e.action, true),
            Event::Workspace(workspace::Event::ActionRestored(e)) => (e.action, false),
            _ => return,
        };
        let row = Row { dismissed, at: event.meta.time, by: person(event), position: position(event) };
        delta.0.insert((event.subject.workspace_id().0, action), row);
    }

    async fn write(tx: &Tx<'_>, Delta(rows): Delta) -> Result<(), tokio_postgres::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let workspaces: Vec<_> = rows.keys().map(|k| k.0).collect();
        let actions: Vec<_> = rows.keys().map(|k| k.1.to_string()).collect();
        let kinds: Vec<_> = rows.keys().map(|k| k.1.kind().as_str()).collect();
        let things: Vec<_> = rows.keys().map(|k| k.1.thing()).collect();
        let at: Vec<_> = rows.values().map(|r| r.at).collect();
        let by: Vec<_> = rows.values().map(|r| r.by).collect();
        let positions: Vec<_> = rows.values().map(|r| r.position).collect();
        let dismissed: Vec<_> = rows.values().map(|r| r.dismissed).collect();
        let params: &[&(dyn ToSql + Sync)] =
            &[&workspaces, &actions, &kinds, &things, &at, &by, &positions, &dismissed];
        execute(tx, include_str!("write.sql"), params).await
    }
}
