//! Sealing what is kept, under keys derived from the installation's secret: XChaCha20-Poly1305 with a
//! random nonce each time.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::auth::SigningKey;

/// Bytes of a nonce; it stands before what is sealed.
const NONCE: usize = 24;

/// Seals and opens for one purpose. What one purpose sealed no other can open.
#[derive(Clone)]
pub struct Seal(XChaCha20Poly1305);

/// It could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is too long to be sealed")]
pub struct SealError;

impl Seal {
    /// For a purpose, which says what is sealed and why.
    pub fn new(key: &SigningKey, purpose: &str) -> Self {
        Self(XChaCha20Poly1305::new(&key.derive(purpose).into()))
    }

    /// Seals bytes to the name that they are kept under, so that they cannot be moved to another.
    ///
    /// # Errors
    /// When there are more of them than can be sealed at once, about 256 GiB.
    pub fn seal(&self, name: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: plain, aad: name };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// What was sealed; `None` where it was sealed to another name, by another installation's secret, or
    /// was changed since.
    pub fn open(&self, name: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: name }).ok()
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_under_the_same_name_purpose_and_secret_only() {
        let key = SigningKey::generate();
        let seal = Seal::new(&key, "a");
        let sealed = seal.seal(b"ada", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_ne!(sealed, seal.seal(b"ada", b"secret").unwrap());
        assert_eq!(seal.open(b"ada", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(seal.open(b"eve", &sealed), None);
        assert_eq!(Seal::new(&key, "b").open(b"ada", &sealed), None);
        assert_eq!(Seal::new(&SigningKey::generate(), "a").open(b"ada", &sealed), None);
        let mut changed = sealed.clone();
        changed[30] ^= 1;
        assert_eq!(seal.open(b"ada", &changed), None);
        assert_eq!(seal.open(b"ada", &sealed[..10]), None);
    }
}
