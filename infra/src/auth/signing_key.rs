//! The installation's secret.

#![expect(clippy::disallowed_methods, reason = "secrets are made here")]

use std::{fmt, fs, io, path::Path};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The shortest key, in bytes: the width of the hash that it keys.
const MIN_LEN: usize = 32;

/// The installation's secret. Tokens are signed with it, and keys for other uses are derived from
/// it. There is no default: it is configured, or generated into the data folder.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// Too short to be a secret.
    #[error("the signing key has {0} bytes; it needs at least {MIN_LEN}")]
    TooShort(usize),
    /// The file cannot be read or written.
    #[error("the signing key cannot be kept in {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl SigningKey {
    /// Takes a configured secret as it is.
    ///
    /// # Errors
    /// When it has fewer than 32 bytes.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, SigningKeyError> {
        let bytes = bytes.into();
        if bytes.len() < MIN_LEN {
            return Err(SigningKeyError::TooShort(bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// A new random one.
    pub fn generate() -> Self {
        Self(rand::random::<[u8; 64]>().to_vec())
    }

    /// The key in a file, which is made with a random key, readable by its owner only, where it
    /// is not there yet. Two processes that start at once end up with the same key.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds too short a key.
    pub fn from_file_or_generate(path: &Path) -> Result<Self, SigningKeyError> {
        let failed = |source| SigningKeyError::File { path: path.display().to_string(), source };
        match fs::read(path) {
            Ok(bytes) => return Self::from_bytes(bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
        // Written whole beside it and then linked, so that nobody ever reads half a key.
        let beside = path.with_extension(format!("{:016x}", rand::random::<u64>()));
        let made = write_private(&beside, &Self::generate().0).and_then(|()| fs::hard_link(&beside, path));
        let removed = fs::remove_file(&beside);
        match made {
            Ok(()) => removed.map_err(failed)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed(e)),
        }
        if let Some(Ok(folder)) = path.parent().map(fs::File::open) {
            // So that the name survives a loss of power, as its content does.
            folder.sync_all().map_err(failed)?;
        }
        Self::from_bytes(fs::read(path).map_err(failed)?)
    }

    /// A key for one purpose; from it nothing can be learnt about those for others.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(&self.0, &[b"weir key derivation v1", purpose.as_bytes()])
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// HMAC-SHA256 over parts, each with its length.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length, so the error case cannot occur.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn short_keys_are_refused() {
        assert!(matches!(SigningKey::from_bytes(*b"changeme"), Err(SigningKeyError::TooShort(8))));
        assert!(SigningKey::from_bytes([7; 32]).is_ok());
    }

    #[test]
    fn a_file_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signing.key");
        let first = SigningKey::from_file_or_generate(&path).unwrap();
        let again = SigningKey::from_file_or_generate(&path).unwrap();
        assert_eq!(first.derive("x"), again.derive("x"));
        assert_ne!(first.derive("x"), first.derive("y"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(!format!("{first:?}").contains(|c: char| c.is_ascii_digit()));
    }
}
