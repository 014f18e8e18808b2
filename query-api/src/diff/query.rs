//! What queries are saved as.

use weir_events::query::Event;

use super::Fields;

pub(super) fn apply(fields: &mut Fields, event: &Event) {
    match event {
        Event::Saved(e) => {
            fields.set("name", e.name.as_str());
            fields.set("context", e.context.as_ref().map(|c| format!("{} {}", c.name, c.version)));
            fields.text("sql", e.sql.as_str());
        }
        Event::Renamed(e) => fields.set("name", e.name.as_str()),
        Event::Unsaved(_) => *fields = Fields::default(),
        // Runs change nothing.
        Event::Executed(_) | Event::Failed(_) => {}
    }
}
