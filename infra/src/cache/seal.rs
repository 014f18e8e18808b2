//! What tells of cached bytes that they are what was written, under the key that they were written
//! under: half of a value, another program's value or one of another format is none.
//!
//! The seal stands behind the content, so that a stream of Arrow with a seal is still one to
//! whoever reads it: readers stop where the stream says that it ends. It is a checksum and no
//! signature: who can write to the cache can seal as well.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Key;

/// Ends every seal, with the format's number as its last byte.
const MARK: [u8; 5] = *b"weir\x01";
const HASH: usize = 32;
/// What a seal takes, in bytes.
pub const BYTES: usize = HASH + MARK.len();

/// The content with its seal behind it. `kind` is what it is, such as `results`.
pub fn seal(kind: &str, key: &Key, mut content: Vec<u8>) -> Vec<u8> {
    let hash = hash(kind, key, &content);
    content.reserve_exact(BYTES);
    content.extend_from_slice(&hash);
    content.extend_from_slice(&MARK);
    content
}

/// The content, if it is whole and of that kind and key.
pub fn open(kind: &str, key: &Key, sealed: &Bytes) -> Option<Bytes> {
    let content = split(sealed)?;
    (hash(kind, key, &content) == sealed[content.len()..][..HASH]).then_some(content)
}

/// The content without the seal, and unsealed content as it is. Nothing is checked.
pub fn without(bytes: &Bytes) -> Bytes {
    split(bytes).unwrap_or_else(|| bytes.clone())
}

fn split(sealed: &Bytes) -> Option<Bytes> {
    let end = sealed.len().checked_sub(BYTES)?;
    sealed.ends_with(&MARK).then(|| sealed.slice(..end))
}

fn hash(kind: &str, key: &Key, content: &[u8]) -> [u8; HASH] {
    let mut hash = Sha256::new();
    // Everything but the last has a known length or says it.
    hash.update(MARK);
    hash.update((kind.len() as u64).to_be_bytes());
    hash.update(kind);
    hash.update(key.bytes());
    hash.update(content);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;
    use weir_events::WorkspaceId;

    use super::*;

    fn key(n: u128) -> Key {
        Key::of(WorkspaceId(Uuid::from_u128(n))).key()
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_nothing_else(content: Vec<u8>, at: prop::sample::Index, bit in 0..8_u8) {
            let sealed = Bytes::from(seal("a", &key(1), content.clone()));
            let opened = open("a", &key(1), &sealed);
            prop_assert_eq!(opened.as_deref(), Some(&content[..]));
            prop_assert_eq!(&without(&sealed)[..], &content[..]);
            prop_assert_eq!(open("b", &key(1), &sealed), None);
            prop_assert_eq!(open("a", &key(2), &sealed), None);
            let cut = at.index(sealed.len());
            prop_assert_eq!(open("a", &key(1), &sealed.slice(..cut)), None);
            let mut flipped = sealed.to_vec();
            flipped[cut] ^= 1 << bit;
            prop_assert_eq!(open("a", &key(1), &flipped.into()), None);
        }

        #[test]
        fn anything_can_be_looked_at(bytes: Vec<u8>) {
            prop_assert_eq!(open("a", &key(1), &bytes.into()), None);
        }
    }
}
