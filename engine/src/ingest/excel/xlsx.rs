//! `.xlsx`: a sheet's cells are streamed out of the archive.

use std::ops::Range;

use calamine::{Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use super::sheet::{Cells, Visit};
use super::value::Value;
use super::{
    Candidate, SHEETS, Stop, choose, corrupt, encrypted, guarded, io_error, measure, no_rows, sheet, told,
};
use crate::ingest::Ingested;
use crate::ingest::blob::Seekable;
use crate::ingest::job::Job;

pub(in crate::ingest) fn read(job: &Job) -> Result<Ingested, Stop> {
    measure::measure(job)?;
    guarded(|| {
        let mut book: Xlsx<Seekable> =
            <Xlsx<Seekable> as Reader<Seekable>>::new(Seekable::new(&job.source)).map_err(error)?;
        let candidates: Vec<Candidate> = book
            .sheets_metadata()
            .iter()
            .filter(|s| s.typ == SheetType::WorkSheet)
            .map(|s| Candidate { name: s.name.clone(), hidden: s.visible != SheetVisible::Visible })
            .collect();
        let name = match &job.options.sheet {
            Some(asked) => choose(asked, &candidates)?.name.clone(),
            None => first_with_data(&mut book, &candidates)?,
        };
        let mut sheets = Vec::new();
        for candidate in candidates.iter().take(SHEETS) {
            // A sheet that was written in one go does not say how large it is.
            let extent =
                book.worksheet_cells_reader(&candidate.name).ok().map(|reader| reader.dimensions().end);
            let extent = extent.map(|(row, column)| (row.saturating_add(1), column.saturating_add(1)));
            sheets.push(told(&candidate.name, extent));
        }
        let mut cells = Streamed { book, name: name.clone() };
        sheet::read(job, &mut cells, "xlsx", &name, sheets)
    })
}

/// The first sheet that anything is on, hidden ones last.
fn first_with_data(book: &mut Xlsx<Seekable>, candidates: &[Candidate]) -> Result<String, Stop> {
    let (hidden, shown): (Vec<_>, Vec<_>) = candidates.iter().partition(|c| c.hidden);
    for candidate in shown.into_iter().chain(hidden) {
        let mut reader = book.worksheet_cells_reader(&candidate.name).map_err(error)?;
        while let Some(cell) = reader.next_cell().map_err(error)? {
            if !Value::from(cell.get_value()).is_empty() {
                return Ok(candidate.name.clone());
            }
        }
    }
    Err(no_rows())
}

struct Streamed {
    book: Xlsx<Seekable>,
    name: String,
}

impl Cells for Streamed {
    fn each(&mut self, visit: Visit<'_>) -> Result<(), Stop> {
        let mut reader = self.book.worksheet_cells_reader(&self.name).map_err(error)?;
        while let Some(cell) = reader.next_cell().map_err(error)? {
            let (row, column) = cell.get_position();
            visit(row, column, Value::from(cell.get_value()))?;
        }
        Ok(())
    }

    fn merged(&mut self, row: u32) -> Result<Vec<Range<u32>>, Stop> {
        let all = self.book.merge_cells_by_sheet_name(&self.name).map_err(error)?;
        Ok(all.iter().filter(|m| m.start.0 == row).map(|m| m.start.1..m.end.1.saturating_add(1)).collect())
    }
}

fn error(e: XlsxError) -> Stop {
    match e {
        XlsxError::Io(e) => io_error(e),
        XlsxError::Zip(zip::result::ZipError::Io(e)) => io_error(e),
        XlsxError::Password => encrypted(),
        // What the library says is about the inside of the file, which nobody has written by hand.
        e => {
            tracing::debug!(error = %e, "a workbook could not be read");
            corrupt(
                "The workbook is damaged, or written in a way that is not understood: open it and save it again.",
            )
        }
    }
}
