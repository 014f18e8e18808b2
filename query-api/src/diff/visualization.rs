//! Charts.

use weir_events::visualization::Event;

use super::Fields;

pub(super) fn apply(fields: &mut Fields, event: &Event) {
    match event {
        Event::Saved(e) => {
            // Later names and descriptions have events of their own, beside which a saved chart repeats them.
            if fields.0.is_empty() {
                fields.set("name", e.name.as_str());
                fields.set("description", e.description.as_deref());
            }
            fields.set("context", e.context.as_ref().map(|c| format!("{} {}", c.name, c.version)));
            fields.set("run_id", e.run_id.map(|run| run.to_string()));
            fields.text("sql", e.sql.as_str());
            fields.text("spec", serde_json::to_string_pretty(&e.spec).unwrap_or_default());
        }
        Event::Renamed(e) => fields.set("name", e.name.as_str()),
        Event::Described(e) => fields.set("description", e.description.as_str()),
        Event::Deleted(_) => fields.set("deleted", true),
        Event::Restored(e) => {
            fields.set("deleted", ());
            fields.set("name", e.name.as_str());
        }
    }
}
