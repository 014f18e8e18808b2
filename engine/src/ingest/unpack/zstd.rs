//! A packed file, unpacked: one zstd frame or several, one after the other.

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::{Damaged, damaged, is_stores, trailing};
use crate::ingest::blob::Reader;

/// What every frame with content begins with.
pub(super) const MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

const CODE: &str = "corrupt_zstd";

/// The most that a frame may look back, as a power of two: 128 MiB, what `zstd --long` asks for. All of it
/// has to be in memory.
const WINDOW_LOG: u32 = 27;

/// Whether a frame begins that holds something else than content.
pub(super) fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Stored bytes, unpacked.
pub(in crate::ingest) struct Frames {
    stored: Reader,
    /// Absent when it could not be had, which the first read tells.
    decoder: io::Result<Decoder<'static>>,
    /// Whether a frame has begun and not ended.
    within: bool,
}

impl Frames {
    pub(super) fn new(stored: Reader) -> Self {
        let decoder = Decoder::new().and_then(|mut decoder| {
            decoder.set_parameter(zstd::stream::raw::DParameter::WindowLogMax(WINDOW_LOG))?;
            Ok(decoder)
        });
        Self { stored, decoder, within: false }
    }
}

impl Read for Frames {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let decoder = self.decoder.as_mut().map_err(|e| io::Error::other(e.to_string()))?;
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let position = self.stored.position();
            let input = self.stored.fill_buf()?;
            let ended = input.is_empty();
            if ended && !self.within {
                return Ok(0);
            }
            if !self.within {
                // Fewer than four bytes may be all that is there of the store's next answer.
                let head = &input[..input.len().min(4)];
                let skips = is_skippable(head) || (head.len() < 4 && (0x50..=0x5f).contains(&head[0]));
                if !MAGIC.starts_with(head) && !skips {
                    return Err(trailing(CODE, "zstd", position));
                }
                decoder.reinit()?;
                self.within = true;
            }
            let mut from = InBuffer::around(input);
            let mut to = OutBuffer::around(out);
            let hint = decoder.run(&mut from, &mut to).map_err(|e| {
                if is_stores(&e) { e } else { too_wide(&e).unwrap_or_else(|| damaged(CODE, "zstd", &e)) }
            })?;
            let (used, written) = (from.pos(), to.pos());
            self.stored.consume(used);
            self.within = hint != 0;
            if written > 0 {
                return Ok(written);
            }
            if ended && used == 0 && self.within {
                return Err(damaged(CODE, "zstd", &io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

/// A frame that wants more memory than is given is not damaged.
fn too_wide(e: &io::Error) -> Option<io::Error> {
    e.to_string().contains("too much memory").then(|| {
        let detail = "The zstd file needs more than 128 MiB of memory to be unpacked: pack it with a smaller \
                      window (zstd without --ultra and with --long=27 at most).";
        io::Error::other(Damaged { code: CODE, detail: detail.to_owned() })
    })
}
