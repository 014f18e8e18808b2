//! What happened, told to people.
//!
//! An event often does not say how its subject is called (`dataset.deleted` has no name), so this
//! projection keeps the newest name of every subject. Within a batch the fold knows it where an
//! earlier event of the batch gave it; else the statement looks it up as it was before the batch.

mod phrase;

use std::{borrow::Cow, collections::HashMap};

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{Event, Recorded};

use self::phrase::{Naming, Phrase, phrase};
use super::{keys, person, position};
use crate::projection::{Projection, Tx, execute};

pub(crate) struct Activity;

/// New rows by column, and the names that were given.
#[derive(Default)]
pub(crate) struct Delta {
    workspaces: Vec<Uuid>,
    positions: Vec<i64>,
    at: Vec<DateTime<Utc>>,
    actors: Vec<String>,
    users: Vec<Option<Uuid>>,
    types: Vec<&'static str>,
    aggregates: Vec<&'static str>,
    subjects: Vec<Uuid>,
    /// The name where the batch knows it, and whether to look it up where it does not.
    subject_names: Vec<Option<String>>,
    lookups: Vec<bool>,
    before: Vec<&'static str>,
    after: Vec<Cow<'static, str>>,
    unnamed: Vec<Cow<'static, str>>,
    details: Vec<String>,
    names: HashMap<(Uuid, Uuid), Option<String>>,
}

impl Projection for Activity {
    const NAME: &'static str = "activity";
    const VERSION: i32 = 2;
    const SCHEMA: &'static str = include_str!("schema.sql");
    type Delta = Delta;

    fn fold(delta: &mut Delta, event: &Recorded) {
        if matches!(event.event, Event::Name(_)) {
            return;
        }
        let Some(key) = keys(event) else { return };
        let Phrase { before, after, unnamed, detail, naming } = phrase(event);
        let (name, lookup) = match naming {
            // Named by itself.
            Naming::Is(name) => {
                delta.names.insert(key, Some(name.to_owned()));
                (Some(name.to_owned()), false)
            }
            Naming::Becomes(new) => {
                let old = delta.names.insert(key, new.map(str::to_owned));
                (old.clone().flatten(), old.is_none())
            }
            Naming::Stays => match delta.names.get(&key) {
                Some(name) => (name.clone(), false),
                None => (None, true),
            },
            Naming::Never => (None, false),
        };
        delta.workspaces.push(key.0);
        delta.positions.push(position(event));
        delta.at.push(event.meta.time);
        delta.actors.push(event.meta.actor.to_string());
        delta.users.push(person(event));
        delta.types.push(event.event.event_type());
        delta.aggregates.push(event.subject.aggregate().as_str());
        delta.subjects.push(key.1);
        delta.subject_names.push(name);
        delta.lookups.push(lookup);
        delta.before.push(before);
        delta.after.push(after);
        delta.unnamed.push(unnamed);
        delta.details.push(detail);
    }

    async fn write(tx: &Tx<'_>, d: Delta) -> Result<(), tokio_postgres::Error> {
        if d.positions.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = d.names.keys().map(|k| k.0).collect();
        let named_subjects: Vec<_> = d.names.keys().map(|k| k.1).collect();
        let names: Vec<_> = d.names.values().map(Option::as_deref).collect();
        let params: &[&(dyn ToSql + Sync)] = &[
            &d.workspaces,
            &d.positions,
            &d.at,
            &d.actors,
            &d.users,
            &d.types,
            &d.aggregates,
            &d.subjects,
            &d.subject_names,
            &d.lookups,
            &d.before,
            &d.after,
            &d.unnamed,
            &d.details,
            &named,
            &named_subjects,
            &names,
        ];
        execute(tx, include_str!("write.sql"), params).await
    }
}
