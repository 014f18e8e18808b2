//! Which parts of an event are free text: what people wrote, and what can therefore hold anything about anybody.
//!
//! In the log such text is sealed under a key that is kept elsewhere, so that it can be erased without touching the
//! log: see `docs/erasure.md`. Sealed text is a [`TOKEN`] wherever the text itself would stand, also in the middle of a
//! sentence, so that everything that does not read the text treats both alike.
//!
//! Names are not among them: tables are found by them, and they stand in subjects.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::Value;

use crate::{Event, context, dataset, query, visualization, webhook};

/// How sealed text begins; the kind, `t` for text or `j` for a JSON value that stands in a string, `:`, and unpadded
/// base64url follow.
pub const TOKEN: &str = "weir:sealed:";

/// Whose text it is, which decides with whom it is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Of the member who caused the event: what they asked.
    Member,
    /// Of the workspace: what its members made for each other.
    Workspace,
}

/// Free text in an event.
#[derive(Debug)]
pub enum Text<'a> {
    /// Plain text.
    Plain(&'a mut String),
    /// A JSON value of any form.
    Json(&'a mut Value),
}

/// Visits free text.
type Visit<'v> = &'v mut dyn FnMut(Holder, Text<'_>);

impl Event {
    /// Shows every free text of the event to `visit`, which may replace it.
    ///
    /// Every event is taken apart field by field, so that a new field cannot be forgotten here.
    pub fn texts(&mut self, visit: Visit<'_>) {
        match self {
            Self::Dataset(event) => of_dataset(event, visit),
            Self::Context(event) => of_context(event, visit),
            Self::Query(event) => of_query(event, visit),
            Self::Visualization(event) => of_visualization(event, visit),
            Self::Webhook(event) => of_webhook(event, visit),
            // Who is in what, and names.
            Self::Workspace(_) | Self::Member(_) | Self::Name(_) => {}
        }
    }
}

fn plain(visit: Visit<'_>, holder: Holder, text: &mut String) {
    // Nothing can be read from an empty one, and it means "none" in places.
    if !text.is_empty() {
        visit(holder, Text::Plain(text));
    }
}

fn optional(visit: Visit<'_>, holder: Holder, text: &mut Option<String>) {
    if let Some(text) = text {
        plain(visit, holder, text);
    }
}

fn of_query(event: &mut query::Event, visit: Visit<'_>) {
    match event {
        query::Event::Executed(query::Executed {
            sql,
            pattern,
            question,
            run_id: _,
            datasets: _,
            context: _,
            engine: _,
            rows: _,
            bytes: _,
            truncated: _,
            elapsed_ms: _,
            cache_tier: _,
            result_hash: _,
            result: _,
            model: _,
            events_to: _,
            stages: _,
        }) => {
            plain(visit, Holder::Member, sql);
            plain(visit, Holder::Member, pattern);
            optional(visit, Holder::Member, question);
        }
        query::Event::Failed(query::Failed {
            sql,
            pattern,
            detail,
            question,
            run_id: _,
            code: _,
            elapsed_ms: _,
            model: _,
        }) => {
            plain(visit, Holder::Member, sql);
            plain(visit, Holder::Member, pattern);
            // It quotes the SQL.
            plain(visit, Holder::Member, detail);
            optional(visit, Holder::Member, question);
        }
        query::Event::Saved(query::Saved { sql, pattern, name: _, context: _ }) => {
            plain(visit, Holder::Workspace, sql);
            plain(visit, Holder::Workspace, pattern);
        }
        query::Event::Renamed(query::Renamed { name: _ }) | query::Event::Unsaved(query::Unsaved {}) => {}
    }
}

fn of_visualization(event: &mut visualization::Event, visit: Visit<'_>) {
    match event {
        visualization::Event::Saved(visualization::Saved {
            description,
            sql,
            spec,
            chart,
            name: _,
            query_id: _,
            run_id: _,
            context: _,
        }) => {
            optional(visit, Holder::Workspace, description);
            plain(visit, Holder::Workspace, sql);
            visit(Holder::Workspace, Text::Json(spec));
            if let Some(chart) = chart {
                visit(Holder::Workspace, Text::Json(chart));
            }
        }
        visualization::Event::Described(visualization::Described { description }) => {
            plain(visit, Holder::Workspace, description);
        }
        visualization::Event::Renamed(visualization::Renamed { name: _ })
        | visualization::Event::Deleted(visualization::Deleted {})
        | visualization::Event::Restored(visualization::Restored { name: _ }) => {}
    }
}

fn of_context(event: &mut context::Event, visit: Visit<'_>) {
    match event {
        context::Event::Saved(context::Saved {
            description,
            text,
            name: _,
            version: _,
            status: _,
            sha256: _,
            datasets: _,
            metrics: _,
            relationships: _,
        }) => {
            plain(visit, Holder::Workspace, description);
            plain(visit, Holder::Workspace, text);
        }
        context::Event::Deleted(context::Deleted {})
        | context::Event::Restored(context::Restored { name: _ }) => {}
    }
}

fn of_dataset(event: &mut dataset::Event, visit: Visit<'_>) {
    match event {
        dataset::Event::Uploaded(dataset::Uploaded {
            description,
            upload,
            name: _,
            version: _,
            options: _,
            request: _,
        }) => {
            optional(visit, Holder::Workspace, description);
            of_upload(upload, visit);
        }
        dataset::Event::Reread(dataset::Reread { upload, version: _, options: _ })
        | dataset::Event::RolledBack(dataset::RolledBack { upload, from: _, ingested: _ }) => {
            of_upload(upload, visit);
        }
        dataset::Event::Rejected(dataset::Rejected {
            detail,
            found,
            version: _,
            code: _,
            row: _,
            column: _,
        }) => {
            // Both quote cells.
            plain(visit, Holder::Workspace, detail);
            optional(visit, Holder::Workspace, found);
        }
        dataset::Event::Described(dataset::Described { description }) => {
            plain(visit, Holder::Workspace, description);
        }
        dataset::Event::Ingested(_)
        | dataset::Event::Renamed(dataset::Renamed { name: _ })
        | dataset::Event::Deleted(dataset::Deleted {})
        | dataset::Event::Restored(dataset::Restored { name: _ }) => {}
    }
}

fn of_webhook(event: &mut webhook::Event, visit: Visit<'_>) {
    match event {
        // It may say what a server answered.
        webhook::Event::Disabled(webhook::Disabled { reason, undelivered: _ }) => {
            plain(visit, Holder::Workspace, reason);
        }
        webhook::Event::Created(webhook::Created { origin: _, wanted: _ })
        | webhook::Event::Changed(webhook::Changed { origin: _, wanted: _ })
        | webhook::Event::Resumed(webhook::Resumed { skip: _ })
        | webhook::Event::Paused(webhook::Paused {})
        | webhook::Event::SecretRotated(webhook::SecretRotated {})
        | webhook::Event::Deleted(webhook::Deleted {}) => {}
    }
}

fn of_upload(upload: &mut dataset::Upload, visit: Visit<'_>) {
    let dataset::Upload { file_name, source, blob: _, bytes: _, sha256: _, content_type: _ } = upload;
    optional(visit, Holder::Workspace, file_name);
    optional(visit, Holder::Workspace, source);
}

/// A text of at most that many characters, with an ellipsis for what is cut off; of a sealed one, the same once it is
/// opened.
pub fn cut(text: &str, characters: usize) -> Cow<'_, str> {
    if text.starts_with(TOKEN) {
        return format!("{text};{characters}").into();
    }
    let mut cut = text.char_indices().skip(characters);
    match cut.next() {
        None => text.into(),
        Some((end, _)) => {
            let mut short = text[..end].to_owned();
            let _ = write!(short, "…");
            short.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_a_sealed_one_is_when_it_is_opened() {
        assert_eq!(cut("über", 4), "über");
        assert_eq!(cut("über", 2), "üb…");
        assert_eq!(cut("weir:sealed:t:AAAA", 5), "weir:sealed:t:AAAA;5");
    }
}
