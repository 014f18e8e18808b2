//! A packed file, unpacked: one gzip member or several, one after the other.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::{damaged, is_stores, trailing};
use crate::ingest::blob::Reader;

/// What every member begins with.
pub(super) const MAGIC: &[u8] = b"\x1f\x8b";

const CODE: &str = "corrupt_gzip";

/// Stored bytes, unpacked.
pub(in crate::ingest) struct Members {
    /// The one that is being read; absent only while the next takes its place.
    member: Option<GzDecoder<Reader>>,
}

impl Members {
    pub(super) fn new(stored: Reader) -> Self {
        Self { member: Some(GzDecoder::new(stored)) }
    }
}

impl Read for Members {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read =
                member.read(out).map_err(|e| if is_stores(&e) { e } else { damaged(CODE, "gzip", &e) })?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            let stored = member.get_mut();
            let rest = stored.fill_buf()?;
            if rest.is_empty() {
                return Ok(0);
            }
            // One byte may be all that is there of the store's next answer.
            if !MAGIC.starts_with(&rest[..rest.len().min(MAGIC.len())]) {
                return Err(trailing(CODE, "gzip", stored.position()));
            }
            self.member = self.member.take().map(|done| GzDecoder::new(done.into_inner()));
        }
        Ok(0)
    }
}
