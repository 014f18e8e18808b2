//! The two passes over a file.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

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

/// What the first pass found out.
struct Survey {
    encoding: &'static Encoding,
    delimiter: u8,
    header: bool,
    names: Vec<String>,
    plans: Vec<Plan>,
    markers: Markers,
    wanted: Wanted,
}

/// A delimited text that is being read.
pub(super) struct Reading<'a> {
    job: &'a Job,
    packing: Packing,
}

impl<'a> Reading<'a> {
    pub(super) fn new(job: &'a Job, packing: Packing) -> Self {
        Self { job, packing }
    }

    /// Does it all.
    pub(super) fn run(&self) -> Result<Ingested, Stop> {
        let delimiter = self.job.options.delimiter.map(check_delimiter).transpose()?;
        let named = self.job.encoding(self.packing)?;
        let survey = match self.survey(named.unwrap_or(encoding_rs::UTF_8), delimiter) {
            Err(Stop::NotUtf8) => {
                let seen = detect(self.job.open(self.packing, &Arc::default())?)?;
                match (named, seen.encoding) {
                    (None, Some(encoding)) => self.survey(encoding, delimiter)?,
                    _ => return Err(not_utf8(seen.line).into()),
                }
            }
            other => other?,
        };
        self.write(survey)
    }

    fn text(
        &self,
        encoding: &'static Encoding,
        consumed: &Arc<AtomicU64>,
    ) -> Result<Tokenizer<Unpacked>, Stop> {
        let input = self.job.open(self.packing, consumed)?;
        let text = Text::encoded(input, encoding, self.job.limits.unpacked_bytes);
        Ok(Tokenizer::new(text, &self.job.limits))
    }

    /// The first pass: every cell is looked at.
    fn survey(&self, encoding: &'static Encoding, delimiter: Option<u8>) -> Result<Survey, Stop> {
        let consumed = Arc::default();
        let mut rows = self.text(encoding, &consumed)?;
        let (sample, whole) = rows.sample()?;
        if is_binary(sample) {
            let detail = "The file is full of control characters: it is not delimited text.";
            return Err(Rejection::new("binary_file", detail).into());
        }
        let delimiter = delimiter.unwrap_or_else(|| sniff::delimiter(sample, whole));
        rows.set_delimiter(delimiter);

        let markers = Markers::new(&self.job.options);
        let mut first: Option<(Vec<String>, Vec<Profile>)> = None;
        let mut rest: Vec<Profile> = Vec::new();
        let mut comes_back = false;
        let mut count = 0u64;
        while rows.advance()? {
            let Some((raw, _)) = &first else {
                if rows.is_blank() && rows.len() == 1 {
                    continue;
                }
                self.check_cells(&rows, None)?;
                let columns = rows.len();
                self.job.check_columns(columns).map_err(|rejection| rejection.at(rows.line()))?;
                let raw = rows.fields().map(|(cell, _)| String::from_utf8_lossy(cell).into_owned()).collect();
                let profiles = rows.fields().map(|(cell, quoted)| {
                    let mut profile = Profile::new(&markers);
                    profile.see(cell, quoted, &markers);
                    profile
                });
                first = Some((raw, profiles.collect()));
                rest = vec![Profile::new(&markers); columns];
                continue;
            };
            if rows.is_blank() && raw.len() > 1 {
                continue;
            }
            self.check_row(&rows, raw)?;
            for ((cell, quoted), profile) in rows.fields().zip(&mut rest) {
                profile.see(cell, quoted, &markers);
            }
            for profile in rest.iter_mut().skip(rows.len()) {
                profile.see(b"", false, &markers);
            }
            if count < 1000 && !comes_back {
                let mut pairs = rows.fields().zip(raw);
                comes_back = pairs.any(|((cell, _), name)| !cell.is_empty() && cell == name.as_bytes());
            }
            count += 1;
            if count.is_multiple_of(REPORT) {
                self.job.report(Phase::Reading, &consumed, count)?;
            }
        }
        self.job.report(Phase::Reading, &consumed, count)?;

        let Some((raw, first)) = first else {
            return Err(Rejection::new("empty_file", "The file holds nothing but blank lines.").into());
        };
        let header = self.job.options.header.unwrap_or_else(|| is_header(&first, &rest, comes_back));
        if header && count == 0 {
            let detail = "The file has a header and no rows below it.";
            return Err(Rejection::new("no_rows", detail).at(1).into());
        }
        if !header {
            for (column, cell) in rest.iter_mut().zip(&first) {
                column.merge(cell);
            }
        }
        let names = if header { unique_names(&raw) } else { unique_names(&vec![String::new(); raw.len()]) };
        let wanted = Wanted::new(&self.job.options, &names)?;
        let found: Vec<Type> = rest.iter().map(Profile::resolve).collect();
        let in_text = self.job.options.missing_in_text.as_deref();
        let plans = decide(&rest, &found, &markers, in_text, wanted.types());
        Ok(Survey { encoding, delimiter, header, names, plans, markers, wanted })
    }

    /// The second pass: the table is written.
    fn write(&self, survey: Survey) -> Result<Ingested, Stop> {
        let Survey { encoding, delimiter, header, names, plans, markers, mut wanted } = survey;
        let schema = schema(&names, &plans);
        let mut table = Table::create(self.job, schema.clone())?;

        let consumed = Arc::default();
        let mut rows = self.text(encoding, &consumed)?;
        rows.set_delimiter(delimiter);
        let mut batch = Batcher::new(schema.clone(), &plans, &markers);
        let mut skip = header;
        let mut begun = false;
        let mut count = 0u64;
        while rows.advance()? {
            if rows.is_blank() && (names.len() > 1 || !begun) {
                continue;
            }
            begun = true;
            if std::mem::take(&mut skip) {
                continue;
            }
            batch.push(rows.fields(), rows.line(), &mut wanted)?;
            count += 1;
            if batch.is_full() {
                table.write(&batch.take().map_err(failed)?)?;
                self.job.report(Phase::Writing, &consumed, count)?;
            }
        }
        if !batch.is_empty() {
            table.write(&batch.take().map_err(failed)?)?;
        }
        self.job.report(Phase::Writing, &consumed, count)?;
        let Written { rows, bytes: table_bytes, profile } = table.finish()?;

        let columns = schema.fields().iter().zip(plans).enumerate().map(|(at, (field, plan))| Column {
            nullable: !plan.missing.is_empty() || wanted.count(at) > 0,
            missing: plan.missing,
            unfit: wanted.count(at),
            ..Column::new(field.name().as_str(), type_name(field.data_type()))
        });
        let columns = columns.collect();
        self.job.note(wanted.into_misfits());
        let name = if delimiter == b'\t' { "tsv" } else { "csv" };
        Ok(Ingested {
            rows,
            columns,
            table_bytes,
            format: format!("{name}{}", self.packing.suffix()),
            sheets: Vec::new(),
            profile,
            options: ReadOptions {
                delimiter: Some(char::from(delimiter)),
                header: Some(header),
                missing: Some(markers.texts().to_vec()),
                encoding: Some(encoding.name().to_ascii_lowercase()),
                ..self.job.options.clone()
            },
        })
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
