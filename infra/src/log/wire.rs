//! Commits as messages, messages as events, and what the server answers.

use async_nats::{
    HeaderMap, HeaderValue,
    header::{HeaderName, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID, NATS_SEQUENCE, NATS_SUBJECT},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use weir_events::{AppendError, Commit, Headers, Position, Stored, envelope::header};

/// Place and number within a commit of several events, as in `1/3`.
pub(super) const COMMIT: HeaderName = HeaderName::from_static("Weir-Commit");
/// On the first message of a commit of several events: the others, so that anyone can complete it.
pub(super) const REST: HeaderName = HeaderName::from_static("Weir-Rest");

/// What the log's own headers take at most, in bytes, without [`REST`].
const OWN_HEADERS: usize = 400;
/// The server keeps a message's headers in at most 64 KiB.
const MAX_HEADERS: usize = 65_535;

/// The server takes at most this many messages as one.
pub(super) const MAX_EVENTS: usize = 1_000;

/// A message on its way to the stream.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) subject: async_nats::Subject,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

impl Outgoing {
    /// What makes it recognisable when it comes again.
    pub(super) fn id(&self) -> Option<&str> {
        self.headers.get(NATS_MESSAGE_ID).map(HeaderValue::as_str)
    }

    /// Roughly its size on the wire, in bytes.
    pub(super) fn size(&self) -> usize {
        self.payload.len() + OWN_HEADERS
    }
}

/// An event that follows the first of its commit, as it is written into [`REST`].
#[derive(Debug, Serialize, Deserialize)]
struct Rest {
    subject: String,
    headers: Vec<(String, String)>,
    payload: String,
}

impl Rest {
    fn new(envelope: &Headers, id: &str, subject: String, payload: &[u8]) -> Self {
        let mut headers: Vec<_> = envelope.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        headers.push(("Nats-Msg-Id".to_owned(), id.to_owned()));
        Self { subject, headers, payload: String::from_utf8_lossy(payload).into_owned() }
    }
}

/// A commit's identity: what makes it recognisable when it comes again.
pub(super) fn dedup_id(commit: &Commit) -> String {
    match (&commit.dedup, commit.events.first()) {
        (Some(dedup), _) => dedup.clone(),
        (None, Some(event)) => event.meta.id.to_string(),
        (None, None) => String::new(),
    }
}

/// The commit's messages, in order. `limit` is the size in bytes of the largest message that the
/// server takes.
pub(super) fn encode(commit: &Commit, limit: usize) -> Result<Vec<Outgoing>, AppendError> {
    let count = commit.events.len();
    if count == 0 {
        return Err(AppendError::Invalid("it has no events"));
    }
    if count > MAX_EVENTS {
        return Err(AppendError::Invalid("it has more than 1,000 events"));
    }
    let mut messages = Vec::with_capacity(count);
    let mut rest = Vec::new();
    for (n, event) in commit.events.iter().enumerate() {
        let (envelope, payload) =
            event.encode().map_err(|_| AppendError::Invalid("an event has no JSON form"))?;
        let envelope_size = envelope.iter().map(|(n, v)| n.len() + v.len() + 4).sum::<usize>();
        let size = payload.len() + envelope_size + OWN_HEADERS;
        if size > limit {
            return Err(AppendError::TooLarge { size, limit });
        }
        if envelope_size + OWN_HEADERS > MAX_HEADERS {
            return Err(AppendError::TooLarge { size: envelope_size + OWN_HEADERS, limit: MAX_HEADERS });
        }
        let id = match &commit.dedup {
            Some(dedup) if n == 0 => dedup.clone(),
            _ => envelope.get(header::ID).unwrap_or_default().to_owned(),
        };
        let follows = (n > 0).then(|| Rest::new(&envelope, &id, event.subject.to_string(), &payload));
        rest.extend(follows);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, value(id)?);
        for (name, text) in envelope.iter() {
            headers.insert(envelope_name(name), value(text.to_owned())?);
        }
        let subject = event.subject.to_string();
        if count > 1 {
            headers.insert(COMMIT, format!("{}/{count}", n + 1));
        }
        messages.push(Outgoing { subject: subject.into(), headers, payload });
    }
    if count > 1 {
        let rest =
            serde_json::to_string(&rest).map_err(|_| AppendError::Invalid("an event has no JSON form"))?;
        let first = &mut messages[0];
        let size = rest.len() + header_size(&first.headers) + OWN_HEADERS;
        if size > MAX_HEADERS {
            return Err(AppendError::TooLarge { size, limit: MAX_HEADERS });
        }
        if size + first.payload.len() > limit {
            return Err(AppendError::TooLarge { size: size + first.payload.len(), limit });
        }
        first.headers.insert(REST, HeaderValue::from(rest));
    }
    for (subject, expected) in &commit.guards {
        let Some(at) = commit.events.iter().position(|e| e.subject == *subject) else {
            return Err(AppendError::Invalid("it guards a subject that it does not write"));
        };
        let expected = HeaderValue::from(expected.0);
        let headers = &mut messages[at].headers;
        // Two different expectations of one subject cannot both hold.
        if headers.get(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE).is_some_and(|other| *other != expected) {
            return Err(AppendError::Conflict);
        }
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected);
    }
    Ok(messages)
}

