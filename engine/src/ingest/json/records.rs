//! The text of one row after the other.

use std::io::Read;

use super::layout::Layout;
use super::{Fault, Rejection, Stop, Text, excerpt};

/// How much is asked for at a time.
const CHUNK: usize = 256 << 10;

/// Walks over the rows of a text. Holds one row and a chunk.
pub(super) struct Records<R> {
    text: Text<R>,
    buffer: Vec<u8>,
    /// Where the current row is in the buffer.
    begin: usize,
    end: usize,
    line: u64,
    /// The line on which the byte at `end` is.
    end_line: u64,
    row_bytes: usize,
    /// Whether rows are elements of an array, with commas between them and a bracket at the end.
    elements: bool,
    /// Whether anything may follow that bracket.
    goes_on: bool,
    first: bool,
    done: bool,
}

impl<R: Read> Records<R> {
    pub(super) fn new(text: Text<R>, layout: &Layout, row_bytes: usize) -> Result<Self, Stop> {
        let mut records = Self {
            text,
            buffer: Vec::new(),
            begin: 0,
            end: 0,
            line: 1,
            end_line: 1,
            row_bytes,
            elements: !matches!(layout, Layout::Values { .. }),
            goes_on: matches!(layout, Layout::Within { .. }),
            first: true,
            done: false,
        };
        match layout {
            Layout::Values { .. } => {}
            Layout::Array => {
                // The bracket that tells an array.
                if records.next_byte()?.is_some() {
                    records.take(1);
                }
            }
            Layout::Within { offset, .. } => records.pass(*offset)?,
        }
        Ok(records)
    }

    /// The text of the current row.
    pub(super) fn record(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    /// The line where the current row begins, the first being 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Goes over bytes without looking at them.
    fn pass(&mut self, mut bytes: u64) -> Result<(), Stop> {
        while bytes > 0 {
            if self.end == self.buffer.len() && !self.fill(CHUNK)? {
                return Err(Stop::Failed("the file changed while it was read".into()));
            }
            let there = self.buffer.len() - self.end;
            let amount = usize::try_from(bytes).map_or(there, |bytes| bytes.min(there));
            self.take(amount);
            bytes -= amount as u64;
        }
        Ok(())
    }

    fn take(&mut self, amount: usize) {
        let taken = &self.buffer[self.end..self.end + amount];
        self.end_line += memchr::memchr_iter(b'\n', taken).count() as u64;
        self.end += amount;
    }

    /// Gets more text behind what is not yet taken; false at the end.
    fn fill(&mut self, want: usize) -> Result<bool, Stop> {
        self.buffer.drain(..self.end);
        self.end = 0;
        self.begin = 0;
        let before = self.buffer.len();
        while !self.text.ended() {
            self.text.fill(&mut self.buffer, want)?;
            if self.buffer.len() > before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next byte that is no blank, which is not taken.
    fn next_byte(&mut self) -> Result<Option<u8>, Stop> {
        loop {
            let rest = &self.buffer[self.end..];
            // Some put the sign for a new record in front of each.
            let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x1e);
            let blanks = rest.iter().take_while(|b| blank(b)).count();
            let found = rest.get(blanks).copied();
            self.take(blanks);
            if found.is_some() || !self.fill(CHUNK)? {
                return Ok(found);
            }
        }
    }

    /// Goes to the next row; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, Stop> {
        if self.done {
            return Ok(false);
        }
        let mut next = self.next_byte()?;
        if self.elements {
            next = match next {
                Some(b']') => {
                    self.take(1);
                    self.done = true;
                    if !self.goes_on && self.next_byte()?.is_some() {
                        return Err(self.fault("Behind the end of the array there is something else."));
                    }
                    return Ok(false);
                }
                Some(b',') if !self.first => {
                    self.take(1);
                    match self.next_byte()? {
                        Some(b']') => return Err(self.fault("Behind a comma the array ends.")),
                        next => next,
                    }
                }
                Some(_) if !self.first => {
                    return Err(self.fault("There should be a comma or the end of the array."));
                }
                next => next,
            };
            if next.is_none() {
                return Err(self.fault("The text ends within an array; it was probably not uploaded whole."));
            }
        }
        let Some(start) = next else { return Ok(false) };
        if matches!(start, b',' | b':' | b']' | b'}') {
            return Err(self.fault("There should be a value."));
        }
        self.first = false;
        loop {
            let last = self.text.ended();
            let rest = &self.buffer[self.end..];
            let length = value_length(rest, last);
            match length {
                Some(length) if length <= self.row_bytes => {
                    self.begin = self.end;
                    self.line = self.end_line;
                    self.take(length);
                    return Ok(true);
                }
                None if last => {
                    return Err(self.fault(
                        "The text ends within a value that begins here; it was probably not uploaded whole.",
                    ));
                }
                None if rest.len() <= self.row_bytes => {
                    // At least as much again as is there, so that a long row is not gone over again and
                    // again for a little more of it each time.
                    let want = rest.len().max(CHUNK);
                    self.fill(want)?;
                }
                _ => {
                    let detail = format!(
                        "A row is larger than {} bytes. If the rows are in an array inside of it, say where \
                         with the option 'records'.",
                        self.row_bytes
                    );
                    return Err(Rejection::new("row_too_large", detail).at(self.end_line).into());
                }
            }
        }
    }

    fn fault(&self, detail: &str) -> Stop {
        let rest = &self.buffer[self.end..];
        let mut rejection = Fault::invalid(0, detail).rejection(&[], self.end_line);
        rejection.found = Some(excerpt(&rest[..rest.len().min(60)])).filter(|f| !f.is_empty());
        rejection.into()
    }
}

/// How long the value at the start of `data` is, judged by quotes and brackets alone; `None` when it is not
/// all there. With `last` no more bytes will follow.
fn value_length(data: &[u8], last: bool) -> Option<usize> {
    match data.first()? {
        b'{' | b'[' => {}
        b'"' => return text_end(data, 1),
        _ => {
            let ends =
                |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | b'{' | b'}' | b'"');
            return data.iter().position(ends).or(last.then_some(data.len()));
        }
    }
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(b) = data.get(at) {
        match b {
            b'"' => {
                at = text_end(data, at + 1)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where a text ends, its closing quote included; `from` is behind the opening one.
fn text_end(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'"', b'\\', data.get(at..)?)?;
        if data[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}
