//! API keys as text: `weir_<id>_<secret>`.

#![expect(clippy::disallowed_methods, reason = "secrets are made here")]

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use weir_events::ApiKeyId;

const PREFIX: &str = "weir_";

/// An API key as its holder has it. Shown once; only a hash of the secret is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeySecret {
    /// Names the key.
    pub id: ApiKeyId,
    secret: String,
}

impl ApiKeySecret {
    /// A new one with 256 random bits. They need no slow hash: there is nothing to guess from.
    pub fn generate(id: ApiKeyId) -> Self {
        Self::from_entropy(id, rand::random())
    }

    /// The one that these random bits make.
    pub fn from_entropy(id: ApiKeyId, entropy: [u8; 32]) -> Self {
        Self { id, secret: URL_SAFE_NO_PAD.encode(entropy) }
    }

    /// Whether a bearer token claims to be an API key.
    pub fn looks_like(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// Reads a bearer token.
    pub fn parse(token: &str) -> Option<Self> {
        let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
        if id.len() != 32 || secret.len() != 43 {
            return None;
        }
        Some(Self { id: id.parse().ok()?, secret: secret.to_owned() })
    }

    /// What is kept of the secret.
    pub fn hash(&self) -> [u8; 32] {
        hash_secret(&self.secret)
    }

    /// The text that the holder gets.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id.0.simple(), self.secret)
    }
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeySecret({}, ..)", self.id)
    }
}

/// SHA-256 of a secret that is random already (an API key's, a refresh token).
pub fn hash_secret(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn goes_through_text() {
        let key = ApiKeySecret::generate(ApiKeyId(Uuid::from_u128(7)));
        let text = key.reveal();
        assert!(text.starts_with("weir_00000000000000000000000000000007_"), "{text}");
        assert_eq!(ApiKeySecret::parse(&text).unwrap(), key);
        assert!(!format!("{key:?}").contains(&text[38..]));
        for bad in ["weir_", "weir_7_x", "sk_live", &text[..60], &format!("{text}x")] {
            assert!(ApiKeySecret::parse(bad).is_none(), "{bad}");
        }
    }
}
