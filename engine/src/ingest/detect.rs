//! What a file is, judged by its content.

use std::io::Read;
use std::sync::Arc;

use super::blob::Seekable;
use super::job::Job;
use super::text::{Stop, read_error};
use super::unpack::Packing;
use super::{Rejection, arrow::Form, excel};

/// Bytes that are looked at.
const HEAD: u64 = 4 << 10;

/// What reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Delimited,
    Json,
    Xlsx,
    Xls,
    Parquet,
    Arrow(Form),
}

/// What a file is and how it is packed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) packing: Packing,
}

pub(super) fn detect(job: &Job) -> Result<Found, Stop> {
    let stored = head(job, Packing::Plain)?;
    let packing = Packing::of(&stored);
    if packing == Packing::Plain {
        return Ok(Found { kind: kind(job, &stored)?, packing });
    }
    let unpacked = head(job, packing)?;
    let kind = kind_of(&unpacked, job.options.delimiter.is_some());
    match kind {
        Some(kind @ (Kind::Delimited | Kind::Json)) => Ok(Found { kind, packing }),
        // A workbook or table is packed in itself, and is read here and there, which packing prevents.
        _ => {
            let what = known(&unpacked).unwrap_or("another packed file");
            let packed = if packing == Packing::Gzip { "gzip" } else { "zstd" };
            let detail = format!("The file is {what} packed with {packed}: upload it without the packing.");
            Err(Rejection::new("binary_file", detail).into())
        }
    }
}

fn head(job: &Job, packing: Packing) -> Result<Vec<u8>, Stop> {
    let mut head = Vec::new();
    job.open(packing, &Arc::default())?.take(HEAD).read_to_end(&mut head).map_err(read_error)?;
    Ok(head)
}

fn kind(job: &Job, head: &[u8]) -> Result<Kind, Stop> {
    if head.starts_with(b"PK\x03\x04") {
        return archive(job);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0") {
        return excel::xls::is_workbook(job).map(|()| Kind::Xls);
    }
    kind_of(head, job.options.delimiter.is_some()).ok_or_else(|| {
        let what = known(head).unwrap_or("of a kind that is not known");
        let detail = format!("The file is {what}, and not a table that can be read.");
        Rejection::new("binary_file", detail).into()
    })
}

/// What a file of these first bytes is; `None` for what cannot be read.
fn kind_of(head: &[u8], delimited: bool) -> Option<Kind> {
    if head.starts_with(b"PAR1") {
        return Some(Kind::Parquet);
    }
    if head.starts_with(b"ARROW1\0\0") {
        return Some(Kind::Arrow(Form::File));
    }
    if head.starts_with(b"\xff\xff\xff\xff") {
        return Some(Kind::Arrow(Form::Stream));
    }
    if known(head).is_some() || Packing::of(head) != Packing::Plain {
        return None;
    }
    Some(if !delimited && is_json(head) { Kind::Json } else { Kind::Delimited })
}

/// A zip archive by what is in it.
fn archive(job: &Job) -> Result<Kind, Stop> {
    let other = |what: &str| -> Stop {
        Rejection::new("binary_file", format!("The file is {what}, and not a table that can be read.")).into()
    };
    let archive = match zip::ZipArchive::new(Seekable::new(&job.source)) {
        Ok(archive) => archive,
        Err(zip::result::ZipError::Io(e)) => return Err(excel::io_error(e)),
        Err(_) => return Err(other("a damaged zip archive, perhaps a workbook that was not uploaded whole")),
    };
    let has = |name: &str| archive.file_names().flatten().any(|n| n.eq_ignore_ascii_case(name));
    if has("xl/workbook.xml") {
        return Ok(Kind::Xlsx);
    }
    Err(other(if has("xl/workbook.bin") {
        "an Excel workbook in the binary form (.xlsb), which has to be saved as .xlsx first"
    } else if has("word/document.xml") {
        "a Word document"
    } else if has("ppt/presentation.xml") {
        "a PowerPoint presentation"
    } else if has("content.xml") {
        "an OpenDocument file, which has to be saved as .xlsx first"
    } else {
        "a zip archive, which has to be unpacked first"
    }))
}

