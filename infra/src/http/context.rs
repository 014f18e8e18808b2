//! What a request carries besides its content: when it came, what it belongs to, how it is traced.

#![expect(clippy::disallowed_methods, reason = "this is the edge at which time and ids come in")]

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderName},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;
use weir_events::Position;

use super::{Code, IdempotencyKey, Problem};

/// The request's id, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C trace context, in both directions.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How far the log was when a command had been carried out.
pub const POSITION: HeaderName = HeaderName::from_static("weir-position");
/// How far a read model must be before it answers.
pub const MIN_POSITION: HeaderName = HeaderName::from_static("weir-min-position");

/// What a request carries besides its content. An extractor that never fails.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// When the request came.
    pub now: DateTime<Utc>,
    /// What everything that follows from the request belongs to: the caller's `X-Request-Id` where
    /// that is a UUID, else its trace id, else a new one.
    pub correlation: Uuid,
    /// W3C trace context to hand on.
    pub traceparent: Option<String>,
    /// What makes a repetition of the request recognisable, where the idempotency middleware
    /// claimed it: a key that nobody checks against the content means nothing.
    pub idempotency: Option<IdempotencyKey>,
}

/// The part that the edge finds out once per request.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    pub(super) now: DateTime<Utc>,
    pub(super) correlation: Uuid,
    pub(super) traceparent: String,
}

impl Trace {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
        let incoming = text(&TRACEPARENT).and_then(parse_traceparent);
        let correlation = text(&REQUEST_ID)
            .and_then(|id| id.parse().ok())
            .filter(|id: &Uuid| !id.is_nil())
            .or(incoming.map(|(trace, _)| Uuid::from_u128(trace)))
            .unwrap_or_else(Uuid::now_v7);
        let (trace, flags) = incoming.unwrap_or((correlation.as_u128(), 0));
        let span = rand::random_range(1..=u64::MAX);
        Self { now: Utc::now(), correlation, traceparent: format!("00-{trace:032x}-{span:016x}-{flags:02x}") }
    }
}

/// Trace id and flags of a `traceparent`, whatever its version.
fn parse_traceparent(value: &str) -> Option<(u128, u8)> {
    let mut parts = value.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |s: &str, len| s.len() == len && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let fits = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2) && version != "ff";
    let whole = version != "00" || parts.next().is_none();
    if !fits || !whole || span.bytes().all(|b| b == b'0') {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|t| *t != 0)?;
    Some((trace, u8::from_str_radix(flags, 16).ok()?))
}

impl RequestContext {
    /// When a request came.
    pub fn now(req: &HttpRequest) -> DateTime<Utc> {
        Self::trace(req).now
    }

    fn trace(req: &HttpRequest) -> Trace {
        let known = req.extensions().get::<Trace>().cloned();
        known.unwrap_or_else(|| {
            // Without the edge: kept, so that everyone who asks gets the same.
            let trace = Trace::read(req.headers());
            req.extensions_mut().insert(trace.clone());
            trace
        })
    }

    /// Reads it from a request.
    pub fn read(req: &HttpRequest) -> Self {
        let trace = Self::trace(req);
        let idempotency = req.extensions().get::<IdempotencyKey>().cloned();
        Self {
            now: trace.now,
            correlation: trace.correlation,
            traceparent: Some(trace.traceparent),
            idempotency,
        }
    }

    /// An id for something that this request makes: the same one whenever the same keyed request
    /// is repeated, a new one (UUIDv7) where there is no key.
    pub fn derive_or_new(&self, workspace: weir_events::WorkspaceId, label: &str) -> Uuid {
        match &self.idempotency {
            Some(key) => key.derive(workspace, label),
            None => Uuid::now_v7(),
        }
    }
}

impl FromRequest for RequestContext {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::read(req)))
    }
}

/// How far the read model must be: header `Weir-Min-Position` or parameter `min_position`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MinPosition(pub Option<Position>);

impl FromRequest for MinPosition {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = req.headers().get(MIN_POSITION).map(|v| v.to_str().unwrap_or_default().to_owned());
        let value = header.or_else(|| super::page::parameter(req.query_string(), "min_position"));
        ready(match value.map(|v| v.trim().parse()) {
            None => Ok(Self(None)),
            Some(Ok(position)) => Ok(Self(Some(position))),
            Some(Err(_)) => {
                let detail = "A position is a whole number, as in the header Weir-Position.";
                Err(Problem::new(Code::InvalidParameter, detail).field(
                    "min_position",
                    "not_a_position",
                    detail,
                ))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn takes_part_in_the_callers_trace() {
        let req = TestRequest::default().insert_header((TRACEPARENT, PARENT)).to_http_request();
        let context = RequestContext::read(&req);
        let out = context.traceparent.unwrap();
        assert!(out.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && out.ends_with("-01"), "{out}");
        assert!(!out.contains("00f067aa0ba902b7"), "the span is our own");
        assert_eq!(context.correlation.simple().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(RequestContext::read(&req).correlation, context.correlation);
    }

    #[test]
    fn starts_a_trace_where_there_is_none_or_a_broken_one() {
        for broken in [
            "",
            "00-zz",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let req = TestRequest::default().insert_header((TRACEPARENT, broken)).to_http_request();
            let context = RequestContext::read(&req);
            assert!(parse_traceparent(&context.traceparent.unwrap()).is_some());
        }
    }

    #[test]
    fn keeps_the_callers_request_id() {
        let id = Uuid::now_v7();
        let req = TestRequest::default().insert_header((REQUEST_ID, id.to_string())).to_http_request();
        assert_eq!(RequestContext::read(&req).correlation, id);
    }
}
