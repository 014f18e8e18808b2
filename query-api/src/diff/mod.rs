//! What each event changed of the thing that it happened to, field by field.
//!
//! Told by the thing's own events and not by its read model, which only knows what is. A thing has few events: what
//! people did to it, not how often it was used.

mod context;
mod dataset;
mod query;
mod visualization;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;
use utoipa::ToSchema;
use weir_events::{Event, EventLog, Filter, Position, Start, Subject, Unavailable};

/// Events that are read at a time.
const PIECE: usize = 200;
/// How long comparing the texts of one answer may take; what is left then is compared coarsely.
const PATIENCE: Duration = Duration::from_millis(500);
/// The longest difference that is shown, in bytes.
const LONGEST: usize = 64 << 10;
/// Lines around a difference.
const AROUND: usize = 3;

/// A field that is different since.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Change {
    /// Which.
    #[schema(example = "name")]
    field: &'static str,
    /// What it was; null where there was nothing.
    #[schema(value_type = Option<Object>)]
    from: Value,
    /// What it became; null where there is nothing any more.
    #[schema(value_type = Option<Object>)]
    to: Value,
    /// Of a long text, such as SQL, a specification, a context or the columns: what is different, line by line, as a
    /// unified diff. `from` and `to` are null then. At most 64 KiB; a longer one ends with a line `...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

/// What is known of a thing, by field.
#[derive(Debug, Clone, Default, PartialEq)]
struct Fields(BTreeMap<&'static str, Field>);

#[derive(Debug, Clone, PartialEq)]
enum Field {
    /// Shown whole.
    Plain(Value),
    /// Shown by its differences.
    Text(String),
}

impl Fields {
    /// Sets a field; null and an empty text take it away.
    fn set(&mut self, field: &'static str, value: impl Into<Value>) {
        match value.into() {
            Value::Null => drop(self.0.remove(field)),
            Value::String(text) if text.is_empty() => drop(self.0.remove(field)),
            value => drop(self.0.insert(field, Field::Plain(value))),
        }
    }

    /// Sets a field that is compared line by line.
    fn text(&mut self, field: &'static str, text: impl Into<String>) {
        let mut text = text.into();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        self.0.insert(field, Field::Text(text));
    }

    /// Brings it up to date with an event.
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Dataset(e) => dataset::apply(self, e),
            Event::Context(e) => context::apply(self, e),
            Event::Visualization(e) => visualization::apply(self, e),
            Event::Query(e) => query::apply(self, e),
            Event::Workspace(_) | Event::Member(_) | Event::Webhook(_) | Event::Name(_) => {}
        }
    }

    /// What is different in what it became.
    fn changes(&self, after: &Self, deadline: Instant) -> Vec<Change> {
        let fields: BTreeSet<_> = self.0.keys().chain(after.0.keys()).copied().collect();
        let different = fields.into_iter().filter_map(|field| {
            let (from, to) = (self.0.get(field), after.0.get(field));
            (from != to).then(|| Change::of(field, from, to, deadline))
        });
        different.collect()
    }
}

impl Change {
    fn of(field: &'static str, from: Option<&Field>, to: Option<&Field>, deadline: Instant) -> Self {
        if let (Some(Field::Text(_)) | None, Some(Field::Text(_)) | None) = (from, to) {
            let text = |side: Option<&Field>| match side {
                Some(Field::Text(text)) => text.clone(),
                _ => String::new(),
            };
            let diff = Some(unified(&text(from), &text(to), deadline));
            return Self { field, from: Value::Null, to: Value::Null, diff };
        }
        let value = |side: Option<&Field>| match side {
            Some(Field::Plain(value)) => value.clone(),
            Some(Field::Text(text)) => text.clone().into(),
            None => Value::Null,
        };
        Self { field, from: value(from), to: value(to), diff: None }
    }
}

fn unified(from: &str, to: &str, deadline: Instant) -> String {
    let diff = TextDiff::configure().deadline(deadline).diff_lines(from, to);
    let mut text = diff.unified_diff().context_radius(AROUND).to_string();
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(text[..end].rfind('\n').map_or(end, |line| line + 1));
        text.push_str("...\n");
    }
    text
}

/// What the events at these positions changed. A position without such an event has no entry; an event that this
/// build cannot read changed nothing that it could tell.
///
/// # Errors
/// When the log does not answer.
pub(crate) async fn at(
    log: &dyn EventLog,
    subject: Subject,
    positions: &[Position],
) -> Result<HashMap<Position, Vec<Change>>, Unavailable> {
    let Some(last) = positions.iter().max() else { return Ok(HashMap::new()) };
    let filter = Filter::Subject(subject);
    let (mut fields, mut at) = (Fields::default(), Position::START);
    let mut steps = Vec::with_capacity(positions.len());
    while at < *last {
        let page = log.read(&filter, Start::After(at), PIECE).await?;
        for event in page.events.iter().take_while(|event| event.position <= *last) {
            at = event.position;
            let Ok(recorded) = event.decode() else { continue };
            if positions.contains(&at) {
                let before = fields.clone();
                fields.apply(&recorded.event);
                steps.push((at, before, fields.clone()));
            } else {
                fields.apply(&recorded.event);
            }
        }
        if page.end || page.events.last().is_none_or(|event| event.position > *last) {
            break;
        }
    }
    let compare = move || {
        let deadline = Instant::now() + PATIENCE;
        let steps = steps.iter().map(|(at, before, after)| (*at, before.changes(after, deadline)));
        steps.collect::<HashMap<_, _>>()
    };
    // Long texts take a while.
    tokio::task::spawn_blocking(compare).await.map_err(|error| Unavailable(error.to_string()))
}

#[cfg(test)]
mod tests;