/// Files that are often taken for tables, by their first bytes.
fn known(head: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 28] = [
        (b"PK\x03\x04", "a zip archive or a workbook"),
        (b"PK\x05\x06", "an empty zip archive"),
        (b"PAR1", "a Parquet file"),
        (b"PARE", "an encrypted Parquet file"),
        (b"ARROW1", "an Arrow file"),
        (b"FEA1", "a Feather file of the first version"),
        (b"\xd0\xcf\x11\xe0", "an old Office document"),
        (b"%PDF-", "a PDF document"),
        (b"BZh", "compressed with bzip2"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"\x04\x22\x4d\x18", "compressed with lz4"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"Obj\x01", "an Avro file"),
        (b"ORC", "an ORC file"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"CDF\x01", "a NetCDF file"),
        (b"CDF\x02", "a NetCDF file"),
        (b"\x89PNG\r\n", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"GIF8", "a GIF picture"),
        (b"RIFF", "a sound, film or picture"),
        (b"\x7fELF", "a program"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"RDX3\n", "an R data file"),
        (b"<stata_dta>", "a Stata file"),
        (b"$FL2@(#)", "an SPSS file"),
    ];
    // Letters alone may well begin a text.
    let found = KNOWN.iter().find(|(magic, _)| head.starts_with(magic))?;
    let plain = found.0.iter().all(|b| b.is_ascii_alphanumeric());
    let text = head.iter().all(|b| *b >= 0x20 || matches!(b, b'\t' | b'\n' | b'\r'));
    let always = matches!(found.0, b"PAR1" | b"ARROW1" | b"PARE" | b"FEA1");
    (always || !plain || !text).then_some(found.1)
}

/// Whether a text begins as JSON does: with an object, or with an array of what JSON knows. A bracket alone
/// may also begin the name of a column.
fn is_json(head: &[u8]) -> bool {
    let text = match encoding_rs::Encoding::for_bom(head) {
        Some((encoding, _)) => encoding.decode(head).0,
        None => String::from_utf8_lossy(head),
    };
    let text = text.trim_start_matches([' ', '\t', '\r', '\n', '\u{feff}']);
    if text.starts_with('{') {
        return true;
    }
    let Some(inner) = text.strip_prefix('[') else { return false };
    let inner = inner.trim_start_matches([' ', '\t', '\r', '\n']);
    let word = |word: &str| {
        inner.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    };
    inner.is_empty()
        || inner.starts_with(['{', '[', '"', '-'])
        || inner.starts_with(|c: char| c.is_ascii_digit())
        || inner.starts_with(']') && inner[1..].trim().is_empty()
        || ["true", "false", "null"].iter().any(|w| word(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_content() {
        for (head, wanted) in [
            (&b"a,b\n1,2\n"[..], Some(Kind::Delimited)),
            (b"[id],[name]\n1,2\n", Some(Kind::Delimited)),
            (b"[nullable],b\n", Some(Kind::Delimited)),
            (b" \n{\"a\":1}", Some(Kind::Json)),
            (b"{a:1}", Some(Kind::Json)),
            (b"\xef\xbb\xbf[ {\"a\":1}]", Some(Kind::Json)),
            (b"\xff\xfe{\0\"\0", Some(Kind::Json)),
            (b"[1,2]", Some(Kind::Json)),
            (b"[null]", Some(Kind::Json)),
            (b"PAR1....", Some(Kind::Parquet)),
            (b"ARROW1\0\0", Some(Kind::Arrow(Form::File))),
            (b"\xff\xff\xff\xff\x10\0\0\0", Some(Kind::Arrow(Form::Stream))),
            (b"%PDF-1.7", None),
            (b"\x1f\x8b", None),
            (b"ORC,b\n1,2\n", Some(Kind::Delimited)),
            (b"ORC\x01\x02", None),
            (b"", Some(Kind::Delimited)),
        ] {
            assert_eq!(kind_of(head, false), wanted, "{:?}", String::from_utf8_lossy(head));
        }
        assert_eq!(kind_of(b"{\"a\";1}", true), Some(Kind::Delimited));
    }
}
