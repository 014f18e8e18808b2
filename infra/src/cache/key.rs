//! Keys: hashes over everything that a value was made from.

use std::fmt;

use sha2::{Digest, Sha256};
use weir_events::WorkspaceId;

/// Where a value is. Only made from a workspace and the content that the value depends on, so that it
/// is never another's and never stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

/// What a value depends on, part by part.
#[derive(Debug)]
pub struct Content(Sha256);

impl Key {
    /// Begins a key of a workspace.
    pub fn of(workspace: WorkspaceId) -> Content {
        Content(Sha256::new()).part(workspace.0.as_bytes())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Content {
    /// Adds a part. Each is told apart from the next: `ab`, `c` is not `a`, `bc`.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// The key of all parts.
    pub fn key(self) -> Key {
        Key(self.0.finalize().into())
    }
}

impl fmt::Display for Key {
    /// In hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
