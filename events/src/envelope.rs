//! CloudEvents 1.0 in the NATS binding's binary mode: attributes in headers, JSON payload.

use std::{borrow::Cow, fmt, str::FromStr};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::{ApiKeyId, Event, EventId, Position, Subject, UserId};

/// Names of the headers that carry the envelope.
pub mod header {
    /// CloudEvents version, always `1.0`.
    pub const SPECVERSION: &str = "ce-specversion";
    /// The event's id.
    pub const ID: &str = "ce-id";
    /// The event's wire type.
    pub const TYPE: &str = "ce-type";
    /// Who produced it: `/weir`.
    pub const SOURCE: &str = "ce-source";
    /// When it happened, RFC 3339.
    pub const TIME: &str = "ce-time";
    /// The aggregate, `<aggregate>/<id>`.
    pub const SUBJECT: &str = "ce-subject";
    /// The media type of the payload.
    pub const CONTENT_TYPE: &str = "ce-datacontenttype";
    /// Who did it.
    pub const ACTOR: &str = "weir-actor";
    /// What it belongs to, from the first request on.
    pub const CORRELATION: &str = "weir-correlation";
    /// The event that led to it.
    pub const CAUSATION: &str = "weir-causation";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";

    /// All of them.
    pub const ALL: [&str; 11] = [
        SPECVERSION,
        ID,
        TYPE,
        SOURCE,
        TIME,
        SUBJECT,
        CONTENT_TYPE,
        ACTOR,
        CORRELATION,
        CAUSATION,
        TRACEPARENT,
    ];
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A person.
    User(UserId),
    /// A program that holds an API key, in the name of the person who made the key.
    ApiKey(ApiKeyId, UserId),
    /// Weir itself: the name of the worker.
    System(&'static str),
}

impl Actor {
    /// The person behind it, if there is one.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::User(u) | Self::ApiKey(_, u) => Some(*u),
            Self::System(_) => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(u) => write!(f, "user:{u}"),
            Self::ApiKey(k, u) => write!(f, "key:{k}:{u}"),
            Self::System(name) => write!(f, "system:{name}"),
        }
    }
}

impl FromStr for Actor {
    type Err = DecodeError;

    fn from_str(s: &str) -> Result<Self, DecodeError> {
        let bad = || DecodeError::Header { name: header::ACTOR, value: s.to_owned() };
        let (kind, rest) = s.split_once(':').ok_or_else(bad)?;
        match kind {
            "user" => rest.parse().map(Self::User).map_err(|_| bad()),
            "key" => {
                let (key, user) = rest.split_once(':').ok_or_else(bad)?;
                Ok(Self::ApiKey(key.parse().map_err(|_| bad())?, user.parse().map_err(|_| bad())?))
            }
            "system" => Ok(Self::System(match rest {
                "ingest" => "ingest",
                "webhooks" => "webhooks",
                // A worker of a newer release: what matters is that no person did it.
                _ => "weir",
            })),
            _ => Err(bad()),
        }
    }
}

/// What is known of an event besides its payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// Its id, unique over all workspaces.
    pub id: EventId,
    /// When it happened, by the clock of the command.
    pub time: DateTime<Utc>,
    /// Who did it.
    pub actor: Actor,
    /// The request that it belongs to, through all its consequences.
    pub correlation: Uuid,
    /// The event that directly led to it.
    pub causation: Option<EventId>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

/// An event that has not been written yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Where it goes.
    pub subject: Subject,
    /// Its envelope.
    pub meta: Metadata,
    /// What happened.
    pub event: Event,
}

