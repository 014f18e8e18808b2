//! What events look like, for those who read them elsewhere: JSON Schemas, an AsyncAPI document, and a page for people.
//! All of it follows from the types that are written.

use std::{collections::BTreeMap, fmt::Write};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{Aggregate, Event, envelope::header};

/// The form of a type as it is written: JSON Schema, draft 2020-12, in one piece.
pub(crate) fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    // References would have to be rewritten for each document that this stands in.
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The JSON Schema of each payload, by wire type. Payloads may get more fields without becoming another version: readers
/// pass over what they do not know.
pub fn schemas() -> BTreeMap<&'static str, Value> {
    Event::forms()
        .into_iter()
        .map(|(kind, about, mut schema)| {
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("title".to_owned(), kind.into());
                schema.insert("description".to_owned(), about.into());
            }
            (kind, schema)
        })
        .collect()
}

/// The AsyncAPI 3 document of the stream.
pub fn asyncapi(version: &str) -> Value {
    let schemas = schemas();
    let reference = |to: String| json!({ "$ref": to });
    let of_channel: Map<String, Value> = schemas
        .keys()
        .map(|kind| ((*kind).to_owned(), reference(format!("#/components/messages/{kind}"))))
        .collect();
    let messages: Map<String, Value> = schemas
        .iter()
        .map(|(kind, schema)| {
            let message = json!({
                "name": kind,
                "summary": schema["description"],
                "contentType": "application/json",
                "headers": reference("#/components/schemas/envelope".to_owned()),
                "payload": reference(format!("#/components/schemas/{kind}")),
            });
            ((*kind).to_owned(), message)
        })
        .collect();
    let mut forms: Map<String, Value> =
        schemas.into_iter().map(|(kind, schema)| (kind.to_owned(), schema)).collect();
    forms.insert("envelope".to_owned(), envelope());
    let aggregates: Vec<&str> = Aggregate::ALL.iter().map(|aggregate| aggregate.as_str()).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Weir",
            "version": version,
            "description": "Everything that happens in a workspace, in one order, for good. Events are CloudEvents 1.0.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "stream": {
                "address": "weir.{workspace}.{aggregate}.{id}",
                "description": "NATS JetStream, stream WEIR_EVENTS: the envelope in headers, the payload in the body.",
                "parameters": {
                    "workspace": { "description": "The workspace's id." },
                    "aggregate": { "description": "What it happened to.", "enum": aggregates },
                    "id": { "description": "Its id." },
                },
                "messages": of_channel,
            },
            "http": {
                "address": "/api/v1/events",
                "description": "Server-sent events, or pages of the log: CloudEvents in their JSON form, the payload in `data`.",
                "messages": of_channel,
            },
        },
        "operations": {
            "tell": { "action": "send", "channel": reference("#/channels/stream".to_owned()) },
            "tellOverHttp": { "action": "send", "channel": reference("#/channels/http".to_owned()) },
        },
        "components": { "messages": messages, "schemas": forms },
    })
}

/// What stands in headers beside each payload: name, meaning, whether it is always there.
const ENVELOPE: [(&str, &str, bool); 11] = [
    (header::SPECVERSION, "The version of CloudEvents: `1.0`.", true),
    (header::ID, "The event's id, a UUIDv7.", true),
    (header::TYPE, "What happened, with the version of its form.", true),
    (header::SOURCE, "What produced it: `/weir`.", true),
    (header::TIME, "When it happened, RFC 3339, by the clock of the command.", true),
    (header::SUBJECT, "What it happened to: the aggregate, a slash, its id.", true),
    (header::CONTENT_TYPE, "`application/json`.", true),
    (header::ACTOR, "Who did it: `user:<id>`, `key:<id>:<user>`, or `system:<name>`.", true),
    (header::CORRELATION, "The request that it belongs to, through all its consequences.", true),
    (header::CAUSATION, "The event that directly led to it.", false),
    (header::TRACEPARENT, "W3C trace context of the request.", false),
];

