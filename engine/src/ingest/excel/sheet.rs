//! The two passes over a sheet.

use std::collections::BTreeMap;
use std::ops::Range;

use super::value::Value;
use super::{corrupt, no_rows};
use crate::ingest::cells::{
    Batcher, Markers, Profile, Type, decide, excerpt, is_header, schema, unique_names,
};
use crate::ingest::job::{Job, REPORT, failed};
use crate::ingest::table::{Table, Written};
use crate::ingest::text::Stop;
use crate::ingest::types::{Wanted, add};
use crate::ingest::{DEFAULT_MISSING, Ingested, Phase, ReadOptions, Rejection, Sheet};
use crate::{Column, type_name};

/// Rows from the first on that are looked at for whether one repeats a name.
const LOOKED_AT: u64 = 1000;

/// What takes cells, in the order of the sheet: row and column, the first being 0.
pub(super) type Visit<'v> = &'v mut dyn FnMut(u32, u32, Value<'_>) -> Result<(), Stop>;

/// A sheet's cells, as often as they are asked for.
pub(super) trait Cells {
    /// Hands out all cells, row by row.
    fn each(&mut self, visit: Visit<'_>) -> Result<(), Stop>;
    /// The columns that one cell of this row covers together, by the first.
    fn merged(&mut self, row: u32) -> Result<Vec<Range<u32>>, Stop>;
}

/// The row at hand.
#[derive(Default)]
struct Row {
    number: Option<u32>,
    text: Vec<u8>,
    /// By column, where its text is.
    cells: Vec<Range<usize>>,
    errors: Vec<(u32, String)>,
    filled: bool,
}

impl Row {
    fn clear(&mut self, number: u32) {
        self.number = Some(number);
        self.text.clear();
        self.cells.clear();
        self.errors.clear();
        self.filled = false;
    }

    fn cell(&self, column: usize) -> &[u8] {
        self.cells.get(column).map_or(&[], |place| &self.text[place.clone()])
    }

    /// The line as a person counts it.
    fn line(&self) -> u64 {
        u64::from(self.number.unwrap_or(0)) + 1
    }
}

/// Hands out rows with anything in them.
fn rows(
    cells: &mut dyn Cells,
    job: &Job,
    phase: Phase,
    mut visit: impl FnMut(&Row) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut row = Row::default();
    let (mut count, mut told) = (0u64, 0u64);
    let mut visit = |row: &Row| {
        count += 1;
        if count.is_multiple_of(REPORT) {
            // How much of the archive that is, its reader does not say.
            job.report_bytes(phase, 0, count)?;
        }
        visit(row)
    };
    cells.each(&mut |number, column, value| {
        match row.number {
            Some(at) if at == number => {}
            Some(at) if at > number => return Err(corrupt("The sheet's rows are not in order.")),
            _ => {
                if row.filled {
                    visit(&row)?;
                }
                row.clear(number);
            }
        }
        if value.is_empty() {
            return Ok(());
        }
        let index = column as usize;
        job.check_columns(index + 1).map_err(|rejection| rejection.at(row.line()))?;
        let from = row.text.len();
        value.write(&mut row.text);
        let length = row.text.len() - from;
        // A text that is written down once may stand in every cell.
        told += length as u64;
        if told > job.limits.workbook_bytes {
            let detail = format!("The sheet's cells hold more than {} bytes.", job.limits.workbook_bytes);
            return Err(Rejection::new("file_too_large", detail).at(row.line()).into());
        }
        if length > job.limits.cell_bytes || row.text.len() > job.limits.row_bytes {
            let most = job.limits.cell_bytes;
            let detail = format!("A cell is larger than {most} bytes.");
            return Err(Rejection::new("cell_too_large", detail)
                .at(row.line())
                .column((index + 1).to_string())
                .found(excerpt(&row.text[from..]))
                .into());
        }
        if let Value::Error(name) = value {
            row.errors.push((column, name));
        }
        if row.cells.len() <= index {
            row.cells.resize(index + 1, 0..0);
        }
        row.cells[index] = from..from + length;
        row.filled = true;
        Ok(())
    })?;
    if row.filled {
        visit(&row)?;
    }
    job.report_bytes(phase, job.source.size, count)
}

/// What has been seen of a column.
struct Seen {
    first: Profile,
    rest: Profile,
    errors: BTreeMap<String, u64>,
    filled: bool,
}

/// What the first pass found out.
#[derive(Default)]
struct Survey {
    columns: Vec<Seen>,
    /// The texts of the first row, and its number.
    first: Option<(Vec<String>, u32)>,
    /// Rows after the first.
    count: u64,
    comes_back: bool,
    last: u64,
}

impl Survey {
    fn see(&mut self, row: &Row, markers: &Markers) {
        while self.columns.len() < row.cells.len() {
            let (first, mut rest) = (Profile::new(markers), Profile::new(markers));
            rest.see_empty(self.count, markers);
            self.columns.push(Seen { first, rest, errors: BTreeMap::new(), filled: false });
        }
        self.last = row.line();
        let Some((names, _)) = &self.first else {
            for (at, column) in self.columns.iter_mut().enumerate() {
                column.first.see(row.cell(at), false, markers);
                column.filled |= !row.cell(at).is_empty();
            }
            let texts = (0..row.cells.len()).map(|at| String::from_utf8_lossy(row.cell(at)).into_owned());
            self.first = Some((texts.collect(), row.number.unwrap_or(0)));
            self.see_errors(row);
            return;
        };
        for (at, column) in self.columns.iter_mut().enumerate() {
            let cell = row.cell(at);
            column.rest.see(cell, false, markers);
            column.filled |= !cell.is_empty();
            if self.count < LOOKED_AT && !cell.is_empty() {
                self.comes_back |= names.get(at).is_some_and(|name| name.as_bytes() == cell);
            }
        }
        self.see_errors(row);
        self.count += 1;
    }

    fn see_errors(&mut self, row: &Row) {
        for (column, name) in &row.errors {
            if let Some(seen) = self.columns.get_mut(*column as usize) {
                seen.filled = true;
                *seen.errors.entry(name.clone()).or_default() += 1;
            }
        }
    }
}

/// Turns a sheet into a table. `sheets` are all of the workbook's, `name` is this one's.
pub(super) fn read(
    job: &Job,
    cells: &mut dyn Cells,
    format: &str,
    name: &str,
    mut sheets: Vec<Sheet>,
) -> Result<Ingested, Stop> {
    let markers = markers(&job.options);
    let mut survey = Survey::default();
    rows(cells, job, Phase::Reading, |row| {
        survey.see(row, &markers);
        Ok(())
    })?;
    let Survey { columns: mut seen, first, count, comes_back, last } = survey;
    let Some((mut raw, first_row)) = first else { return Err(no_rows()) };

    // Columns with nothing in them before the first and behind the last.
    let begin = seen.iter().position(|c| c.filled).unwrap_or(0);
    let end = seen.iter().rposition(|c| c.filled).map_or(begin, |at| at + 1);
    seen.truncate(end);
    seen.drain(..begin);
    raw.resize(end, String::new());
    raw.drain(..begin);

    let (tops, rests): (Vec<_>, Vec<_>) = seen.iter().map(|c| (c.first.clone(), c.rest.clone())).unzip();
    let header = job.options.header.unwrap_or_else(|| is_header(&tops, &rests, comes_back));
    if header && count == 0 {
        let detail = "The sheet has a header and no rows below it.";
        return Err(Rejection::new("no_rows", detail).at(u64::from(first_row) + 1).into());
    }
    let mut profiles = rests;
    if header {
        if raw.iter().any(String::is_empty) {
            spread(&mut raw, begin, &cells.merged(first_row)?);
        }
    } else {
        profiles.iter_mut().zip(&tops).for_each(|(column, top)| column.merge(top));
        raw.iter_mut().for_each(String::clear);
    }
    let names = unique_names(&raw);
    let mut wanted = Wanted::new(&job.options, &names)?;
    let found: Vec<Type> = profiles.iter().map(Profile::resolve).collect();
    let in_text = job.options.missing_in_text.as_ref().map(|own| with_empty(own.clone()));
    let plans = decide(&profiles, &found, &markers, in_text.as_deref(), wanted.types());

    let schema = schema(&names, &plans);
    let mut table = Table::create(job, schema.clone())?;
    let mut batch = Batcher::new(schema.clone(), &plans, &markers);
    rows(cells, job, Phase::Writing, |row| {
        if header && row.number == Some(first_row) {
            return Ok(());
        }
        batch.push((begin..end).map(|at| (row.cell(at), false)), row.line(), &mut wanted)?;
        if batch.is_full() {
            table.write(batch.take().map_err(failed)?)?;
        }
        Ok(())
    })?;
    if !batch.is_empty() {
        table.write(batch.take().map_err(failed)?)?;
    }
    drop(batch);
    let Written { rows, bytes: table_bytes, profile } = table.finish()?;

    let columns =
        schema.fields().iter().zip(plans).zip(seen).enumerate().map(|(at, ((field, plan), seen))| {
            let mut missing = plan.missing;
            // An error is told as an empty cell, which it is not.
            for (error, count) in &seen.errors {
                if let Some(empty) = missing.get_mut("") {
                    *empty = empty.saturating_sub(*count);
                }
                add(&mut missing, error, *count);
            }
            missing.retain(|_, count| *count > 0);
            Column {
                nullable: !missing.is_empty() || wanted.count(at) > 0,
                missing,
                unfit: wanted.count(at),
                ..Column::new(field.name().as_str(), type_name(field.data_type()))
            }
        });
    let columns = columns.collect();
    job.note(wanted.into_misfits());
    if let Some(sheet) = sheets.iter_mut().find(|s| s.name == name) {
        (sheet.rows, sheet.columns) = (last, end as u64);
    }
    Ok(Ingested {
        rows,
        columns,
        table_bytes,
        format: format.to_owned(),
        options: ReadOptions {
            header: Some(header),
            missing: Some(markers.texts().to_vec()),
            sheet: Some(name.to_owned()),
            ..job.options.clone()
        },
        sheets,
        profile,
    })
}

/// An empty cell is always missing: a sheet has no other way to say so.
fn with_empty(mut own: Vec<String>) -> Vec<String> {
    own.push(String::new());
    own
}

fn markers(options: &ReadOptions) -> Markers {
    Markers::of(with_empty(match &options.missing {
        Some(own) => own.clone(),
        None => DEFAULT_MISSING.map(str::to_owned).to_vec(),
    }))
}

/// Gives the name of a cell that covers several columns to all of them.
fn spread(names: &mut [String], begin: usize, merged: &[Range<u32>]) {
    for range in merged {
        let from = (range.start as usize).checked_sub(begin);
        let to = (range.end as usize).saturating_sub(begin).min(names.len());
        let Some(name) = from.and_then(|from| names.get(from).cloned()) else { continue };
        for covered in names.iter_mut().take(to).skip(from.unwrap_or(0) + 1).filter(|n| n.is_empty()) {
            covered.clone_from(&name);
        }
    }
}
