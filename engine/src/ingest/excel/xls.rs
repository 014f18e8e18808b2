//! `.xls`: the whole workbook is read into memory, and is therefore small, and tidied up before.
//!
//! The library believes what such a file says of its sheets' sizes, and makes room for it. So the records
//! are gone through first: where cells are decides how large a sheet is, what is not needed is taken out of
//! sight, and only what is left is put into a fresh container, which is what the library gets to see.

use std::collections::HashSet;
use std::io::{Cursor, Read, Write};
use std::ops::Range;

use calamine::{Data, Reader, SheetType, SheetVisible, Xls, XlsError};

use super::sheet::{Cells, Visit};
use super::value::Value;
use super::{
    Candidate, Rejection, SHEETS, Stop, choose, corrupt, encrypted, guarded, io_error, no_rows, sheet, told,
};
use crate::ingest::Ingested;
use crate::ingest::blob::Seekable;
use crate::ingest::job::Job;

/// The largest file; Excel's own limits of 65,536 rows and 256 columns make larger ones rare.
const FILE: u64 = 64 << 20;
/// Cells of all sheets, empty ones between the others included.
const AREA: u64 = 4_000_000;
/// A type that no record has.
const IGNORED: u16 = 0x0fff;

/// That an old Office document is a workbook.
pub(in crate::ingest) fn is_workbook(job: &Job) -> Result<(), Stop> {
    let document = cfb::CompoundFile::open(Seekable::new(&job.source)).map_err(|e| match io_error(e) {
        Stop::Rejected(_) => {
            corrupt("The old Office document is damaged; it was probably not uploaded whole.")
        }
        other => other,
    })?;
    if document.exists("/EncryptedPackage") {
        return Err(encrypted());
    }
    if stream_name(&document).is_none() {
        let detail = "The file is an old Office document, and no workbook.";
        return Err(Rejection::new("binary_file", detail).into());
    }
    Ok(())
}

fn stream_name<F>(document: &cfb::CompoundFile<F>) -> Option<&'static str> {
    ["/Workbook", "/Book"].into_iter().find(|name| document.is_stream(name))
}

pub(in crate::ingest) fn read(job: &Job) -> Result<Ingested, Stop> {
    if job.source.size > FILE {
        let detail = format!("The workbook is larger than {FILE} bytes: save it as .xlsx.");
        return Err(Rejection::new("file_too_large", detail).into());
    }
    let tidy = guarded(|| container(&tidy(stream(job)?)?))?;
    guarded(|| {
        let mut book = <Xls<_> as Reader<_>>::new(Cursor::new(tidy)).map_err(error)?;
        let candidates: Vec<Candidate> = book
            .sheets_metadata()
            .iter()
            .filter(|s| s.typ == SheetType::WorkSheet)
            .map(|s| Candidate { name: s.name.clone(), hidden: s.visible != SheetVisible::Visible })
            .collect();
        let name = match &job.options.sheet {
            Some(asked) => choose(asked, &candidates)?.name.clone(),
            None => {
                let (hidden, shown): (Vec<_>, Vec<_>) = candidates.iter().partition(|c| c.hidden);
                let with_data = shown.into_iter().chain(hidden).find(|c| {
                    let range = book.worksheet_range(&c.name);
                    range.is_ok_and(|r| r.used_cells().any(|(_, _, data)| !Value::from(data).is_empty()))
                });
                with_data.ok_or_else(no_rows)?.name.clone()
            }
        };
        let mut sheets = Vec::new();
        for candidate in candidates.iter().take(SHEETS) {
            let extent = book.worksheet_range(&candidate.name).ok().and_then(|range| range.end());
            sheets.push(told(&candidate.name, extent.map(|(row, column)| (row + 1, column + 1))));
        }
        let range = book.worksheet_range(&name).map_err(error)?;
        let merged = book.merge_cells_by_sheet_name(&name).map_err(error)?;
        let merged = merged.iter().map(|m| (m.start.0, m.start.1..m.end.1.saturating_add(1))).collect();
        drop(book);
        sheet::read(job, &mut Loaded { range, merged }, "xls", &name, sheets)
    })
}

struct Loaded {
    range: calamine::Range<Data>,
    /// The row of each merged cell, and the columns that it covers.
    merged: Vec<(u32, Range<u32>)>,
}

impl Cells for Loaded {
    fn each(&mut self, visit: Visit<'_>) -> Result<(), Stop> {
        let (top, left) = self.range.start().unwrap_or_default();
        for (row, column, data) in self.range.used_cells() {
            let place = |at: usize| u32::try_from(at).map_err(|_| corrupt("The sheet is too large."));
            visit(top + place(row)?, left + place(column)?, Value::from(data))?;
        }
        Ok(())
    }

    fn merged(&mut self, row: u32) -> Result<Vec<Range<u32>>, Stop> {
        Ok(self.merged.iter().filter(|(at, _)| *at == row).map(|(_, columns)| columns.clone()).collect())
    }
}

