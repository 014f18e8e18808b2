//! What a message says of itself, checked.

use std::collections::HashMap;
use std::io::Read;

use datafusion::arrow::ipc::{self, CompressionType, MessageHeader};

use super::{cut, damaged};
use crate::ingest::Rejection;
use crate::ingest::text::Stop;

/// The description of a message.
const DESCRIPTION: u64 = 16 << 20;
/// What one message may take, packed and unpacked; and what all dictionaries may, which stay in memory.
const BODY: u64 = 512 << 20;
/// Rows of a batch, and values of a list in it.
const VALUES: i64 = 64 << 20;

pub(super) fn check_length(length: u64) -> Result<(), Stop> {
    if length > DESCRIPTION { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> Stop {
    let detail = format!("A batch of the file takes more than {BODY} bytes: write it with smaller batches.");
    Rejection::new("row_group_too_large", detail).into()
}

fn lie() -> Stop {
    damaged("A message does not hold what it says it holds.")
}

fn message(description: &[u8]) -> Result<ipc::Message<'_>, Stop> {
    ipc::root_as_message(description).map_err(|_| damaged("The description of a message is damaged."))
}

/// What the messages so far have taken of what they may.
#[derive(Debug, Default)]
pub(super) struct Limits {
    dictionaries: HashMap<i64, u64>,
}

impl Limits {
    /// The length of a message's body, of which the file has `left` bytes at most.
    pub(super) fn body(&self, description: &[u8], left: u64) -> Result<u64, Stop> {
        let length = u64::try_from(message(description)?.bodyLength()).map_err(|_| lie())?;
        if length > left {
            return Err(cut());
        }
        if length > BODY { Err(too_large()) } else { Ok(length) }
    }

    /// Checks a message against its body.
    pub(super) fn check(&mut self, description: &[u8], body: &[u8]) -> Result<(), Stop> {
        let message = message(description)?;
        match message.header_type() {
            MessageHeader::RecordBatch => {
                check_batch(message.header_as_record_batch().ok_or_else(lie)?, body)?;
            }
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch().ok_or_else(lie)?;
                let bytes = check_batch(dictionary.data().ok_or_else(lie)?, body)?;
                let taken = self.dictionaries.entry(dictionary.id()).or_default();
                *taken = if dictionary.isDelta() { taken.saturating_add(bytes) } else { bytes };
                if self.dictionaries.values().fold(0u64, |sum, bytes| sum.saturating_add(*bytes)) > BODY {
                    return Err(too_large());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What the batch takes once unpacked.
fn check_batch(batch: ipc::RecordBatch<'_>, body: &[u8]) -> Result<u64, Stop> {
    let fits = |values: i64| {
        if values < 0 {
            Err(lie())
        } else if values > VALUES {
            Err(too_large())
        } else {
            Ok(())
        }
    };
    fits(batch.length())?;
    for node in batch.nodes().into_iter().flatten() {
        fits(node.length())?;
        if node.null_count() < 0 || node.null_count() > node.length() {
            return Err(lie());
        }
    }
    let codec = batch.compression().map(|compression| compression.codec());
    let mut taken = 0u64;
    for place in batch.buffers().into_iter().flatten() {
        let begin = usize::try_from(place.offset()).map_err(|_| lie())?;
        let length = usize::try_from(place.length()).map_err(|_| lie())?;
        let end = begin.checked_add(length).ok_or_else(lie)?;
        let buffer = body.get(begin..end).ok_or_else(lie)?;
        let unpacked = match (codec, buffer.split_first_chunk::<8>()) {
            (None, _) => length as u64,
            (Some(_), None) if buffer.is_empty() => 0,
            (Some(_), None) => return Err(lie()),
            (Some(codec), Some((announced, packed))) => match i64::from_le_bytes(*announced) {
                -1 => packed.len() as u64,
                announced => {
                    let announced = u64::try_from(announced).map_err(|_| lie())?;
                    if announced > BODY {
                        return Err(too_large());
                    }
                    if codec == CompressionType::LZ4_FRAME {
                        check_frame(packed, announced)?;
                    }
                    announced
                }
            },
        };
        taken = taken.saturating_add(unpacked);
        if taken > BODY {
            return Err(too_large());
        }
    }
    Ok(taken)
}

/// That a frame unpacks to what it says: the library unpacks it for as long as anything comes out.
fn check_frame(packed: &[u8], announced: u64) -> Result<(), Stop> {
    let mut frame = lz4_flex::frame::FrameDecoder::new(packed).take(announced + 1);
    let unpacked = std::io::copy(&mut frame, &mut std::io::sink()).map_err(|_| lie())?;
    if unpacked == announced { Ok(()) } else { Err(lie()) }
}