impl NewEvent {
    /// Headers and payload, ready for the log.
    ///
    /// # Errors
    /// When the payload has no JSON form.
    pub fn encode(&self) -> Result<(Headers, Bytes), serde_json::Error> {
        let payload = self.event.to_json()?;
        let mut headers = Headers::default();
        headers.push(header::SPECVERSION, "1.0");
        headers.push(header::ID, self.meta.id.to_string());
        headers.push(header::TYPE, self.event.event_type());
        headers.push(header::SOURCE, "/weir");
        headers.push(header::TIME, self.meta.time.to_rfc3339_opts(SecondsFormat::Micros, true));
        headers.push(header::SUBJECT, format!("{}/{}", self.subject.aggregate().as_str(), self.subject.id()));
        headers.push(header::CONTENT_TYPE, "application/json");
        headers.push(header::ACTOR, self.meta.actor.to_string());
        headers.push(header::CORRELATION, self.meta.correlation.to_string());
        if let Some(causation) = self.meta.causation {
            headers.push(header::CAUSATION, causation.to_string());
        }
        if let Some(traceparent) = &self.meta.traceparent {
            headers.push(header::TRACEPARENT, traceparent.clone());
        }
        Ok((headers, payload.into()))
    }
}

/// Header names and values in order; names are compared without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// All values, one behind the other: every event that is read has a dozen.
    values: String,
    /// Each name, and where its value ends.
    names: Vec<(Cow<'static, str>, usize)>,
}

impl Headers {
    /// Adds one.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        if self.names.is_empty() {
            // What an envelope takes.
            self.values.reserve(400);
            self.names.reserve(header::ALL.len());
        }
        let name = name.as_ref();
        // The envelope's own names are not copied for every event.
        let known = header::ALL.into_iter().find(|known| *known == name);
        let name = known.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed);
        self.values.push_str(value.as_ref());
        self.names.push((name, self.values.len()));
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.names.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(self.value(at))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().enumerate().map(|(at, (name, _))| (name.as_ref(), self.value(at)))
    }

    fn value(&self, at: usize) -> &str {
        let begin = at.checked_sub(1).map_or(0, |before| self.names[before].1);
        &self.values[begin..self.names[at].1]
    }
}

/// An event as it stands in the log, not decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Where in the order of all events.
    pub position: Position,
    /// The subject, as text.
    pub subject: String,
    /// The envelope.
    pub headers: Headers,
    /// The payload.
    pub payload: Bytes,
}

impl Stored {
    /// Reads it, whatever version it was written in.
    ///
    /// # Errors
    /// See [`DecodeError`]; the log itself is not at fault then, this one event is.
    pub fn decode(&self) -> Result<Recorded, DecodeError> {
        let text = |name: &'static str| self.headers.get(name).ok_or(DecodeError::MissingHeader(name));
        fn parsed<T: FromStr>(name: &'static str, value: &str) -> Result<T, DecodeError> {
            value.parse().map_err(|_| DecodeError::Header { name, value: value.to_owned() })
        }
        let subject = self.subject.parse().map_err(|_| DecodeError::Subject(self.subject.clone()))?;
        let event = Event::from_json(text(header::TYPE)?, &self.payload)?;
        let time: DateTime<chrono::FixedOffset> = parsed(header::TIME, text(header::TIME)?)?;
        let meta = Metadata {
            id: parsed(header::ID, text(header::ID)?)?,
            time: time.to_utc(),
            actor: text(header::ACTOR)?.parse()?,
            correlation: parsed(header::CORRELATION, text(header::CORRELATION)?)?,
            causation: self
                .headers
                .get(header::CAUSATION)
                .map(|v| parsed(header::CAUSATION, v))
                .transpose()?,
            traceparent: self.headers.get(header::TRACEPARENT).map(str::to_owned),
        };
        Ok(Recorded { position: self.position, subject, meta, event })
    }
}

/// An event that happened: decoded, with its place in the order of all events.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Where in the order of all events.
    pub position: Position,
    /// The aggregate that it happened to.
    pub subject: Subject,
    /// Its envelope.
    pub meta: Metadata,
    /// What happened.
    pub event: Event,
}

/// One stored event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A header of the envelope is not there.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// A header of the envelope makes no sense.
    #[error("the header {name} has the value {value:?}")]
    Header {
        /// Which.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// The subject is not one of ours.
    #[error("{0:?} is not the subject of an aggregate")]
    Subject(String),
    /// This build does not know the type; a newer one may.
    #[error("the event type {0:?} is unknown")]
    UnknownType(String),
    /// The payload does not fit its type.
    #[error("the payload of {event_type} does not fit: {source}")]
    Payload {
        /// The wire type.
        event_type: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}
