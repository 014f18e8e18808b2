//! A workbook's archive, measured before it is opened.
//!
//! What an archive says of its parts can be a lie, and so can what a part says of itself. Everything is
//! unpacked once and thrown away, so that what follows needs to trust nothing: how large the parts are, how
//! much of them the library keeps in memory, and the one number that it believes without looking.

use std::io::Read;

use memchr::memmem;
use zip::ZipArchive;
use zip::result::ZipError;

use super::{Rejection, Stop, corrupt, encrypted, io_error};
use crate::ingest::blob::Seekable;
use crate::ingest::job::Job;

/// A part that is held in memory.
const LOADED: u64 = 256 << 20;
/// Its tags, each of which takes memory of its own.
const TAGS: u64 = 24_000_000;
/// Tags of the styles, which take the most; Excel knows some 65,000 styles.
const STYLES: u64 = 1_000_000;
/// One tag, or one text between two, is in memory at a time.
const EVENT: u64 = 16 << 20;
/// Cells merged with others on one sheet.
const MERGED: u64 = 1_000_000;
/// Parts of the archive.
const PARTS: usize = 20_000;

/// Measures a workbook, and refuses what is too large or not what it says.
pub(super) fn measure(job: &Job) -> Result<(), Stop> {
    let mut archive = ZipArchive::new(Seekable::new(&job.source)).map_err(zip_error)?;
    if archive.len() > PARTS {
        return Err(too_large(format!("The workbook has more than {PARTS} parts.")));
    }
    let most = job.limits.workbook_bytes;
    let mut left = most;
    let mut buffer = vec![0; 256 << 10];
    for index in 0..archive.len() {
        let mut part = match archive.by_index(index) {
            Ok(part) => part,
            Err(ZipError::UnsupportedArchive(_)) => {
                return Err(corrupt("The workbook is packed in a way that workbooks are not."));
            }
            Err(e) => return Err(zip_error(e)),
        };
        if part.encrypted() {
            return Err(encrypted());
        }
        let over = || too_large(format!("The workbook unpacks to more than {most} bytes."));
        if part.size() > left {
            return Err(over());
        }
        let declared = part.size();
        let mut gauge = Gauge::new(&part.name().map_err(zip_error)?);
        loop {
            let read = part.read(&mut buffer).map_err(part_error)?;
            if read == 0 {
                break;
            }
            left = left.checked_sub(read as u64).ok_or_else(over)?;
            gauge.read(&buffer[..read])?;
            if job.source.stopped.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Stop::Failed("stopped".into()));
            }
        }
        if gauge.bytes != declared {
            return Err(corrupt("A part of the workbook is not as large as the archive says."));
        }
        gauge.finish()?;
    }
    Ok(())
}

fn zip_error(e: ZipError) -> Stop {
    match e {
        ZipError::Io(e) => io_error(e),
        _ => corrupt(
            "The workbook is damaged: its archive cannot be read. It was probably not uploaded whole.",
        ),
    }
}

fn part_error(e: std::io::Error) -> Stop {
    match io_error(e) {
        Stop::Rejected(_) => corrupt("A part of the workbook is damaged."),
        other => other,
    }
}

fn too_large(detail: impl Into<String>) -> Stop {
    Rejection::new("file_too_large", detail).into()
}

/// What kind of part it is, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Streamed.
    Sheet,
    Strings,
    Styles,
    /// The one that says which part is the workbook.
    Root,
    /// The rows behind a pivot table, which nothing reads.
    Unread,
    Other,
    /// Pictures and the like.
    Binary,
}

/// What is seen of a part while it goes by.
struct Gauge {
    role: Role,
    bytes: u64,
    tags: u64,
    merged: u64,
    /// Bytes since a tag ended.
    since: u64,
    /// Whether there is anything in which a tag's end is not one.
    special: bool,
    /// The end of what was seen, in which a word may have begun.
    tail: Vec<u8>,
    /// The part itself, where it is the root.
    root: Vec<u8>,
}

/// The longest word that is looked for, and what is behind it.
const TAIL: usize = 64;

