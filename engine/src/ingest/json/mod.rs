//! JSON: an array of rows, rows one after the other, or an object with the rows in an array inside.
//!
//! The text is streamed: once to find where the rows are (`layout`, which reads no further than it must),
//! once to find what they hold (`shape`), once to write the table (`build`). One row is in memory at a
//! time, and what all rows have in common.
//!
//! # What becomes of a value
//!
//! - Numbers, bools and texts become columns as [cells](super) do, with a difference: a text stays a text,
//!   save where all of a column are dates or moments. `"02134"` and `"17"` are texts, `17` is a number.
//! - Integers beyond 64 bits make a column of integers text, with all their digits.
//! - An object is a struct, an array a list. Keys that differ in case are different columns.
//! - Where texts, numbers and bools are mixed, the column is text. Where objects or arrays are mixed with
//!   each other or with anything else, it is text too, and every value its JSON source.
//! - `null` and a key that is not there are missing, counted as `null` and as the empty text.
//! - A row that is no object is one column, `value`.
//!
//! A parser of its own reads the rows, since three things have to be known that the usual ones hide: the
//! source of a value, all digits of a number, and that a key came twice.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::arrow::datatypes::Schema;
use encoding_rs::Encoding;

use super::cells::excerpt;
use super::job::{Job, REPORT, failed};
use super::table::{Table, Written};
use super::text::{Stop, Text};
use super::types::add;
use super::unpack::{Packing, Unpacked};
use super::{Ingested, Phase, ReadOptions, Rejection};
use crate::{Column, type_name};

mod build;
mod layout;
mod parse;
mod plan;
mod records;
mod shape;

use layout::Layout;
use records::Records;

/// How deep values may be nested.
const DEPTH: usize = 64;

pub(super) fn read(job: &Job, packing: Packing) -> Result<Ingested, Stop> {
    let encoding = job.encoding(packing)?.unwrap_or(encoding_rs::UTF_8);
    Reading { job, packing, encoding }.run().map_err(|stop| match stop {
        Stop::NotUtf8 => Rejection::new(
            "invalid_encoding",
            "The text is not UTF-8, which JSON has to be: save it as UTF-8, or say which encoding it has.",
        )
        .into(),
        other => other,
    })
}

struct Reading<'a> {
    job: &'a Job,
    packing: Packing,
    encoding: &'static Encoding,
}

impl Reading<'_> {
    fn run(&self) -> Result<Ingested, Stop> {
        let layout = layout::find(&self.job.options, self.text(&Arc::default())?)?;
        let (shape, rows) = self.survey(&layout)?;
        let root = plan::plan(shape, rows, self.job)?;
        self.write(&layout, root, rows)
    }

    fn text(&self, consumed: &Arc<AtomicU64>) -> Result<Text<Unpacked>, Stop> {
        let input = self.job.open(self.packing, consumed)?;
        Ok(Text::encoded(input, self.encoding, self.job.limits.unpacked_bytes))
    }

    fn records(&self, layout: &Layout, consumed: &Arc<AtomicU64>) -> Result<Records<Unpacked>, Stop> {
        Records::new(self.text(consumed)?, layout, self.job.limits.row_bytes)
    }

    /// The first pass: every value is looked at.
    fn survey(&self, layout: &Layout) -> Result<(shape::Survey, u64), Stop> {
        let consumed = Arc::default();
        let mut records = self.records(layout, &consumed)?;
        let mut survey = shape::Survey::new(&self.job.options, &self.job.limits);
        let mut rows = 0u64;
        while records.advance()? {
            survey
                .see(records.record())
                .map_err(|fault| fault.rejection(records.record(), records.line()))?;
            rows += 1;
            if rows.is_multiple_of(REPORT) {
                self.job.report(Phase::Reading, &consumed, rows)?;
            }
        }
        self.job.report(Phase::Reading, &consumed, rows)?;
        if rows == 0 {
            return Err(Rejection::new("no_rows", "The array in the file is empty.").into());
        }
        Ok((survey, rows))
    }

    /// The second pass: the table is written.
    fn write(&self, layout: &Layout, mut root: plan::Root, count: u64) -> Result<Ingested, Stop> {
        let fields: Vec<_> = root.fields().collect();
        let schema = Arc::new(Schema::new(fields));
        let mut table = Table::create(self.job, schema.clone())?;
        let consumed = Arc::default();
        let mut records = self.records(layout, &consumed)?;
        let mut batch = build::Batcher::new(schema.clone(), &root.columns, &root.markers, root.objects);
        let mut rows = 0u64;
        while records.advance()? {
            batch.push(records.record(), records.line(), &mut root.wanted)?;
            rows += 1;
            if batch.is_full() {
                table.write(batch.take().map_err(failed)?)?;
                self.job.report(Phase::Writing, &consumed, rows)?;
            }
        }
        if !batch.is_empty() {
            table.write(batch.take().map_err(failed)?)?;
        }
        self.job.report(Phase::Writing, &consumed, rows)?;
        if rows != count {
            return Err(Stop::Failed("the file changed while it was read".into()));
        }
        drop(batch);
        let Written { rows, bytes: table_bytes, profile } = table.finish()?;

        let wanted = root.wanted;
        let columns = schema.fields().iter().zip(root.columns).enumerate().map(|(at, (field, column))| {
            let mut missing = column.plan.missing();
            add(&mut missing, "null", column.nulls);
            add(&mut missing, "", column.absent);
            Column {
                nullable: !missing.is_empty() || wanted.count(at) > 0,
                missing,
                unfit: wanted.count(at),
                ..Column::new(field.name().as_str(), type_name(field.data_type()))
            }
        });
        let columns = columns.collect();
        self.job.note(wanted.into_misfits());
        let name = if matches!(layout, Layout::Values { several: true }) { "ndjson" } else { "json" };
        Ok(Ingested {
            rows,
            columns,
            table_bytes,
            format: format!("{name}{}", self.packing.suffix()),
            options: ReadOptions {
                encoding: Some(self.encoding.name().to_ascii_lowercase()),
                records: match layout {
                    Layout::Within { path, .. } => Some(path.clone()),
                    _ => self.job.options.records.clone(),
                },
                ..self.job.options.clone()
            },
            sheets: Vec::new(),
            profile,
        })
    }
}

/// What is wrong with a text, and where in the bytes at hand.
#[derive(Debug)]
struct Fault {
    at: usize,
    code: &'static str,
    detail: String,
    /// The key or path of the column, where that is what is wrong.
    column: Option<String>,
}

impl Fault {
    fn invalid(at: usize, detail: impl Into<String>) -> Self {
        Self { at, code: "invalid_json", detail: detail.into(), column: None }
    }

    /// As the uploader gets it. `data` are the bytes at hand, the first of which is on `line`.
    fn rejection(self, data: &[u8], line: u64) -> Rejection {
        let at = self.at.min(data.len());
        let row = line + memchr::memchr_iter(b'\n', &data[..at]).count() as u64;
        let mut rejection = Rejection::new(self.code, self.detail).at(row);
        rejection.column = self.column;
        let from = at.saturating_sub(20);
        let found = excerpt(&data[from..(at + 40).min(data.len())]);
        // An excerpt may begin and end within a character.
        rejection.found = Some(found.trim_matches('\u{fffd}').to_owned()).filter(|f| !f.is_empty());
        rejection
    }
}