/// The workbook's records.
fn stream(job: &Job) -> Result<Vec<u8>, Stop> {
    let mut document = cfb::CompoundFile::open(Seekable::new(&job.source)).map_err(io_error)?;
    let name = stream_name(&document).ok_or_else(|| corrupt("The workbook has no content."))?;
    let mut bytes = Vec::new();
    let stream = document.open_stream(name).map_err(io_error)?;
    // No part of a file is larger than the file, unless it lies.
    stream.take(job.source.size + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > job.source.size {
        return Err(corrupt("The workbook says that it is larger than it is."));
    }
    Ok(bytes)
}

/// A container with nothing in it but these records. Of the third version, as Excel writes it: the library
/// misses something in an empty one of the fourth.
fn container(records: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut fresh = cfb::CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new()))
        .map_err(io_error)?;
    fresh.create_stream("/Workbook").and_then(|mut stream| stream.write_all(records)).map_err(io_error)?;
    fresh.flush().map_err(io_error)?;
    Ok(fresh.into_inner().into_inner())
}

/// Where the cells of a sheet are: the first and last row, the first and last column.
#[derive(Clone, Copy)]
struct Extent {
    rows: (u16, u16),
    columns: (u16, u16),
}

impl Extent {
    fn area(self) -> u64 {
        (u64::from(self.rows.1 - self.rows.0) + 1) * (u64::from(self.columns.1 - self.columns.0) + 1)
    }
}

/// Goes through the records, and takes out of sight what would be believed.
fn tidy(mut bytes: Vec<u8>) -> Result<Vec<u8>, Stop> {
    let cut = || corrupt("The workbook ends too early; it was probably not uploaded whole.");
    let number = |bytes: &[u8], at: usize| Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let mut begins = HashSet::new();
    let mut sheets: Vec<u64> = Vec::new();
    let mut extent: Option<Extent> = None;
    let mut area = 0u64;
    let mut at = 0;
    while at + 4 <= bytes.len() {
        let kind = number(&bytes, at).ok_or_else(cut)?;
        let length = usize::from(number(&bytes, at + 2).ok_or_else(cut)?);
        let data = at + 4..at + 4 + length;
        let content = bytes.get(data.clone()).ok_or_else(cut)?;
        let mut hide = false;
        match kind {
            // A sheet or another part begins.
            0x0809 => {
                begins.insert(at as u64);
                area += extent.take().map_or(0, Extent::area);
            }
            // Where a sheet begins.
            0x0085 => {
                let place = content.get(..4).ok_or_else(cut)?;
                sheets.push(u64::from(u32::from_le_bytes([place[0], place[1], place[2], place[3]])));
            }
            // How large a sheet says it is; blank cells; names and other sheets that formulas speak of.
            0x0200 | 0x0201 | 0x00be | 0x0018 | 0x0017 | 0x013d => hide = true,
            // Cells: formula, number, texts, bool or error, text of a formula's own, several numbers.
            0x0006 | 0x0203 | 0x0204 | 0x00d6 | 0x0205 | 0x027e | 0x00fd | 0x00bd => {
                let (Some(row), Some(first)) = (number(content, 0), number(content, 2)) else {
                    return Err(cut());
                };
                let last = match kind {
                    0x00bd => number(content, length.saturating_sub(2)).ok_or_else(cut)?.max(first),
                    _ => first,
                };
                let seen = extent.get_or_insert(Extent { rows: (row, row), columns: (first, last) });
                seen.rows = (seen.rows.0.min(row), seen.rows.1.max(row));
                seen.columns = (seen.columns.0.min(first), seen.columns.1.max(last));
                // The formula itself is not read, only its value.
                if kind == 0x0006 && length >= 22 {
                    bytes[data.start + 20..data.start + 22].fill(0);
                }
            }
            _ => {}
        }
        if hide {
            bytes[at..at + 2].copy_from_slice(&IGNORED.to_le_bytes());
        }
        if area + extent.map_or(0, Extent::area) > AREA {
            let detail = format!("The workbook's sheets span more than {AREA} cells: save it as .xlsx.");
            return Err(Rejection::new("file_too_large", detail).into());
        }
        at = data.end;
    }
    let distinct: HashSet<u64> = sheets.iter().copied().collect();
    if distinct.len() != sheets.len() || !distinct.is_subset(&begins) {
        return Err(corrupt("The workbook's sheets are not where it says they are."));
    }
    Ok(bytes)
}

fn error(e: XlsError) -> Stop {
    match e {
        XlsError::Io(e) => io_error(e),
        XlsError::Password => encrypted(),
        e => {
            tracing::debug!(error = %e, "a workbook could not be read");
            corrupt(
                "The workbook is damaged, or written in a way that is not understood: open it and save it again.",
            )
        }
    }
}
