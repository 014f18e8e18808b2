//! What tells one request from another: a digest of its content.

use actix_web::{HttpRequest, http::header};
use memchr::memmem::Finder;
use sha2::{Digest, Sha256};

/// Stands for a multipart boundary, which clients choose anew for every attempt.
const BOUNDARY: &[u8] = b"\0the boundary\0";

/// A digest of a request's query, content type and body, fed with the body as it passes.
pub(super) struct BodyDigest {
    hash: Sha256,
    boundary: Option<Finder<'static>>,
    /// The end of what passed that may be the beginning of a boundary; shorter than one.
    carry: Vec<u8>,
}

impl BodyDigest {
    /// Begins the digest of a request.
    pub(super) fn of(req: &HttpRequest) -> Self {
        let text = |name| {
            let value = req.headers().get(name).map(|v: &header::HeaderValue| v.as_bytes());
            String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
        };
        Self::new(req.query_string(), &text(header::ACCEPT), &text(header::CONTENT_TYPE))
    }

    fn new(query: &str, accept: &str, content_type: &str) -> Self {
        let boundary = boundary(content_type);
        let kind = match &boundary {
            Some(_) => content_type.split(';').next().unwrap_or_default(),
            None => content_type,
        };
        let hash = Sha256::new_with_prefix(super::key::digest(&[
            query.as_bytes(),
            accept.as_bytes(),
            kind.trim().to_ascii_lowercase().as_bytes(),
        ]));
        let boundary = boundary.map(|b| Finder::new(&format!("--{b}")).into_owned());
        Self { hash, boundary, carry: Vec::new() }
    }

    /// Takes the next piece of the body.
    pub(super) fn update(&mut self, chunk: &[u8]) {
        let Some(finder) = &self.boundary else {
            self.hash.update(chunk);
            return;
        };
        let len = finder.needle().len();
        let mut joined = std::mem::take(&mut self.carry);
        let mut rest = if joined.is_empty() {
            chunk
        } else {
            joined.extend_from_slice(chunk);
            &joined[..]
        };
        while let Some(at) = finder.find(rest) {
            self.hash.update(&rest[..at]);
            self.hash.update(BOUNDARY);
            rest = &rest[at + len..];
        }
        let (passed, kept) = rest.split_at(rest.len().saturating_sub(len - 1));
        self.hash.update(passed);
        self.carry = kept.to_vec();
    }

    /// The digest of all that passed.
    pub(super) fn finish(mut self) -> [u8; 32] {
        self.hash.update(&self.carry);
        self.hash.finalize().into()
    }
}

/// The boundary that a multipart content type names.
fn boundary(content_type: &str) -> Option<String> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next()?.to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(content_type: &str, chunks: &[&[u8]]) -> [u8; 32] {
        let mut digest = BodyDigest::new("name=a", "*/*", content_type);
        chunks.iter().for_each(|c| digest.update(c));
        digest.finish()
    }

    fn form(boundary: &str, content: &str) -> Vec<u8> {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{content}\r\n--{boundary}--\r\n").into()
    }

    #[test]
    fn another_boundary_is_the_same_request() {
        let a = digest("multipart/form-data; boundary=aaaa", &[&form("aaaa", "x,y\n1,2")]);
        let b =
            digest("multipart/form-data; boundary=\"b-longer-one\"", &[&form("b-longer-one", "x,y\n1,2")]);
        let other = digest("multipart/form-data; boundary=aaaa", &[&form("aaaa", "x,y\n1,3")]);
        assert_eq!(a, b);
        assert_ne!(a, other);
    }

    #[test]
    fn content_type_and_query_count() {
        let body: &[&[u8]] = &[b"{}"];
        assert_ne!(digest("application/json", body), digest("text/csv", body));
        let mut other = BodyDigest::new("name=b", "*/*", "application/json");
        other.update(b"{}");
        assert_ne!(digest("application/json", body), other.finish());
    }

    proptest! {
        #[test]
        fn how_the_body_is_cut_makes_no_difference(cuts in prop::collection::vec(0usize..140, 0..8), content in "[-a=\r\n]{0,40}") {
            let body = form("a-a", &content);
            let whole = digest("multipart/form-data; boundary=a-a", &[&body]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(body.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&body[from..cut]);
                from = cut;
            }
            chunks.push(&body[from..]);
            prop_assert_eq!(digest("multipart/form-data; boundary=a-a", &chunks), whole);
        }
    }
}
