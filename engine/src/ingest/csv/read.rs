//! The passes over a file: one where its first rows promise what the others keep, two where not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs::Encoding;

use super::sniff;
use super::tokenizer::Tokenizer;
use crate::ingest::cells::{
    Batcher, Markers, Plan, Profile, Type, decide, excerpt, is_header, schema, unique_names,
};
use crate::ingest::job::{Job, REPORT, failed};
use crate::ingest::table::{Table, Written};
use crate::ingest::text::{Stop, Text, detect, is_binary};
use crate::ingest::types::Wanted;
use crate::ingest::unpack::{Packing, Unpacked};
use crate::ingest::{Ingested, Phase, ReadOptions, Rejection};
use crate::{Column, type_name};

/// Rows, and bytes of the stored file, from which the types are guessed. Smaller files are read twice.
const GUESS_ROWS: u64 = 20_000;
const GUESS_BYTES: u64 = 8 << 20;

/// What was found out about a file.
struct Survey {
    encoding: &'static Encoding,
    delimiter: u8,
    header: bool,
    names: Vec<String>,
    plans: Vec<Plan>,
    wanted: Wanted,
}

impl Survey {
    /// Whether a table that was made after the other one is right.
    fn makes_the_same(&self, other: &Self) -> bool {
        self.header == other.header
            && self.names == other.names
            && self.plans.len() == other.plans.len()
            && self.plans.iter().zip(&other.plans).all(|(plan, other)| plan.makes_the_same(other))
    }
}

/// What was seen of a file's rows so far.
#[derive(Default)]
struct Seen {
    /// The first row: its texts, and what they are.
    first: Option<(Vec<String>, Vec<Profile>)>,
    /// The columns below it.
    rest: Vec<Profile>,
    /// Whether a text of the first row came again.
    comes_back: bool,
    /// Rows below the first.
    count: u64,
}

/// A delimited text that is being read.
pub(super) struct Reading<'a> {
    job: &'a Job,
    packing: Packing,
    markers: Markers,
}

impl<'a> Reading<'a> {
    pub(super) fn new(job: &'a Job, packing: Packing) -> Self {
        Self { job, packing, markers: Markers::new(&job.options) }
    }

    /// Does it all.
    pub(super) fn run(&self) -> Result<Ingested, Stop> {
        let delimiter = self.job.options.delimiter.map(check_delimiter).transpose()?;
        let named = self.job.encoding(self.packing)?;
        match self.read(named.unwrap_or(encoding_rs::UTF_8), delimiter) {
            Err(Stop::NotUtf8) => {
                let seen = detect(self.job.open(self.packing, &Arc::default())?)?;
                match (named, seen.encoding) {
                    (None, Some(encoding)) => self.read(encoding, delimiter),
                    _ => Err(not_utf8(seen.line).into()),
                }
            }
            other => other,
        }
    }

    /// Does it all in an encoding.
    fn read(&self, encoding: &'static Encoding, delimiter: Option<u8>) -> Result<Ingested, Stop> {
        let consumed = Arc::default();
        let (mut rows, named) = self.text(encoding, &consumed)?;
        let (sample, whole) = rows.sample()?;
        if is_binary(sample) {
            let detail = "The file is full of control characters: it is not delimited text.";
            return Err(Rejection::new("binary_file", detail).into());
        }
        let delimiter = delimiter.or(named).unwrap_or_else(|| sniff::delimiter(sample, whole));
        rows.set_delimiter(delimiter);

        // What does not fit a type that was asked for is told after all that is wrong with the file itself.
        let guesses = self.job.options.types.is_empty();
        let mut seen = Seen::default();
        let mut ended = false;
        while !ended {
            ended = !self.see_next(&mut rows, &mut seen)?;
            if seen.count.is_multiple_of(REPORT) {
                self.job.report(Phase::Reading, &consumed, seen.count)?;
            }
            if guesses && (seen.count == GUESS_ROWS || consumed.load(Ordering::Relaxed) >= GUESS_BYTES) {
                break;
            }
        }
        self.job.report(Phase::Reading, &consumed, seen.count)?;
        let found = self.conclude(&seen, encoding, delimiter)?;
        if ended {
            return self.write(found);
        }
        match self.write_along(found)? {
            Ok(ingested) => Ok(ingested),
            Err(found) => self.write(found),
        }
    }

    /// The records from the first one on, and the separator where the file names it.
    fn text(
        &self,
        encoding: &'static Encoding,
        consumed: &Arc<AtomicU64>,
    ) -> Result<(Tokenizer<Unpacked>, Option<u8>), Stop> {
        let input = self.job.open(self.packing, consumed)?;
        let text = Text::encoded(input, encoding, self.job.limits.unpacked_bytes);
        let mut rows = Tokenizer::new(text, &self.job.limits);
        let named = rows.named_delimiter()?;
        Ok((rows, named))
    }

