//! Bytes to records and fields.
//!
//! Written by hand rather than taken from a crate because three things have to be known that the
//! usual readers hide: whether a field was quoted (`""` is a text, nothing is missing), that a quote
//! was never closed, and the line where a record began.

use std::io::Read;

use crate::ingest::cells::excerpt;
use crate::ingest::text::{Stop, Text};
use crate::ingest::{Limits, Rejection};

/// How much is asked for at a time.
const CHUNK: usize = 256 << 10;

/// A field's place in its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    start: usize,
    end: usize,
    pub(super) quoted: bool,
    escaped: bool,
}

/// What the bytes at hand turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// A whole record of so many bytes, its line end included, that spans so many lines.
    Record { bytes: usize, lines: u64 },
    /// Not yet decidable. In a quote or not.
    More { quoted: bool },
    /// Something follows a closing quote within its field.
    StrayQuote { at: usize },
    /// It has more fields than are looked at.
    TooMany,
}

/// The bytes that end an unquoted field.
pub(super) struct Stops {
    delimiter: u8,
}

impl Stops {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter }
    }

    fn is_stop(&self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }

    /// Where the first of them is. Most fields are a few bytes long, so that eight at a time find it at once.
    fn find(&self, data: &[u8]) -> Option<usize> {
        let everywhere = |byte: u8| u64::from(byte) * LOW;
        let stops = [self.delimiter, b'\n', b'\r'].map(everywhere);
        let (words, rest) = data.as_chunks::<8>();
        for (at, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            // The top bit of each byte that is one of them; above the lowest of these others may be set too.
            let hit = stops.iter().fold(0, |hit, stop| {
                let left = word ^ stop;
                hit | (left.wrapping_sub(LOW) & !left & HIGH)
            });
            if hit != 0 {
                return Some(at * 8 + hit.trailing_zeros() as usize / 8);
            }
        }
        rest.iter().position(|byte| self.is_stop(*byte)).map(|at| words.len() * 8 + at)
    }
}

/// A word with one in each of its bytes, and one with the top bit of each.
const LOW: u64 = u64::MAX / 255;
const HIGH: u64 = LOW << 7;

