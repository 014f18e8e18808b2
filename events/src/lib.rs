//! The language of Weir: what can have happened, how it is written down, and the port through
//! which it is appended and followed.
//!
//! - [`workspace`], [`member`], [`dataset`], [`context`], [`query`], [`visualization`], [`name`]: the payloads,
//!   one module per aggregate, each with one enum that lists its events and their wire types.
//! - [`action`]: names of recommended actions, for those who dismiss one.
//! - [`envelope`]: CloudEvents 1.0 in the NATS binary binding: an event and its headers.
//! - [`subject`]: where an event is written: `weir.<workspace>.<aggregate>.<id>`.
//! - [`schema`]: JSON Schemas, AsyncAPI and the page about all of it, made from the types.
//! - [`upcast`]: older wire versions, brought to the current one while decoding.
//! - [`log`]: the [`EventLog`] port; [`memory`] is the adapter that lives in memory, `contract`
//!   (feature of that name) the suite which every adapter passes.
//!
//! Deliberately absent: IO, clocks, randomness, HTTP and SQL. Time and ids come in from outside.
//!
//! To add an event: write its payload struct beside its aggregate's others, add one line to that
//! module's `events!` index, and put a golden file under `golden/`.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

#[macro_use]
mod macros;

pub mod action;
pub mod context;
#[cfg(feature = "contract")]
#[expect(clippy::disallowed_methods, reason = "a suite of tests makes its own ids")]
#[cfg_attr(not(test), expect(clippy::expect_used, reason = "a suite of tests stops at the first surprise"))]
pub mod contract;
pub mod dataset;
pub mod envelope;
pub mod id;
pub mod log;
pub mod member;
pub mod memory;
pub mod name;
pub mod query;
pub mod schema;
pub mod subject;
pub mod text;
pub mod upcast;
pub mod visualization;
pub mod wanted;
pub mod webhook;
pub mod workspace;

pub use action::{ActionId, ActionKind};
pub use envelope::{Actor, DecodeError, Headers, Metadata, NewEvent, Recorded, Stored};
pub use id::{
    ApiKeyId, ContextId, DatasetId, EventId, QueryId, RunId, UserId, VisualizationId, WebhookId, WorkspaceId,
};
pub use log::{
    AppendError, Appended, AsOf, Commit, EventLog, Filter, FollowError, Page, Position, Start, Unavailable,
};
pub use memory::MemoryLog;
pub use schema::{asyncapi, guide, schemas};
pub use subject::{Aggregate, Subject};
pub use wanted::Wanted;

use serde_json::Value;

/// Anything that can have happened, by aggregate.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A workspace came to be or changed.
    Workspace(workspace::Event),
    /// Someone's membership of a workspace changed.
    Member(member::Event),
    /// A dataset was uploaded, ingested, renamed, ...
    Dataset(dataset::Event),
    /// A context was saved, deleted, ...
    Context(context::Event),
    /// A query pattern was run, saved, ...
    Query(query::Event),
    /// A chart was saved, changed, ...
    Visualization(visualization::Event),
    /// A webhook was made, changed, ...
    Webhook(webhook::Event),
    /// A unique name was taken or given back.
    Name(name::Event),
}

/// Calls `$f` with the payload enum inside.
macro_rules! each {
    ($self:expr, $e:ident => $f:expr) => {
        match $self {
            Event::Workspace($e) => $f,
            Event::Member($e) => $f,
            Event::Dataset($e) => $f,
            Event::Context($e) => $f,
            Event::Query($e) => $f,
            Event::Visualization($e) => $f,
            Event::Webhook($e) => $f,
            Event::Name($e) => $f,
        }
    };
}

impl Event {
    /// The wire type, such as `weir.dataset.uploaded.v2`.
    pub fn event_type(&self) -> &'static str {
        each!(self, e => e.event_type())
    }

    /// The payload as JSON, without envelope.
    ///
    /// # Errors
    /// When a value has no JSON form (a float that is not finite).
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        each!(self, e => e.to_json())
    }

    /// Reads a payload of any version ever shipped.
    ///
    /// # Errors
    /// [`DecodeError::UnknownType`] for a type this build does not know,
    /// [`DecodeError::Payload`] when the JSON does not fit the type.
    pub fn from_json(event_type: &str, payload: &[u8]) -> Result<Self, DecodeError> {
        if let Some(event) = Self::current(event_type, payload)? {
            return Ok(event);
        }
        let value: Value = serde_json::from_slice(payload)
            .map_err(|e| DecodeError::Payload { event_type: event_type.to_owned(), source: e })?;
        let Some((event_type, value)) = upcast::to_current(event_type, value) else {
            return Err(DecodeError::UnknownType(event_type.to_owned()));
        };
        let payload = value.to_string();
        Self::current(event_type, payload.as_bytes())?
            .ok_or_else(|| DecodeError::UnknownType(event_type.to_owned()))
    }

    fn current(event_type: &str, payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some(aggregate) = event_type.split('.').nth(1) else { return Ok(None) };
        let parsed = match aggregate {
            "workspace" => workspace::Event::from_json(event_type, payload).map(|e| e.map(Self::Workspace)),
            "member" => member::Event::from_json(event_type, payload).map(|e| e.map(Self::Member)),
            "dataset" => dataset::Event::from_json(event_type, payload).map(|e| e.map(Self::Dataset)),
            "context" => context::Event::from_json(event_type, payload).map(|e| e.map(Self::Context)),
            "query" => query::Event::from_json(event_type, payload).map(|e| e.map(Self::Query)),
            "visualization" => {
                visualization::Event::from_json(event_type, payload).map(|e| e.map(Self::Visualization))
            }
            "webhook" => webhook::Event::from_json(event_type, payload).map(|e| e.map(Self::Webhook)),
            "name" => name::Event::from_json(event_type, payload).map(|e| e.map(Self::Name)),
            _ => Ok(None),
        };
        parsed.map_err(|source| DecodeError::Payload { event_type: event_type.to_owned(), source })
    }

    /// Of every current wire type what it tells, and the form of its payload.
    pub(crate) fn forms() -> Vec<(&'static str, &'static str, Value)> {
        [
            workspace::Event::forms(),
            member::Event::forms(),
            dataset::Event::forms(),
            context::Event::forms(),
            query::Event::forms(),
            visualization::Event::forms(),
            webhook::Event::forms(),
            name::Event::forms(),
        ]
        .concat()
    }

    /// Every wire type of the current versions, in the order of the modules.
    pub fn types() -> Vec<&'static str> {
        [
            workspace::Event::TYPES,
            member::Event::TYPES,
            dataset::Event::TYPES,
            context::Event::TYPES,
            query::Event::TYPES,
            visualization::Event::TYPES,
            webhook::Event::TYPES,
            name::Event::TYPES,
        ]
        .concat()
    }
}