    /// Goes to the next row that is none of the blank ones between others; false at the end.
    fn next(&self, rows: &mut Tokenizer<Unpacked>, seen: &Seen) -> Result<bool, Stop> {
        while rows.advance()? {
            // A blank line is nothing above the first row, and a missing value in a single column.
            let single = seen.first.as_ref().is_some_and(|(raw, _)| raw.len() == 1);
            if rows.is_blank() && !single {
                continue;
            }
            match &seen.first {
                None => {
                    self.check_cells(rows, None)?;
                    self.job.check_columns(rows.len()).map_err(|rejection| rejection.at(rows.line()))?;
                }
                Some((raw, _)) => self.check_row(rows, raw)?,
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Looks at every cell of the next row; false at the end.
    fn see_next(&self, rows: &mut Tokenizer<Unpacked>, seen: &mut Seen) -> Result<bool, Stop> {
        if !self.next(rows, seen)? {
            return Ok(false);
        }
        if seen.first.is_none() {
            self.see_first(rows, seen);
            return Ok(true);
        }
        for ((cell, quoted), profile) in rows.fields().zip(&mut seen.rest) {
            profile.see(cell, quoted, &self.markers);
        }
        for profile in seen.rest.iter_mut().skip(rows.len()) {
            profile.see_empty(1, &self.markers);
        }
        seen.below(rows);
        Ok(true)
    }

    fn see_first(&self, rows: &Tokenizer<Unpacked>, seen: &mut Seen) {
        let raw = rows.fields().map(|(cell, _)| String::from_utf8_lossy(cell).into_owned()).collect();
        let profiles = rows.fields().map(|(cell, quoted)| {
            let mut profile = Profile::new(&self.markers);
            profile.see(cell, quoted, &self.markers);
            profile
        });
        seen.first = Some((raw, profiles.collect()));
        seen.rest = vec![Profile::new(&self.markers); rows.len()];
    }

    /// Names and types, after all rows or after the first ones.
    fn conclude(&self, seen: &Seen, encoding: &'static Encoding, delimiter: u8) -> Result<Survey, Stop> {
        let Some((raw, first)) = &seen.first else {
            return Err(Rejection::new("empty_file", "The file holds nothing but blank lines.").into());
        };
        let header = self.job.options.header.unwrap_or_else(|| is_header(first, &seen.rest, seen.comes_back));
        if header && seen.count == 0 {
            let detail = "The file has a header and no rows below it.";
            return Err(Rejection::new("no_rows", detail).at(1).into());
        }
        let mut columns = seen.rest.clone();
        if !header {
            for (column, cell) in columns.iter_mut().zip(first) {
                column.merge(cell);
            }
        }
        let names = if header { unique_names(raw) } else { unique_names(&vec![String::new(); raw.len()]) };
        let wanted = Wanted::new(&self.job.options, &names)?;
        let found: Vec<Type> = columns.iter().map(Profile::resolve).collect();
        let in_text = self.job.options.missing_in_text.as_deref();
        let plans = decide(&columns, &found, &self.markers, in_text, wanted.types());
        Ok(Survey { encoding, delimiter, header, names, plans, wanted })
    }

    /// Looks at every cell and writes the table along with it, as long as the rows keep what the first ones promise.
    /// Where they did not, there is no table, and what all rows are is the answer.
    fn write_along(&self, promised: Survey) -> Result<Result<Ingested, Survey>, Stop> {
        let schema = schema(&promised.names, &promised.plans);
        let mut batch = Batcher::new(schema.clone(), &promised.plans, &self.markers);
        let mut table = Some(Table::create(self.job, schema)?);

        let consumed = Arc::default();
        let (mut rows, _) = self.text(promised.encoding, &consumed)?;
        rows.set_delimiter(promised.delimiter);
        let mut seen = Seen::default();
        while let Some(writing) = &mut table
            && self.next(&mut rows, &seen)?
        {
            let kept = match (&seen.first, promised.header) {
                (Some(_), _) => {
                    let kept = batch.push_promised(rows.fields(), &mut seen.rest);
                    seen.below(&rows);
                    kept
                }
                (None, header) => {
                    self.see_first(&rows, &mut seen);
                    // It is counted apart from the others; they have seen it when the promise was made.
                    let mut apart = seen.rest.clone();
                    header || batch.push_promised(rows.fields(), &mut apart)
                }
            };
            if !kept {
                table = None;
            } else if batch.is_full() {
                writing.write(batch.take().map_err(failed)?)?;
                self.job.report(Phase::Writing, &consumed, seen.count)?;
            }
        }
        while table.is_none() && self.see_next(&mut rows, &mut seen)? {
            if seen.count.is_multiple_of(REPORT) {
                self.job.report(Phase::Reading, &consumed, seen.count)?;
            }
        }
        let found = self.conclude(&seen, promised.encoding, promised.delimiter)?;
        let Some(mut table) = table.filter(|_| found.makes_the_same(&promised)) else {
            return Ok(Err(found));
        };
        if !batch.is_empty() {
            table.write(batch.take().map_err(failed)?)?;
        }
        self.job.report(Phase::Writing, &consumed, seen.count)?;
        Ok(Ok(self.ingested(found, table.finish()?)))
    }

    /// The second pass, which knows what all rows are.
    fn write(&self, mut survey: Survey) -> Result<Ingested, Stop> {
        let schema = schema(&survey.names, &survey.plans);
        let mut table = Table::create(self.job, schema.clone())?;

        let consumed = Arc::default();
        let (mut rows, _) = self.text(survey.encoding, &consumed)?;
        rows.set_delimiter(survey.delimiter);
        let mut batch = Batcher::new(schema, &survey.plans, &self.markers);
        let mut skip = survey.header;
        let mut begun = false;
        let mut count = 0u64;
        while rows.advance()? {
            if rows.is_blank() && (survey.names.len() > 1 || !begun) {
                continue;
            }
            begun = true;
            if std::mem::take(&mut skip) {
                continue;
            }
            batch.push(rows.fields(), rows.line(), &mut survey.wanted)?;
            count += 1;
            if batch.is_full() {
                table.write(batch.take().map_err(failed)?)?;
                self.job.report(Phase::Writing, &consumed, count)?;
            }
        }
        if !batch.is_empty() {
            table.write(batch.take().map_err(failed)?)?;
        }
        self.job.report(Phase::Writing, &consumed, count)?;
        Ok(self.ingested(survey, table.finish()?))
    }

    fn ingested(&self, survey: Survey, table: Written) -> Ingested {
        let Survey { encoding, delimiter, header, names, plans, wanted } = survey;
        let schema = schema(&names, &plans);
        let columns = schema.fields().iter().zip(plans).enumerate().map(|(at, (field, plan))| Column {
            nullable: !plan.missing.is_empty() || wanted.count(at) > 0,
            missing: plan.missing,
            unfit: wanted.count(at),
            ..Column::new(field.name().as_str(), type_name(field.data_type()))
        });
        let columns = columns.collect();
        self.job.note(wanted.into_misfits());
        let name = if delimiter == b'\t' { "tsv" } else { "csv" };
        Ingested {
            rows: table.rows,
            columns,
            table_bytes: table.bytes,
            format: format!("{name}{}", self.packing.suffix()),
            sheets: Vec::new(),
            profile: table.profile,
            options: ReadOptions {
                delimiter: Some(char::from(delimiter)),
                header: Some(header),
                missing: Some(self.markers.texts().to_vec()),
                encoding: Some(encoding.name().to_ascii_lowercase()),
                ..self.job.options.clone()
            },
        }
    }

    fn check_row(&self, rows: &Tokenizer<Unpacked>, names: &[String]) -> Result<(), Stop> {
        let (wanted, found) = (names.len(), rows.len());
        if wanted != found && !self.job.options.allow_ragged {
            let detail = format!(
                "The row at line {} has {found} {}; the first row has {wanted}.",
                rows.line(),
                if found == 1 { "field" } else { "fields" },
            );
            let mut rejection = Rejection::new("ragged_row", detail).at(rows.line());
            let text: Vec<_> =
                rows.fields().map(|(cell, _)| String::from_utf8_lossy(cell)).take(50).collect();
            rejection.found = Some(excerpt(text.join(",").as_bytes()));
            return Err(rejection.into());
        }
        self.check_cells(rows, Some(names))
    }

    fn check_cells(&self, rows: &Tokenizer<Unpacked>, names: Option<&[String]>) -> Result<(), Stop> {
        let most = self.job.limits.cell_bytes;
        if rows.bytes() <= most {
            return Ok(());
        }
        match rows.fields().position(|(cell, _)| cell.len() > most) {
            None => Ok(()),
            Some(at) => {
                let name = names.and_then(|n| n.get(at)).filter(|n| !n.trim().is_empty() && n.len() < 200);
                let detail = format!("A cell is larger than {most} bytes.");
                let mut rejection = Rejection::new("cell_too_large", detail).at(rows.line());
                rejection.column = Some(name.cloned().unwrap_or_else(|| (at + 1).to_string()));
                rejection.found = rows.fields().nth(at).map(|(cell, _)| excerpt(cell));
                Err(rejection.into())
            }
        }
    }
}

impl Seen {
    /// Takes note of a row below the first.
    fn below(&mut self, rows: &Tokenizer<Unpacked>) {
        if self.count < 1000
            && !self.comes_back
            && let Some((raw, _)) = &self.first
        {
            let mut pairs = rows.fields().zip(raw);
            self.comes_back = pairs.any(|((cell, _), name)| !cell.is_empty() && cell == name.as_bytes());
        }
        self.count += 1;
    }
}

fn check_delimiter(delimiter: char) -> Result<u8, Rejection> {
    match u8::try_from(delimiter) {
        Ok(b) if b.is_ascii() && !matches!(b, b'"' | b'\n' | b'\r' | 0) => Ok(b),
        _ => {
            let mut rejection = Rejection::new(
                "invalid_option",
                "The delimiter is one character of ASCII, and no quote or line end.",
            );
            rejection.found = Some(delimiter.to_string());
            Err(rejection)
        }
    }
}

/// A UTF-8 text in which some bytes are none.
fn not_utf8(line: Option<u64>) -> Rejection {
    let mut rejection = Rejection::new(
        "invalid_encoding",
        "The text is UTF-8 but for bytes that are not: save it as UTF-8 again, or say which encoding it has.",
    );
    rejection.row = line;
    rejection
}