/// Finds the fields of the record at the start of `data`, `most` of them. With `last` no more bytes will follow.
pub(super) fn scan(data: &[u8], stops: &Stops, last: bool, most: usize, fields: &mut Vec<Field>) -> Scan {
    fields.clear();
    let mut at = 0;
    let mut lines = 1;
    loop {
        if fields.len() > most {
            return Scan::TooMany;
        }
        let mut open = at;
        while open < data.len() && is_blank(data[open]) && data[open] != stops.delimiter {
            open += 1;
        }
        if open == data.len() && !last {
            return Scan::More { quoted: false };
        }
        if open < data.len() && data[open] == b'"' {
            let start = open + 1;
            let mut escaped = false;
            let mut from = start;
            let end = loop {
                let Some(found) = data[from..].iter().position(|b| *b == b'"').map(|i| from + i) else {
                    return Scan::More { quoted: true };
                };
                match data.get(found + 1) {
                    Some(b'"') => {
                        escaped = true;
                        from = found + 2;
                    }
                    None if !last => return Scan::More { quoted: true },
                    _ => break found,
                }
            };
            lines += line_ends(&data[start..end]);
            fields.push(Field { start, end, quoted: true, escaped });
            at = end + 1;
            while at < data.len() && is_blank(data[at]) && data[at] != stops.delimiter {
                at += 1;
            }
            if at == data.len() && !last {
                return Scan::More { quoted: false };
            }
            if at < data.len() && !stops.is_stop(data[at]) {
                return Scan::StrayQuote { at };
            }
        } else {
            let start = at;
            match stops.find(&data[start..]) {
                Some(i) => at = start + i,
                None if last => at = data.len(),
                None => return Scan::More { quoted: false },
            }
            fields.push(Field { start, end: at, quoted: false, escaped: false });
        }
        match data.get(at) {
            None => return Scan::Record { bytes: at, lines },
            Some(b'\n') => return Scan::Record { bytes: at + 1, lines },
            Some(b'\r') => {
                return match data.get(at + 1) {
                    None if !last => Scan::More { quoted: false },
                    Some(b'\n') => Scan::Record { bytes: at + 2, lines },
                    _ => Scan::Record { bytes: at + 1, lines },
                };
            }
            Some(_) => at += 1,
        }
    }
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

fn line_ends(text: &[u8]) -> u64 {
    let mut count = 0;
    for (i, b) in text.iter().enumerate() {
        if *b == b'\n' || (*b == b'\r' && text.get(i + 1) != Some(&b'\n')) {
            count += 1;
        }
    }
    count
}

/// Walks over the records of a text. Holds one record and a chunk.
pub(super) struct Tokenizer<R> {
    text: Text<R>,
    stops: Stops,
    row_bytes: usize,
    /// Fields in a record at most. Ragged rows may have more than there are columns, but not any number.
    most: usize,
    buffer: Vec<u8>,
    /// Where the current record begins, and where the next.
    record: usize,
    next: usize,
    fields: Vec<Field>,
    line: u64,
    next_line: u64,
}

impl<R: Read> Tokenizer<R> {
    pub(super) fn new(text: Text<R>, limits: &Limits) -> Self {
        Self {
            text,
            stops: Stops::new(b','),
            row_bytes: limits.row_bytes,
            most: limits.columns.saturating_mul(8).max(10_000),
            buffer: Vec::new(),
            record: 0,
            next: 0,
            fields: Vec::new(),
            line: 0,
            next_line: 1,
        }
    }

    /// The beginning of the text, and whether it is all of it. Only before the first record.
    pub(super) fn sample(&mut self) -> Result<(&[u8], bool), Stop> {
        while self.buffer.len() < CHUNK && !self.text.ended() {
            self.text.fill(&mut self.buffer, CHUNK)?;
        }
        Ok((&self.buffer, self.text.ended()))
    }

    /// The separator, where the first line says no more than which it is, as files for Excel do: `sep=;`. That line is
    /// passed over. Only before the first record.
    pub(super) fn named_delimiter(&mut self) -> Result<Option<u8>, Stop> {
        let (sample, _) = self.sample()?;
        let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter, rest @ ..] = sample else {
            return Ok(None);
        };
        let end = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return Ok(None),
        };
        let delimiter = *delimiter;
        if delimiter != b'\t' && (!delimiter.is_ascii_punctuation() || delimiter == b'"') {
            return Ok(None);
        }
        (self.next, self.next_line) = (5 + end, 2);
        Ok(Some(delimiter))
    }

    pub(super) fn set_delimiter(&mut self, delimiter: u8) {
        self.stops = Stops::new(delimiter);
    }

    /// Goes to the next record; false at the end of the text.
    pub(super) fn advance(&mut self) -> Result<bool, Stop> {
        self.record = self.next;
        loop {
            let last = self.text.ended();
            let rest = &self.buffer[self.record..];
            if rest.is_empty() && last {
                return Ok(false);
            }
            match scan(rest, &self.stops, last, self.most, &mut self.fields) {
                Scan::Record { bytes, .. } if bytes > self.row_bytes => return Err(self.too_large()),
                Scan::Record { bytes, lines } => {
                    self.next = self.record + bytes;
                    self.line = self.next_line;
                    self.next_line += lines;
                    self.unescape();
                    return Ok(true);
                }
                Scan::TooMany => {
                    let detail = format!("A row has more than {} fields.", self.most);
                    return Err(Rejection::new("too_many_columns", detail).at(self.next_line).into());
                }
                Scan::More { quoted } if last => {
                    debug_assert!(quoted, "only a quote can want more than there is");
                    return Err(self.unterminated("before the end of the file"));
                }
                Scan::More { quoted } if rest.len() > self.row_bytes => {
                    let within = format!("within {} bytes", self.row_bytes);
                    return Err(if quoted { self.unterminated(&within) } else { self.too_large() });
                }
                Scan::More { .. } => {
                    // At least as much again as is there, so that a long record is not scanned over
                    // and over for a little more of it each time.
                    let want = rest.len().max(CHUNK);
                    self.buffer.drain(..self.record);
                    self.record = 0;
                    self.text.fill(&mut self.buffer, want)?;
                }
                Scan::StrayQuote { at } => {
                    let from = at.saturating_sub(20);
                    let found = excerpt(&rest[from..(at + 20).min(rest.len())]);
                    let mut rejection = Rejection::new(
                        "stray_quote",
                        "A quoted field goes on after its closing quote. A quote inside a quoted field is written twice.",
                    )
                    .at(self.next_line);
                    rejection.column = Some(self.fields.len().to_string());
                    rejection.found = Some(found);
                    return Err(rejection.into());
                }
            }
        }
    }

    fn unterminated(&self, where_: &str) -> Stop {
        let rest = &self.buffer[self.record..];
        let mut rejection = Rejection::new(
            "unterminated_quote",
            format!("A quote that opens in the row at line {} is not closed {where_}.", self.next_line),
        )
        .at(self.next_line);
        rejection.found = Some(excerpt(&rest[..rest.len().min(80)]));
        rejection.into()
    }

    fn too_large(&self) -> Stop {
        let detail = format!("A row is larger than {} bytes.", self.row_bytes);
        Rejection::new("row_too_large", detail).at(self.next_line).into()
    }

    /// Takes doubled quotes together, in place: a field only gets shorter.
    fn unescape(&mut self) {
        for field in self.fields.iter_mut().filter(|f| f.escaped) {
            let text = &mut self.buffer[self.record + field.start..self.record + field.end];
            let (mut read, mut write) = (0, 0);
            while read < text.len() {
                text[write] = text[read];
                read += if text[read] == b'"' { 2 } else { 1 };
                write += 1;
            }
            field.end = field.start + write;
        }
    }

    /// The line where the current record began, the first being 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// How large the current record is, its line end included.
    pub(super) fn bytes(&self) -> usize {
        self.next - self.record
    }

    /// How many fields the current record has.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether the current record is a line with nothing on it.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.fields.as_slice(), [f] if !f.quoted && self.text_of(*f).iter().all(|b| is_blank(*b)))
    }

    /// The current record's fields: the text, and whether it was quoted.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.fields.iter().map(|f| (self.text_of(*f), f.quoted))
    }

    fn text_of(&self, field: Field) -> &[u8] {
        &self.buffer[self.record + field.start..self.record + field.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, Vec<String>)>, Stop> {
        let limits = Limits::default();
        let mut tokenizer = Tokenizer::new(Text::utf8(text.as_bytes(), u64::MAX), &limits);
        let mut out = Vec::new();
        while tokenizer.advance()? {
            let fields = tokenizer.fields().map(|(b, q)| {
                let text = String::from_utf8_lossy(b).into_owned();
                if q { format!("<{text}>") } else { text }
            });
            out.push((tokenizer.line(), fields.collect()));
        }
        Ok(out)
    }

    fn rejected(text: &str) -> Rejection {
        match read(text) {
            Err(Stop::Rejected(r)) => *r,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn splits_records_and_fields() {
        let row = |line, fields: &[&str]| (line, fields.iter().map(|s| s.to_string()).collect::<Vec<_>>());
        assert_eq!(read("a,b\n1,2\n").unwrap(), [row(1, &["a", "b"]), row(2, &["1", "2"])]);
        assert_eq!(read("a,\r\n,\r1").unwrap(), [row(1, &["a", ""]), row(2, &["", ""]), row(3, &["1"])]);
        assert_eq!(
            read("\"a\"\"b\",\"\"\n\"x\ny\r\nz\",2\n3,4").unwrap(),
            [row(1, &["<a\"b>", "<>"]), row(2, &["<x\ny\r\nz>", "2"]), row(5, &["3", "4"])]
        );
        assert_eq!(read("1, \"a, b\" ,3").unwrap(), [row(1, &["1", "<a, b>", "3"])]);
        assert_eq!(read("5\" nail,2").unwrap(), [row(1, &["5\" nail", "2"])]);
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn the_first_stop_is_found_wherever_it_is() {
        let stops = Stops::new(b'\t');
        for length in 0..40 {
            // Bytes that differ from a stop in one bit or by one, and those with the top bit.
            let data: Vec<u8> =
                [8, 10 ^ 128, 12, 14, 0, 255, 128, 9 ^ 1, 11].into_iter().cycle().take(length).collect();
            assert_eq!(stops.find(&data), None, "{length}");
            for at in 0..length {
                for stop in [b'\t', b'\n', b'\r'] {
                    let mut data = data.clone();
                    data[at] = stop;
                    assert_eq!(stops.find(&data), Some(at), "{stop} in {length}");
                }
            }
        }
    }

    #[test]
    fn says_where_quotes_go_wrong() {
        let r = rejected("a,b\n1,\"x\n3,4\n");
        assert_eq!((r.code, r.row), ("unterminated_quote", Some(2)));
        let r = rejected("a,b\n1,\"x\"y\n");
        assert_eq!((r.code, r.row, r.column.as_deref()), ("stray_quote", Some(2), Some("2")));
    }

    #[test]
    fn long_records_cross_chunks() {
        let cell = "x".repeat(3 * CHUNK);
        let text = format!("a,b\n\"{cell}\",2\n3,{cell}");
        let rows = read(&text).unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[1].1[0].len(), cell.len() + 2);
        assert_eq!(rows[2].1[1].len(), cell.len());
    }
}
