//! An event as the API, the command line and subscribers show it: one form for all of them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use weir_events::{Stored, envelope::header};

/// An event, in the JSON form of CloudEvents 1.0.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CloudEvent {
    /// The version of CloudEvents.
    #[schema(example = "1.0")]
    pub specversion: &'static str,
    /// Unique for each event.
    pub id: String,
    /// What produced it.
    pub source: String,
    /// What happened, with the version of its form.
    #[serde(rename = "type")]
    #[schema(example = "weir.dataset.uploaded.v2")]
    pub kind: String,
    /// What it happened to: `dataset/` and its id.
    pub subject: String,
    /// When.
    #[schema(format = DateTime)]
    pub time: String,
    /// The media type of `data`.
    pub datacontenttype: String,
    /// Its place in the order of all events, which begins again after it with `after`.
    pub position: u64,
    /// The workspace.
    pub workspace: String,
    /// Who did it: `user:` and an id, `key:` and two, or `system:` and a name.
    pub actor: String,
    /// The request that it belongs to, through all its consequences.
    pub correlation: String,
    /// The event that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation: Option<String>,
    /// W3C trace context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What is known of it, in a form that its type decides.
    pub data: Value,
}

impl From<&Stored> for CloudEvent {
    fn from(event: &Stored) -> Self {
        let optional = |name| event.headers.get(name).map(str::to_owned);
        let text = |name| optional(name).unwrap_or_default();
        Self {
            specversion: "1.0",
            id: text(header::ID),
            source: text(header::SOURCE),
            kind: text(header::TYPE),
            subject: text(header::SUBJECT),
            time: text(header::TIME),
            datacontenttype: text(header::CONTENT_TYPE),
            position: event.position.0,
            workspace: event.subject.split('.').nth(1).unwrap_or_default().to_owned(),
            actor: text(header::ACTOR),
            correlation: text(header::CORRELATION),
            causation: optional(header::CAUSATION),
            traceparent: optional(header::TRACEPARENT),
            data: serde_json::from_slice(&event.payload).unwrap_or_default(),
        }
    }
}
