//! The two passes over a file.

use std::io::{BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use encoding_rs::Encoding;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::runtime::Handle;

use super::blob::{Reader, Writer};
use super::build::{Batcher, schema};
use super::gzip::{MAGIC, Members};
use super::infer::{Markers, Plan, Profile, decide, is_header, unique_names};
use super::text::{Stop, Text, by_mark, detect, is_binary, read_error};
use super::tokenizer::{Tokenizer, excerpt};
use super::{Ingested, Limits, Phase, Progress, ReadOptions, Rejection, sniff};
use crate::{Column, type_name};

/// Rows of a row group, the unit in which a table is read in parallel and skipped over.
const GROUP_ROWS: usize = 512 << 10;
/// A row group is held in memory until it is whole.
const GROUP_BYTES: usize = 48 << 20;
/// Rows between two reports of progress.
const REPORT: u64 = 16 << 10;

/// How tables are written: for what makes tables elsewhere, as measurements do.
pub fn table_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .set_created_by(crate::ENGINE.to_owned())
        .build()
}

/// A file to be turned into a table.
pub(super) struct Job<P> {
    pub(super) handle: Handle,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) source: Path,
    pub(super) table: Path,
    pub(super) size: u64,
    pub(super) options: ReadOptions,
    pub(super) limits: Limits,
    pub(super) stopped: Arc<AtomicBool>,
    pub(super) progress: P,
}

/// What the first pass found out.
struct Survey {
    encoding: &'static Encoding,
    delimiter: u8,
    header: bool,
    names: Vec<String>,
    plans: Vec<Plan>,
    markers: Markers,
}

/// Stored bytes, unpacked where they are packed.
enum Input {
    Plain(Reader),
    Packed(Box<Members>),
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(r) => r.read(out),
            Self::Packed(r) => r.read(out),
        }
    }
}

impl<P: Fn(Progress)> Job<P> {
    /// Does it all, on a thread that may block.
    pub(super) fn run(&self) -> Result<Ingested, Stop> {
        if self.size == 0 {
            return Err(Rejection::new("empty_file", "The file is empty.").into());
        }
        let delimiter = self.options.delimiter.map(check_delimiter).transpose()?;
        let packed = self.open(&Arc::default())?.1;
        let named = self.encoding()?;
        let survey = match self.survey(named.unwrap_or(encoding_rs::UTF_8), delimiter) {
            Err(Stop::NotUtf8) => {
                let seen = detect(self.open(&Arc::default())?.0)?;
                match (named, seen.encoding) {
                    (None, Some(encoding)) => self.survey(encoding, delimiter)?,
                    _ => return Err(not_utf8(seen.line).into()),
                }
            }
            other => other?,
        };
        self.write(survey, packed)
    }

    /// The file from its beginning, and whether it is packed.
    fn open(&self, consumed: &Arc<AtomicU64>) -> Result<(Input, bool), Stop> {
        let mut reader = Reader::new(
            self.handle.clone(),
            self.store.clone(),
            self.source.clone(),
            self.size,
            consumed.clone(),
            self.stopped.clone(),
        );
        let head = reader.fill_buf().map_err(read_error)?;
        if head.starts_with(MAGIC) {
            return Ok((Input::Packed(Box::new(Members::new(reader))), true));
        }
        for (magic, kind) in KNOWN {
            if head.starts_with(magic) {
                let detail = format!("The file is {kind}, not delimited text.");
                return Err(Rejection::new("binary_file", detail).into());
            }
        }
        Ok((Input::Plain(reader), false))
    }