fn header_size(headers: &HeaderMap) -> usize {
    let size = |name: &HeaderName, value: &HeaderValue| {
        let name: &str = name.as_ref();
        name.len() + value.as_str().len() + 4
    };
    headers.iter().map(|(n, values)| values.iter().map(|v| size(n, v)).sum::<usize>()).sum()
}

fn value(text: String) -> Result<HeaderValue, AppendError> {
    if text.bytes().any(|b| b == b'\r' || b == b'\n') {
        return Err(AppendError::Invalid("a line break in its envelope"));
    }
    Ok(HeaderValue::from(text))
}

/// The header's name without an allocation for those of the envelope.
fn envelope_name(name: &str) -> HeaderName {
    macro_rules! known {
        ($($constant:ident),+) => {
            match name {
                $( header::$constant => const { HeaderName::from_static(header::$constant) }, )+
                // Names come from `weir_events::envelope`, which are all legal ones.
                other => other.parse().unwrap_or(const { HeaderName::from_static("weir-other") }),
            }
        };
    }
    known!(
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
        TRACEPARENT
    )
}

/// The events of a commit that were not written, from its first message's [`REST`], when only the
/// first `written` of its events are there.
pub(super) fn unwritten(rest: &str, written: usize) -> Option<Vec<Outgoing>> {
    let rest: Vec<Rest> = serde_json::from_str(rest).ok()?;
    let count = rest.len() + 1;
    let missing = rest.into_iter().enumerate().skip(written.checked_sub(1)?);
    missing
        .map(|(n, event)| {
            let mut headers = HeaderMap::new();
            for (name, text) in &event.headers {
                let name: HeaderName = name.parse().ok()?;
                let text: HeaderValue = text.parse().ok()?;
                headers.insert(name, text);
            }
            headers.insert(COMMIT, format!("{}/{count}", n + 2));
            Some(Outgoing { subject: event.subject.into(), headers, payload: event.payload.into() })
        })
        .collect()
}

/// The place and number in a [`COMMIT`] header.
pub(super) fn place(headers: Option<&HeaderMap>) -> Option<(usize, usize)> {
    let (place, count) = headers?.get(COMMIT)?.as_str().split_once('/')?;
    Some((place.parse().ok()?, count.parse().ok()?))
}

/// An event from a message of the stream. The transport's headers are left behind.
pub(super) fn stored(position: u64, subject: &str, headers: Option<&HeaderMap>, payload: Bytes) -> Stored {
    let mut envelope = Headers::default();
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let name: &str = name.as_ref();
        if name.starts_with("Nats-") || name == "Weir-Commit" || name == "Weir-Rest" {
            continue;
        }
        if let Some(value) = values.first() {
            envelope.push(name, value.as_str());
        }
    }
    Stored { position: Position(position), subject: subject.to_owned(), headers: envelope, payload }
}

/// Position and subject of a message that was got directly.
pub(super) fn address(headers: &HeaderMap) -> Option<(u64, &str)> {
    Some((headers.get(NATS_SEQUENCE)?.as_str().parse().ok()?, headers.get(NATS_SUBJECT)?.as_str()))
}

/// The server's answer to a write.
#[derive(Debug, Deserialize)]
pub(super) struct Ack {
    #[serde(default)]
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) duplicate: bool,
    pub(super) error: Option<Refusal>,
}

/// Why the server did not write.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

/// The server's error codes that the log tells apart.
pub(super) mod code {
    /// JetStream is starting, has no leader, or is short of something for the moment.
    pub(in crate::log) const NOT_NOW: [u64; 7] = [10_008, 10_009, 10_023, 10_039, 10_076, 10_118, 10_167];
    /// The stream does not exist.
    pub(in crate::log) const NO_STREAM: u64 = 10_059;
    /// A message is too large for the stream, or its headers are.
    pub(in crate::log) const TOO_LARGE: [u64; 2] = [10_054, 10_097];
    /// The last message is another one than expected.
    pub(in crate::log) const NOT_LAST_ID: u64 = 10_070;
    /// A guarded subject has moved on.
    pub(in crate::log) const MOVED: u64 = 10_071;
    /// A guarded subject is being written right now.
    pub(in crate::log) const MOVING: u64 = 10_164;
    /// The server dropped a part of a batch, such as by a restart, or has too many of them.
    pub(in crate::log) const BATCH_LOST: [u64; 2] = [10_176, 10_210];
    /// A message of a batch was written before.
    pub(in crate::log) const IN_BATCH_BEFORE: u64 = 10_201;
}
