//! What happened, told to people.
//!
//! An event often does not say how its subject is called (`dataset.deleted` has no name), so this
//! projection keeps the newest name of every subject. Within a batch the fold knows it where an
//! earlier event of the batch gave it; else it is looked up as it was before the batch.

mod phrase;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    pin::pin,
};

use chrono::{DateTime, Utc};
use futures::future::try_join;
use tokio_postgres::types::Type;
use uuid::Uuid;
use weir_events::{Event, Recorded};

use self::phrase::{Naming, Phrase, phrase};
use super::{keys, person, position};
use crate::projection::{JsonText, Projection, Tx, copy};

pub(crate) struct Activity;

/// New rows, and the names that were given.
#[derive(Default)]
pub(crate) struct Delta {
    rows: Vec<Row>,
    names: HashMap<Key, Option<String>>,
}

/// A workspace and a thing in it.
type Key = (Uuid, Uuid);

struct Row {
    subject: Key,
    position: i64,
    at: DateTime<Utc>,
    actor: String,
    user: Option<Uuid>,
    event_type: &'static str,
    aggregate: &'static str,
    name: Name,
    before: &'static str,
    after: Cow<'static, str>,
    unnamed: Cow<'static, str>,
    detail: String,
}

/// The name that the subject had.
enum Name {
    Known(Option<String>),
    /// The one from before the batch.
    Before,
}

impl Projection for Activity {
    const NAME: &'static str = "activity";
    const VERSION: i32 = 2;
    const SCHEMA: &'static str = include_str!("schema.sql");
    const COPIES: bool = true;
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        if matches!(event.event, Event::Name(_)) {
            return;
        }
        let Some(subject) = keys(event) else { return };
        let Phrase { before, after, unnamed, detail, naming } = phrase(event);
        let name = match naming {
            // Named by itself.
            Naming::Is(name) => {
                delta.names.insert(subject, Some(name.to_owned()));
                Name::Known(Some(name.to_owned()))
            }
            Naming::Becomes(new) => {
                delta.names.insert(subject, new.map(str::to_owned)).map_or(Name::Before, Name::Known)
            }
            Naming::Stays => delta.names.get(&subject).cloned().map_or(Name::Before, Name::Known),
            Naming::Never => Name::Known(None),
        };
        delta.rows.push(Row {
            subject,
            position: position(event),
            at: event.meta.time,
            actor: event.meta.actor.to_string(),
            user: person(event),
            event_type: event.event.event_type(),
            aggregate: event.subject.aggregate().as_str(),
            name,
            before,
            after,
            unnamed,
            detail,
        });
    }

    async fn write(tx: &Tx<'_>, Delta { mut rows, names }: Delta) -> Result<(), tokio_postgres::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let before = rename(tx, &rows, &names).await?;
        // Neighbours in the index, one after the other.
        rows.sort_unstable_by_key(|row| (row.subject.0, row.position));
        let mut lines = pin!(copy(tx, include_str!("copy.sql"), TYPES).await?);
        for row in &rows {
            let name = match &row.name {
                Name::Known(name) => name.as_deref(),
                Name::Before => before.get(&row.subject).and_then(Option::as_deref),
            };
            let title = match name {
                Some(name) => Cow::Owned([row.before, name, &row.after].concat()),
                None => Cow::Borrowed(&*row.unnamed),
            };
            lines
                .as_mut()
                .write(&[
                    &row.subject.0,
                    &row.position,
                    &row.at,
                    &row.actor,
                    &row.user,
                    &row.event_type,
                    &row.aggregate,
                    &row.subject.1,
                    &name,
                    &title,
                    &JsonText(&row.detail),
                ])
                .await?;
        }
        lines.finish().await.map(drop)
    }
}

/// The columns of copy.sql.
const TYPES: &[Type] = &[
    Type::UUID,
    Type::INT8,
    Type::TIMESTAMPTZ,
    Type::TEXT,
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::JSONB,
];

/// Keeps the names that a batch gives; the ones from before it of those that it does not name itself.
async fn rename(
    tx: &Tx<'_>,
    rows: &[Row],
    names: &HashMap<Key, Option<String>>,
) -> Result<HashMap<Key, Option<String>>, tokio_postgres::Error> {
    let unknown: HashSet<_> =
        rows.iter().filter(|row| matches!(row.name, Name::Before)).map(|row| row.subject).collect();
    let look_up = tx.prepare_cached(include_str!("names.sql")).await?;
    let write = tx.prepare_cached(include_str!("write_names.sql")).await?;
    let (workspaces, subjects): (Vec<_>, Vec<_>) = unknown.into_iter().unzip();
    let found = async {
        if workspaces.is_empty() {
            Ok(Vec::new())
        } else {
            tx.query(&look_up, &[&workspaces, &subjects]).await
        }
    };
    let written = async {
        if names.is_empty() {
            return Ok(0);
        }
        let workspaces: Vec<_> = names.keys().map(|k| k.0).collect();
        let subjects: Vec<_> = names.keys().map(|k| k.1).collect();
        let texts: Vec<_> = names.values().map(Option::as_deref).collect();
        tx.execute(&write, &[&workspaces, &subjects, &texts]).await
    };
    // They go out at once and in this order, so what is read is from before what is written.
    let (found, _) = try_join(found, written).await?;
    Ok(found.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}