    /// The encoding asked for, or that the file's mark names.
    fn encoding(&self) -> Result<Option<&'static Encoding>, Stop> {
        if let Some(label) = &self.options.encoding {
            let encoding = Encoding::for_label(label.as_bytes()).ok_or_else(|| {
                let mut rejection = Rejection::new("unknown_encoding", "There is no encoding of this name.");
                rejection.found = Some(excerpt(label.as_bytes()));
                rejection
            })?;
            return Ok(Some(encoding));
        }
        let (input, _) = self.open(&Arc::default())?;
        let mut head = Vec::new();
        input.take(3).read_to_end(&mut head).map_err(read_error)?;
        Ok(by_mark(&head))
    }

    fn text(&self, encoding: &'static Encoding, consumed: &Arc<AtomicU64>) -> Result<Tokenizer<Input>, Stop> {
        let text = Text::encoded(self.open(consumed)?.0, encoding, self.limits.unpacked_bytes);
        Ok(Tokenizer::new(text, &self.limits))
    }

    fn report(&self, phase: Phase, consumed: &AtomicU64, rows: u64) -> Result<(), Stop> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Stop::Failed("stopped".into()));
        }
        let bytes = consumed.load(Ordering::Relaxed);
        (self.progress)(Progress { phase, bytes, total_bytes: self.size, rows });
        Ok(())
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

        let markers = Markers::new(&self.options);
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
                if columns > self.limits.columns {
                    let most = self.limits.columns;
                    let detail = format!("The file has {columns} columns; at most {most} are allowed.");
                    return Err(Rejection::new("too_many_columns", detail).at(rows.line()).into());
                }
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
                self.report(Phase::Reading, &consumed, count)?;
            }
        }
        self.report(Phase::Reading, &consumed, count)?;

        let Some((raw, first)) = first else {
            return Err(Rejection::new("empty_file", "The file holds nothing but blank lines.").into());
        };
        let header = self.options.header.unwrap_or_else(|| is_header(&first, &rest, comes_back));
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
        let plans = decide(&rest, &markers, self.options.missing_in_text.as_deref());
        Ok(Survey { encoding, delimiter, header, names, plans, markers })
    }

    /// The second pass: the table is written.
    fn write(&self, survey: Survey, packed: bool) -> Result<Ingested, Stop> {
        let Survey { encoding, delimiter, header, names, plans, markers } = survey;
        let schema = schema(&names, &plans);
        let writer = Writer::create(self.handle.clone(), &self.store, &self.table, self.stopped.clone())
            .map_err(failed)?;
        let mut table =
            ArrowWriter::try_new(writer, schema.clone(), Some(table_properties())).map_err(failed)?;

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
            batch.push(rows.fields()).map_err(|column| {
                Stop::Failed(format!("line {}, column {column} changed while the file was read", rows.line()))
            })?;
            count += 1;
            if batch.is_full() {
                table.write(&batch.take().map_err(failed)?).map_err(failed)?;
                self.report(Phase::Writing, &consumed, count)?;
            }
        }
        if !batch.is_empty() {
            table.write(&batch.take().map_err(failed)?).map_err(failed)?;
        }
        self.report(Phase::Writing, &consumed, count)?;
        let table_bytes = table.into_inner().map_err(failed)?.finish().map_err(failed)?;

        let columns = schema.fields().iter().zip(plans).map(|(field, plan)| Column {
            nullable: !plan.missing.is_empty(),
            missing: plan.missing,
            ..Column::new(field.name().as_str(), type_name(field.data_type()))
        });
        Ok(Ingested {
            rows: count,
            columns: columns.collect(),
            table_bytes,
            format: if packed { "csv.gz" } else { "csv" }.to_owned(),
            options: ReadOptions {
                delimiter: Some(char::from(delimiter)),
                header: Some(header),
                missing: Some(markers.texts().to_vec()),
                encoding: Some(encoding.name().to_ascii_lowercase()),
                ..self.options.clone()
            },
        })
    }

    fn check_row(&self, rows: &Tokenizer<Input>, names: &[String]) -> Result<(), Stop> {
        let (wanted, found) = (names.len(), rows.len());
        if wanted != found && !self.options.allow_ragged {
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

    fn check_cells(&self, rows: &Tokenizer<Input>, names: Option<&[String]>) -> Result<(), Stop> {
        let most = self.limits.cell_bytes;
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

/// Files that are often taken for text, by their first bytes.
const KNOWN: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "a zip archive (or an Excel workbook)"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF-", "a PDF document"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"BZh", "compressed with bzip2"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
];

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

/// What a writer or the store says goes into the log, not to the uploader.
fn failed(e: impl std::fmt::Display) -> Stop {
    Stop::Failed(e.to_string())
}
