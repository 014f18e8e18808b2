//! An answer as it is kept.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::key::hex;
use crate::http::Problem;

/// Says that an answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Headers that belong to one transmission, not to the answer.
const TRANSIENT: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "traceparent",
    "transfer-encoding",
    "x-request-id",
];

/// Everything of an answer but its body, and the digest of the request that it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The digest of the request's content.
    pub(super) request: [u8; 32],
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    pub(super) fn of(res: &HttpResponse<()>, request: [u8; 32]) -> Self {
        let headers = res
            .headers()
            .iter()
            .filter(|(name, _)| !TRANSIENT.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        Self { request, status: res.status().as_u16(), headers }
    }

    /// The answer again.
    pub(super) fn response(&self, body: Bytes) -> Result<HttpResponse, Problem> {
        let status = StatusCode::from_u16(self.status).map_err(Problem::internal)?;
        let mut response = HttpResponse::build(status).body(body);
        // The body's own idea of its type gives way to what was kept.
        response.headers_mut().remove(actix_web::http::header::CONTENT_TYPE);
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(Problem::internal)?;
            let value = HeaderValue::from_bytes(value).map_err(|_| Problem::internal(hex(value)))?;
            response.headers_mut().append(name, value);
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}
