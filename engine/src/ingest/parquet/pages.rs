//! The pages of a row group, looked at before they are read.
//!
//! The library makes room for what a page's header announces, and unpacks some codecs for as long as
//! anything comes out. So headers are read first, and what cannot be bounded by them is unpacked here, up to
//! what was announced and no further.

use std::io::Read;

use bytes::Bytes;
use datafusion::parquet::basic::{Compression, Type as Physical};
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use datafusion::parquet::file::reader::ChunkReader;

use super::thrift::{Lie, PageHeader, differences, page_header};
use super::{Ranges, corrupt, store_error};
use crate::ingest::Rejection;
use crate::ingest::text::Stop;

/// Pages of all columns that may be in memory together: one of each column, and its dictionary.
const OPEN: u64 = 1 << 30;
/// Values of a column with lists in one row group. A row is in memory whole, and may be all of them.
const VALUES: i64 = 32 << 20;
/// A header, with the least and the greatest value in it.
const HEADER: u64 = 1 << 20;

const DELTA_LENGTH: i64 = 6;
const DELTA_BYTES: i64 = 7;

/// What was found out about a row group.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Bytes of all pages once unpacked.
    pub(super) unpacked: u64,
    /// The most that one value can have, where values are written as differences to the one before and few
    /// bytes can become many values.
    pub(super) longest: u64,
}

pub(super) fn check(ranges: &Ranges, group: &RowGroupMetaData, data_end: u64) -> Result<Measured, Stop> {
    let mut measured = Measured::default();
    let mut open = 0u64;
    for chunk in group.columns() {
        open += check_chunk(ranges, group, chunk, data_end, &mut measured)
            .map_err(|trouble| trouble.stop(chunk))?;
        if open > OPEN {
            let detail = format!(
                "The pages of a row group take more than {OPEN} bytes of memory: write the file with smaller pages."
            );
            return Err(Rejection::new("row_group_too_large", detail).into());
        }
    }
    Ok(measured)
}

enum Trouble {
    Lie,
    Stop(Stop),
}

impl From<Lie> for Trouble {
    fn from(_: Lie) -> Self {
        Self::Lie
    }
}

impl Trouble {
    fn stop(self, chunk: &ColumnChunkMetaData) -> Stop {
        match self {
            Self::Lie => corrupt("A column does not hold what the file says it holds.", chunk),
            Self::Stop(stop) => stop,
        }
    }
}

/// The most that two pages of the column take together.
fn check_chunk(
    ranges: &Ranges,
    group: &RowGroupMetaData,
    chunk: &ColumnChunkMetaData,
    data_end: u64,
    measured: &mut Measured,
) -> Result<u64, Trouble> {
    let column = chunk.column_descr();
    let lists = column.max_rep_level() > 0;
    if chunk.file_path().is_some() || chunk.num_values() < 0 || chunk.compressed_size() < 0 {
        return Err(Trouble::Lie);
    }
    if lists && chunk.num_values() > VALUES {
        let detail =
            format!("A row group has more than {VALUES} values in lists: write it with smaller row groups.");
        let rejection = Rejection::new("row_group_too_large", detail).column(column.path().string());
        return Err(Trouble::Stop(rejection.into()));
    }
    if !lists && chunk.num_values() != group.num_rows() {
        return Err(Trouble::Lie);
    }
    let begin = match chunk.dictionary_page_offset() {
        Some(dictionary) if dictionary > 0 => dictionary.min(chunk.data_page_offset()),
        _ => chunk.data_page_offset(),
    };
    let begin = u64::try_from(begin).map_err(|_| Trouble::Lie)?;
    let size = u64::try_from(chunk.compressed_size()).map_err(|_| Trouble::Lie)?;
    let end = begin.checked_add(size).filter(|end| begin >= 4 && *end <= data_end).ok_or(Trouble::Lie)?;

    let (mut at, mut values, mut dictionary, mut largest) = (begin, 0i64, 0u64, 0u64);
    // A file may end its pages before the chunk ends.
    while at < end && values < chunk.num_values() {
        let window = ranges.bytes(at, (end - at).min(64 << 10)).map_err(stop)?;
        let (page, length) = match page_header(&window) {
            Ok(found) => found,
            Err(Lie) => page_header(&ranges.bytes(at, (end - at).min(HEADER)).map_err(stop)?)?,
        };
        let (packed, unpacked) = (unsigned(page.packed)?, unsigned(page.unpacked)?);
        let body = at + length as u64;
        let next = body.checked_add(packed).filter(|next| *next <= end).ok_or(Trouble::Lie)?;
        if page.values < 0 || page.levels < 0 || page.levels > page.unpacked || page.levels > page.packed {
            return Err(Trouble::Lie);
        }
        match page.kind {
            0 | 3 => {
                values = values.checked_add(page.values).ok_or(Trouble::Lie)?;
                largest = largest.max(unpacked);
                if page.encoding == DELTA_BYTES {
                    measured.longest = measured.longest.max(unpacked);
                }
            }
            // Every value takes a byte at least, unless it is nothing at all.
            2 if page.values > page.unpacked.max(1) * 8 => return Err(Trouble::Lie),
            2 => dictionary = unpacked,
            _ => {}
        }
        if dictionary + largest > OPEN {
            return Ok(dictionary + largest);
        }
        check_body(ranges, chunk, page, body)?;
        measured.unpacked = measured.unpacked.saturating_add(unpacked);
        at = next;
    }
    if values != chunk.num_values() {
        return Err(Trouble::Lie);
    }
    Ok(dictionary + largest)
}

