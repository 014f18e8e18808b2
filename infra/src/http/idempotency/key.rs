//! The key of a request, and what is derived from it.

use actix_web::http::{
    Method,
    header::{HeaderMap, HeaderName},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use weir_events::WorkspaceId;

use crate::http::{Code, Problem};

/// The header that carries it.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// What makes a repetition of a request recognisable: the caller's key together with who called
/// what, so that two callers who choose the same key never meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    scope: [u8; 32],
}

impl IdempotencyKey {
    /// The key of a request by that caller, if it has one.
    ///
    /// # Errors
    /// When it is not 1 to 255 printable ASCII characters.
    pub(crate) fn read(
        headers: &HeaderMap,
        method: &Method,
        path: &str,
        caller: &[u8],
    ) -> Result<Option<Self>, Problem> {
        let Some(value) = headers.get(HEADER) else { return Ok(None) };
        let value = value.as_bytes();
        if value.is_empty() || value.len() > 255 || !value.iter().all(|b| (0x20..0x7f).contains(b)) {
            let detail = "The Idempotency-Key is 1 to 255 printable ASCII characters.";
            return Err(Problem::new(Code::IdempotencyKeyInvalid, detail));
        }
        Ok(Some(Self {
            scope: digest(&[b"scope", caller, method.as_str().as_bytes(), path.as_bytes(), value]),
        }))
    }

    /// The id of something that the request makes: the same for every repetition. Whoever makes a
    /// thing under such an id finds it there when the first attempt got that far.
    pub fn derive(&self, workspace: WorkspaceId, label: &str) -> Uuid {
        let hash = digest(&[b"id", &self.scope, workspace.0.as_bytes(), label.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// What makes the request's commit recognisable to the log when it comes again.
    pub fn dedup(&self, workspace: WorkspaceId) -> String {
        hex(&digest(&[b"dedup", &self.scope, workspace.0.as_bytes()]))
    }

    pub(super) fn scope(&self) -> &[u8; 32] {
        &self.scope
    }
}

/// SHA-256 over parts, each with its length, so that no two lists of parts look alike.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(caller: &str, path: &str, value: &str) -> Result<Option<IdempotencyKey>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, value.parse().unwrap());
        IdempotencyKey::read(&headers, &Method::POST, path, caller.as_bytes())
    }

    #[test]
    fn the_same_request_gives_the_same_ids_and_any_other_gives_others() {
        let workspace = WorkspaceId(Uuid::from_u128(1));
        let first = key("ada", "/api/v1/datasets", "k1").unwrap().unwrap();
        let again = key("ada", "/api/v1/datasets", "k1").unwrap().unwrap();
        assert_eq!(first.derive(workspace, "dataset"), again.derive(workspace, "dataset"));
        assert_eq!(first.dedup(workspace), again.dedup(workspace));
        assert_eq!(first.derive(workspace, "dataset").get_version_num(), 8);
        assert_ne!(first.derive(workspace, "dataset"), first.derive(workspace, "run"));
        assert_ne!(first.derive(workspace, "dataset"), first.derive(WorkspaceId(Uuid::nil()), "dataset"));
        for other in [
            key("bob", "/api/v1/datasets", "k1"),
            key("ada", "/api/v1/queries", "k1"),
            key("ada", "/api/v1/datasets", "k2"),
        ] {
            assert_ne!(first, other.unwrap().unwrap());
        }
    }

    #[test]
    fn a_key_is_short_and_printable() {
        assert!(key("", "/", "").is_err());
        assert!(key("", "/", &"x".repeat(256)).is_err());
        assert!(key("", "/", "8f14e45f-ea9c").unwrap().is_some());
        assert!(IdempotencyKey::read(&HeaderMap::new(), &Method::POST, "/", b"").unwrap().is_none());
    }
}
