//! Datasets.

use weir_events::dataset::{Event, Ingested, Upload};

use super::Fields;

pub(super) fn apply(fields: &mut Fields, event: &Event) {
    match event {
        Event::Uploaded(e) => {
            if e.version == 1 {
                fields.set("name", e.name.as_str());
                fields.set("description", e.description.as_deref());
            }
            file(fields, &e.upload);
            fields.set("rejection", ());
        }
        Event::Reread(e) => {
            file(fields, &e.upload);
            fields.set("options", serde_json::to_value(&e.options).unwrap_or_default());
            fields.set("rejection", ());
        }
        Event::RolledBack(e) => {
            file(fields, &e.upload);
            read(fields, &e.ingested);
        }
        Event::Ingested(e) => read(fields, e),
        Event::Rejected(e) => fields.set("rejection", e.detail.as_str()),
        Event::Renamed(e) => fields.set("name", e.name.as_str()),
        Event::Described(e) => fields.set("description", e.description.as_str()),
        Event::Deleted(_) => fields.set("deleted", true),
        Event::Restored(e) => {
            fields.set("deleted", ());
            fields.set("name", e.name.as_str());
        }
    }
}

fn file(fields: &mut Fields, upload: &Upload) {
    fields.set("file", upload.file_name.as_deref());
    fields.set("sha256", upload.sha256.as_str());
}

fn read(fields: &mut Fields, ingested: &Ingested) {
    fields.set("version", ingested.version);
    fields.set("rows", ingested.rows);
    fields.set("format", ingested.format.as_str());
    fields.set("options", serde_json::to_value(&ingested.options).unwrap_or_default());
    fields.set("rejection", ());
    let columns = ingested.columns.iter().map(|column| format!("{}: {}\n", column.name, column.data_type));
    fields.text("columns", columns.collect::<String>());
}