fn unsigned(n: i64) -> Result<u64, Trouble> {
    u64::try_from(n).map_err(|_| Trouble::Lie)
}

fn stop(e: std::io::Error) -> Trouble {
    Trouble::Stop(store_error(e))
}

/// Unpacks a page where its header alone does not bound what it becomes.
fn check_body(
    ranges: &Ranges,
    chunk: &ColumnChunkMetaData,
    page: PageHeader,
    at: u64,
) -> Result<(), Trouble> {
    let codec = chunk.compression();
    let differing = matches!(page.kind, 0 | 3)
        && matches!(page.encoding, DELTA_LENGTH | DELTA_BYTES)
        && matches!(
            chunk.column_descr().physical_type(),
            Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY
        );
    let endless =
        page.is_packed && matches!(codec, Compression::GZIP(_) | Compression::BROTLI(_) | Compression::LZ4);
    if codec == Compression::UNCOMPRESSED && page.packed != page.unpacked {
        return Err(Trouble::Lie);
    }
    if !differing && !endless {
        return Ok(());
    }
    let packed = ranges.bytes(at, unsigned(page.packed)?).map_err(stop)?;
    let levels = usize::try_from(page.levels).map_err(|_| Trouble::Lie)?;
    let most = usize::try_from(page.unpacked - page.levels).map_err(|_| Trouble::Lie)?;
    let unpacked =
        if page.is_packed { unpack(codec, packed.slice(levels..), most)? } else { packed.slice(levels..) };
    if !differing {
        return Ok(());
    }
    // In front of the values of a page of the first kind are its levels, each with its length.
    let mut values = unpacked;
    if page.kind == 0 {
        let column = chunk.column_descr();
        for level in [column.max_rep_level(), column.max_def_level()] {
            if level > 0 {
                let length = values.first_chunk::<4>().map(|n| u32::from_le_bytes(*n)).ok_or(Trouble::Lie)?;
                let length =
                    usize::try_from(length).ok().and_then(|n| n.checked_add(4)).ok_or(Trouble::Lie)?;
                if length > values.len() {
                    return Err(Trouble::Lie);
                }
                values = values.slice(length..);
            }
        }
    }
    if values.is_empty() {
        return Ok(());
    }
    let announced = unsigned(page.values)?;
    let (count, end) = differences(&values)?;
    if count > announced {
        return Err(Trouble::Lie);
    }
    if page.encoding == DELTA_BYTES && differences(values.get(end..).ok_or(Trouble::Lie)?)?.0 > announced {
        return Err(Trouble::Lie);
    }
    Ok(())
}

/// Unpacks no more than `most`; more is a lie.
fn unpack(codec: Compression, packed: Bytes, most: usize) -> Result<Bytes, Trouble> {
    if most == 0 {
        return Ok(Bytes::new());
    }
    let drain = |reader: &mut dyn Read| -> Result<Vec<u8>, Trouble> {
        let mut out = Vec::new();
        reader.take(most as u64 + 1).read_to_end(&mut out).map_err(|_| Trouble::Lie)?;
        if out.len() > most { Err(Trouble::Lie) } else { Ok(out) }
    };
    let out = match codec {
        Compression::UNCOMPRESSED => return Ok(packed),
        Compression::GZIP(_) => drain(&mut flate2::read::MultiGzDecoder::new(packed.as_ref()))?,
        Compression::BROTLI(_) => drain(&mut brotli::Decompressor::new(packed.as_ref(), 4096))?,
        Compression::ZSTD(_) => {
            drain(&mut zstd::stream::read::Decoder::new(packed.as_ref()).map_err(|_| Trouble::Lie)?)?
        }
        Compression::SNAPPY => {
            if snap::raw::decompress_len(&packed).map_err(|_| Trouble::Lie)? > most {
                return Err(Trouble::Lie);
            }
            snap::raw::Decoder::new().decompress_vec(&packed).map_err(|_| Trouble::Lie)?
        }
        Compression::LZ4_RAW => lz4_flex::block::decompress(&packed, most).map_err(|_| Trouble::Lie)?,
        // It may be the one or the other kind; of these only the frames go on and on.
        Compression::LZ4 => match drain(&mut lz4_flex::frame::FrameDecoder::new(packed.as_ref())) {
            Err(_) if packed.starts_with(b"\x04\x22\x4d\x18") => return Err(Trouble::Lie),
            other => other.unwrap_or_default(),
        },
        _ => return Err(Trouble::Lie),
    };
    Ok(out.into())
}

impl Ranges {
    /// Bytes that must be there.
    fn bytes(&self, at: u64, length: u64) -> std::io::Result<Bytes> {
        let length = usize::try_from(length).map_err(std::io::Error::other)?;
        self.get_bytes(at, length).map_err(std::io::Error::other)
    }
}