fn envelope() -> Value {
    let properties: Map<String, Value> = ENVELOPE
        .iter()
        .map(|(name, about, _)| ((*name).to_owned(), json!({ "type": "string", "description": about })))
        .collect();
    let required: Vec<&str> =
        ENVELOPE.iter().filter(|(_, _, always)| *always).map(|(name, ..)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The page for people, in Markdown.
pub fn guide() -> String {
    let mut page = String::from(
        "# Events\n\n\
         Everything that happens in a workspace is an event in one stream, in one order, for good. This page follows from\n\
         the code (`make generate`), as do `/asyncapi.json` and `/api/v1/events/schemas/{type}`, the JSON Schema of a\n\
         payload.\n\n\
         ## Reading them\n\n\
         `GET /api/v1/events` is a page of the log, oldest first; with `Accept: text/event-stream` it follows live:\n\n\
         ```sh\n\
         curl -sS -N $W/events -H \"Authorization: Bearer $TOKEN\" -H 'Accept: text/event-stream'\n\
         ```\n\n\
         - `after=0` begins with the first event of all. A stream without it begins with what happens from now on.\n\
         - `types=weir.dataset,weir.query.executed.v1` and `aggregates=dataset/<id>,query` choose.\n\
         - A stream that breaks off goes on without gap or repeat: send the last `id` as `Last-Event-ID`, as browsers do by\n  \
           themselves. Every ten seconds a stream says how far it is, whatever it leaves out.\n\
         - A stream ends with the event `weir.stream.ended` and a reason when its token no longer holds or the server stops.\n\
         - A slow reader loses nothing and slows nobody: it gets events from the log when they have left memory.\n\n\
         Over HTTP an event is a CloudEvent in its JSON form, with `position`, `workspace`, `actor` and `correlation` beside\n\
         the usual attributes and the payload in `data`. In NATS (stream `WEIR_EVENTS`, subject\n\
         `weir.<workspace>.<aggregate>.<id>`) the envelope is in headers, and free text is sealed (`weir:sealed:…`, see\n\
         [erasure](erasure.md)):\n\n\
         | header | |\n|---|---|\n",
    );
    for (name, about, always) in ENVELOPE {
        let sometimes = if always { "" } else { " Not always there." };
        let _ = writeln!(page, "| `{name}` | {about}{sometimes} |");
    }
    page.push_str(
        "\nPayloads may get more fields without becoming another version: pass over what you do not know. A type's version is\n\
         raised when its meaning changes, and older ones stay in the stream as they were written.\n",
    );
    let mut aggregate = "";
    for (kind, about, schema) in Event::forms() {
        let of = kind.split('.').nth(1).unwrap_or_default();
        if of != aggregate {
            aggregate = of;
            let _ = writeln!(page, "\n## {of}");
        }
        let _ = writeln!(page, "\n### {kind}\n\n{about}\n");
        let fields = fields(&schema);
        if fields.is_empty() {
            page.push_str("It has no fields.\n");
            continue;
        }
        page.push_str("| field | type | |\n|---|---|---|\n");
        for (name, kind, about) in fields {
            let _ = writeln!(page, "| `{name}` | {kind} | {about} |");
        }
    }
    page
}

/// The fields of a payload: name, type, meaning.
fn fields(schema: &Value) -> Vec<(String, String, String)> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, field)| {
            let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
            let about = field["description"].as_str().unwrap_or_default().replace('\n', " ");
            (name.clone(), format!("{}{optional}", named(field)), about)
        })
        .collect()
}

/// A type in one or a few words.
fn named(schema: &Value) -> String {
    if let Some(one) = ["anyOf", "oneOf"].iter().find(|key| schema[**key].is_array()) {
        let forms = schema[*one].as_array().into_iter().flatten();
        let mut all: Vec<String> = forms.filter(|form| form["type"] != "null").map(named).collect();
        all.dedup();
        return all.join(" or ");
    }
    let words = match &schema["type"] {
        Value::String(word) => vec![word.as_str()],
        Value::Array(words) => {
            words.iter().filter_map(Value::as_str).filter(|word| *word != "null").collect()
        }
        _ => vec!["anything"],
    };
    let format = schema["format"].as_str().filter(|format| !format.contains("int") && *format != "double");
    match (words.as_slice(), format) {
        (["array"], _) => format!("list of {}", named(&schema["items"])),
        (["object"], _) => {
            let inside: Vec<String> = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            if inside.is_empty() { "object".to_owned() } else { format!("object of {}", inside.join(", ")) }
        }
        (_, Some(format)) => format.to_owned(),
        (words, None) => match schema["enum"].as_array() {
            Some(values) => values
                .iter()
                .map(|v| format!("`{}`", v.as_str().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(", "),
            None => words.join(" or "),
        },
    }
}
