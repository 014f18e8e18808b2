//! Excel workbooks, `.xlsx` and `.xls`.
//!
//! A workbook's sheet is read as delimited text is: every cell is told as text (`value`), columns get
//! their types and headers the same way (`sheet`), so that a number stored as text is a number where the
//! whole column is one, and `02134` stays text. What is special:
//!
//! - A date is a number with a date's format. Dates become `2013-01-31`, moments `2013-01-31T05:00:00`;
//!   times of day and durations are text, `05:00:00` and `26:30:00`.
//! - Formulas count by the values that were saved with them.
//! - Errors (`#N/A`, `#DIV/0!`) are missing, and counted by their names.
//! - Rows with nothing in them are passed over; columns with nothing in them are left out before the first
//!   and behind the last that has something.
//! - A header cell that spans columns names all of them. Elsewhere the cells that a merged one covers are
//!   empty.
//!
//! A workbook is an archive that can unpack to anything, so it is measured before it is opened (`measure`).

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cells::excerpt;
use super::text::{Stop, StoreError};
use super::{Rejection, Sheet};

mod measure;
mod sheet;
mod value;
pub(super) mod xls;
pub(super) mod xlsx;

/// Sheets that are told of.
const SHEETS: usize = 200;

/// An error while reading the stored bytes.
pub(super) fn io_error(e: io::Error) -> Stop {
    if e.get_ref().is_some_and(|inner| inner.is::<StoreError>()) {
        return Stop::Failed(e.to_string());
    }
    corrupt("The workbook is damaged: its archive cannot be read.")
}

fn corrupt(detail: impl Into<String>) -> Stop {
    Rejection::new("corrupt_file", detail).into()
}

fn encrypted() -> Stop {
    let detail = "The workbook is protected with a password: save it without one.";
    Rejection::new("encrypted_file", detail).into()
}

/// Runs what reads a workbook. The library panics on some damaged ones, which is the file's fault here: it
/// would be no better the next time.
fn guarded<T>(work: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_: Box<dyn Any + Send>| {
        Err(corrupt("The workbook is damaged: it does not hold what it says it holds."))
    })
}

/// A sheet that could be read.
struct Candidate {
    name: String,
    hidden: bool,
}

/// The sheet that was asked for: by name, else by number.
fn choose<'a>(asked: &str, sheets: &'a [Candidate]) -> Result<&'a Candidate, Stop> {
    let named = sheets.iter().find(|s| s.name == asked);
    let alike = || sheets.iter().find(|s| s.name.to_lowercase() == asked.to_lowercase());
    let numbered = || asked.trim().parse::<usize>().ok().and_then(|n| sheets.get(n.checked_sub(1)?));
    named.or_else(alike).or_else(numbered).ok_or_else(|| {
        let mut names: Vec<String> =
            sheets.iter().take(10).map(|s| format!("'{}'", excerpt(s.name.as_bytes()))).collect();
        if sheets.len() > names.len() {
            names.push(format!("and {} more", sheets.len() - names.len()));
        }
        let asked = excerpt(asked.as_bytes());
        let detail = format!("The workbook has no sheet '{asked}'. Its sheets are {}.", names.join(", "));
        Rejection::new("unknown_sheet", detail).into()
    })
}

fn no_rows() -> Stop {
    Rejection::new("no_rows", "There is nothing on any sheet of the workbook.").into()
}

/// A sheet as it is told, by the last of its rows and columns.
fn told(name: &str, extent: Option<(u32, u32)>) -> Sheet {
    let (rows, columns) = extent.unwrap_or_default();
    Sheet { name: name.to_owned(), rows: rows.into(), columns: columns.into() }
}