impl Gauge {
    fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase().replace('\\', "/");
        let xml = name.ends_with(".xml") || name.ends_with(".rels");
        let role = if name.ends_with("sharedstrings.xml") {
            Role::Strings
        } else if name.ends_with("styles.xml") {
            Role::Styles
        } else if name.trim_start_matches('/') == "_rels/.rels" {
            Role::Root
        } else if !xml {
            Role::Binary
        } else if name.contains("/worksheets/") {
            Role::Sheet
        } else if name.contains("pivotcacherecords") {
            Role::Unread
        } else {
            Role::Other
        };
        Self {
            role,
            bytes: 0,
            tags: 0,
            merged: 0,
            since: 0,
            special: false,
            tail: Vec::new(),
            root: Vec::new(),
        }
    }

    fn read(&mut self, chunk: &[u8]) -> Result<(), Stop> {
        let begins = self.bytes == 0;
        self.bytes += chunk.len() as u64;
        if matches!(self.role, Role::Binary | Role::Unread) {
            return Ok(());
        }
        if (begins && (chunk.starts_with(b"\xff\xfe") || chunk.starts_with(b"\xfe\xff")))
            || memchr::memchr(0, chunk).is_some()
        {
            return Err(corrupt("A part of the workbook is not written in UTF-8."));
        }
        self.tags += memchr::memchr_iter(b'<', chunk).count() as u64;
        let mut from = 0;
        for end in memchr::memchr_iter(b'>', chunk) {
            self.since += (end - from) as u64;
            self.check_event()?;
            self.since = 0;
            from = end;
        }
        self.since += (chunk.len() - from) as u64;
        self.check_event()?;
        let joined = [self.tail.as_slice(), &chunk[..chunk.len().min(TAIL)]].concat();
        self.look(&joined)?;
        self.look(chunk)?;
        // What is found in the joint is found twice at most, which the bounds are far from.
        self.tail = chunk[chunk.len().saturating_sub(TAIL)..].to_vec();
        if self.role == Role::Root {
            self.root.extend_from_slice(chunk);
        }
        self.check()
    }

    /// Looks for words.
    fn look(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.special |= memmem::find(bytes, b"<!").is_some();
        match self.role {
            Role::Sheet => self.merged += memmem::find_iter(bytes, b"mergeCell").count() as u64,
            Role::Strings => {
                for at in memmem::find_iter(bytes, b"uniqueCount") {
                    let rest = &bytes[at + 11..];
                    let digits =
                        rest.iter().skip_while(|b| !b.is_ascii_digit()).take_while(|b| b.is_ascii_digit());
                    if digits.count() > 8 {
                        return Err(corrupt(
                            "The workbook says that it has more texts than a workbook can have.",
                        ));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_event(&self) -> Result<(), Stop> {
        if self.since > EVENT {
            return Err(too_large(format!("A text in the workbook is larger than {EVENT} bytes.")));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Stop> {
        let loaded = |tags: u64| {
            if self.bytes > LOADED || self.tags > tags {
                return Err(too_large(
                    "The workbook's texts or styles take more memory than is given to them: save the sheet as CSV.",
                ));
            }
            Ok(())
        };
        // A comment is one thing however large it is.
        if self.special && self.bytes > EVENT {
            return Err(corrupt(
                "A large part of the workbook holds comments, which workbooks have no use for.",
            ));
        }
        match self.role {
            Role::Sheet if self.merged > MERGED => {
                Err(too_large(format!("A sheet has more than {MERGED} merged cells.")))
            }
            Role::Strings => loaded(TAGS),
            Role::Styles | Role::Root => loaded(STYLES),
            Role::Other => loaded(4 * STYLES),
            _ => Ok(()),
        }
    }

    fn finish(&self) -> Result<(), Stop> {
        if self.role == Role::Root && memmem::find(&self.root, b"pivotCache").is_some() {
            return Err(corrupt("The workbook does not say which of its parts is the workbook."));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(name: &str, chunks: &[&[u8]]) -> Result<(), &'static str> {
        let mut gauge = Gauge::new(name);
        let all = chunks.iter().try_for_each(|chunk| gauge.read(chunk)).and_then(|()| gauge.finish());
        all.map_err(|stop| match stop {
            Stop::Rejected(rejection) => rejection.code,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn parts_that_lie_are_refused() {
        let sheet = "xl/worksheets/sheet1.xml";
        assert_eq!(gauge(sheet, &[b"<row/>"]), Ok(()));
        assert_eq!(gauge(sheet, &[b"\xff\xfe<\0"]), Err("corrupt_file"));
        let long = vec![b'x'; (EVENT / 2) as usize + 1];
        assert_eq!(gauge(sheet, &[b"<t>", &long, b"</t>", &long, b"</t>"]), Ok(()));
        assert_eq!(gauge(sheet, &[b"<t>", &long, &long]), Err("file_too_large"));
        assert_eq!(gauge("xl/media/image.png", &[b"\0", &long, &long, &long]), Ok(()));
        let strings = "xl/sharedStrings.xml";
        assert_eq!(gauge(strings, &[b"<sst uniqueCount=\"12345678\">"]), Ok(()));
        assert_eq!(gauge(strings, &[b"<sst uniqueCount=\"999999999\">"]), Err("corrupt_file"));
        assert_eq!(gauge(strings, &[b"<sst uniqueCo", b"unt = '999999999'>"]), Err("corrupt_file"));
        assert_eq!(gauge("_rels/.rels", &[b"<R Target='xl/pivotCache/x.xml'/>"]), Err("corrupt_file"));
        let tags = b"<xf/>".repeat(STYLES as usize + 1);
        assert_eq!(gauge("xl/styles.xml", &[&tags]), Err("file_too_large"));
        let merged = b"<mergeCell/>".repeat(MERGED as usize + 1);
        assert_eq!(gauge(sheet, &[&merged]), Err("file_too_large"));
    }
}
