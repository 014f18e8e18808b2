//! Contexts.

use weir_events::context::Event;

use super::Fields;

pub(super) fn apply(fields: &mut Fields, event: &Event) {
    match event {
        Event::Saved(e) => {
            fields.set("name", e.name.as_str());
            fields.set("version", e.version.as_str());
            fields.set("status", e.status.as_str());
            fields.text("text", e.text.as_str());
        }
        Event::Deleted(_) => fields.set("deleted", true),
        Event::Restored(e) => {
            fields.set("deleted", ());
            fields.set("name", e.name.as_str());
        }
    }
}
