//! Stored bytes to UTF-8 text: unpacking and decoding, a chunk at a time.

use std::io::{self, Read};

use encoding_rs::{DecoderResult, Encoding};

use super::Rejection;
use super::unpack::Damaged;

/// Why reading stopped before the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The file is at fault.
    Rejected(Box<Rejection>),
    /// The machine is at fault.
    Failed(String),
    /// It was taken for UTF-8 and is not.
    NotUtf8,
}

impl From<Rejection> for Stop {
    fn from(r: Rejection) -> Self {
        Self::Rejected(Box::new(r))
    }
}

/// Marks an error of the blob store, so that it is not taken for one of the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct StoreError(pub(super) String);

/// Tells the store's errors from the packed file's.
pub(super) fn read_error(e: io::Error) -> Stop {
    let inner = e.get_ref();
    if inner.is_some_and(|inner| inner.is::<StoreError>()) {
        return Stop::Failed(e.to_string());
    }
    match inner.and_then(|inner| inner.downcast_ref::<Damaged>()) {
        Some(damaged) => Rejection::new(damaged.code, damaged.detail.clone()).into(),
        None => Stop::Failed(e.to_string()),
    }
}

enum Mode {
    /// Checked and passed on; up to three bytes of a character wait for the rest of it.
    Utf8 { waiting: Vec<u8>, start: bool },
    /// Decoded.
    Other { decoder: Box<encoding_rs::Decoder>, name: &'static str, raw: Vec<u8> },
}

/// A text that is read once, from front to back.
pub(super) struct Text<R> {
    input: R,
    mode: Mode,
    ended: bool,
    /// Bytes that may still come out of the packed file.
    allowance: u64,
    limit: u64,
}

impl<R: Read> Text<R> {
    /// A text that should be UTF-8; [`Stop::NotUtf8`] when it is not.
    pub(super) fn utf8(input: R, limit: u64) -> Self {
        let mode = Mode::Utf8 { waiting: Vec::new(), start: true };
        Self { input, mode, ended: false, allowance: limit, limit }
    }

    /// A text in some encoding; a byte order mark is taken off.
    pub(super) fn encoded(input: R, encoding: &'static Encoding, limit: u64) -> Self {
        if encoding == encoding_rs::UTF_8 {
            return Self::utf8(input, limit);
        }
        let mode = Mode::Other {
            decoder: Box::new(encoding.new_decoder_with_bom_removal()),
            name: encoding.name(),
            raw: Vec::new(),
        };
        Self { input, mode, ended: false, allowance: limit, limit }
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Appends up to about `want` bytes of text. Nothing is appended only at the end, and perhaps
    /// when a character is still incomplete.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, want: usize) -> Result<(), Stop> {
        let before = out.len();
        let read = match &mut self.mode {
            Mode::Utf8 { waiting, start } => {
                out.append(waiting);
                let read = read_some(&mut self.input, out, want)?;
                if *start && out[before..].starts_with(b"\xef\xbb\xbf") {
                    out.drain(before..before + 3);
                }
                // A first read of one or two bytes cannot show the mark; readers give more.
                *start = false;
                match std::str::from_utf8(&out[before..]) {
                    Ok(_) => {}
                    Err(e) if e.error_len().is_none() && read > 0 => {
                        *waiting = out.split_off(before + e.valid_up_to());
                    }
                    Err(_) => return Err(Stop::NotUtf8),
                }
                read
            }
            Mode::Other { decoder, name, raw } => {
                let read = read_some(&mut self.input, raw, want)?;
                decode(decoder, name, raw, out, read == 0)?;
                read
            }
        };
        self.allowance = self.allowance.checked_sub(read as u64).ok_or_else(|| {
            Rejection::new(
                "file_too_large",
                format!("The file holds more than {} bytes of text.", self.limit),
            )
        })?;
        self.ended = read == 0;
        if out[before..].contains(&0) {
            let detail = "The file holds NUL bytes: it is not text.";
            return Err(Rejection::new("binary_file", detail).into());
        }
        Ok(())
    }
}

/// Appends what one read gives; 0 is the end.
fn read_some(input: &mut impl Read, out: &mut Vec<u8>, want: usize) -> Result<usize, Stop> {
    let before = out.len();
    out.resize(before + want, 0);
    loop {
        match input.read(&mut out[before..]) {
            Ok(read) => {
                out.truncate(before + read);
                return Ok(read);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                out.truncate(before);
                return Err(read_error(e));
            }
        }
    }
}

fn decode(
    decoder: &mut encoding_rs::Decoder,
    name: &str,
    raw: &mut Vec<u8>,
    out: &mut Vec<u8>,
    last: bool,
) -> Result<(), Stop> {
    let mut from = 0;
    loop {
        let room = decoder.max_utf8_buffer_length_without_replacement(raw.len() - from).unwrap_or(1 << 20);
        let before = out.len();
        out.resize(before + room.max(16), 0);
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(&raw[from..], &mut out[before..], last);
        out.truncate(before + written);
        from += read;
        match result {
            DecoderResult::InputEmpty => {
                raw.clear();
                return Ok(());
            }
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                let detail = format!("The text is not valid {name}.");
                return Err(Rejection::new("invalid_encoding", detail).into());
            }
        }
    }
}

/// The encoding that a byte order mark names.
pub(super) fn by_mark(head: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(head).map(|(encoding, _)| encoding)
}

/// What a text that is not UTF-8 may be.
pub(super) struct Detected {
    /// Its encoding. `None` for a damaged UTF-8 text, which holds good characters as well as odd
    /// bytes: read as anything else, every good one would turn into two wrong ones.
    pub(super) encoding: Option<&'static Encoding>,
    /// The line of the first byte that is not UTF-8.
    pub(super) line: Option<u64>,
}

/// Finds the encoding of a text that is not UTF-8.
pub(super) fn detect(mut input: impl Read) -> Result<Detected, Stop> {
    /// Text from the first odd byte on that is looked at.
    const WINDOW: usize = 16 << 20;
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    let mut probe = encoding_rs::UTF_8.new_decoder_without_bom_handling();
    let mut chunk = Vec::new();
    let mut scratch = vec![0; 64 << 10];
    let (mut good, mut bad, mut line, mut bad_line, mut looked) = (0u64, 0u64, 1u64, None, 0usize);
    loop {
        chunk.clear();
        let read = read_some(&mut input, &mut chunk, 256 << 10)?;
        detector.feed(&chunk, read == 0);
        let mut from = 0;
        loop {
            let (result, used, written) =
                probe.decode_to_utf8_without_replacement(&chunk[from..], &mut scratch, read == 0);
            good += scratch[..written].iter().filter(|b| **b >= 0xc0).count() as u64;
            line += scratch[..written].iter().filter(|b| **b == b'\n').count() as u64;
            from += used;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    bad += 1;
                    bad_line.get_or_insert(line);
                }
            }
        }
        if bad > 0 {
            looked += read;
        }
        if read == 0 || looked > WINDOW {
            break;
        }
    }
    // A handful of odd bytes is too little to tell encodings apart; then it is the usual one.
    let enough = bad >= 8;
    let guess = detector.guess(None, chardetng::Utf8Detection::Deny);
    let likely = if enough && guess.is_ascii_compatible() { guess } else { encoding_rs::WINDOWS_1252 };
    Ok(Detected { encoding: (good <= bad).then_some(likely), line: bad_line })
}

/// Whether the beginning of a text is no text at all.
pub(super) fn is_binary(sample: &[u8]) -> bool {
    let odd = sample.iter().filter(|b| **b < 0x20 && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x0c)).count();
    odd * 20 > sample.len().max(20)
}
