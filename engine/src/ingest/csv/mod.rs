//! Delimited text: CSV, tabs, and whatever else stands between fields.
//!
//! The file is streamed twice from the blob store. The first pass looks at every cell and finds the
//! types, the second writes the table; neither holds more than a few megabytes of it.
//!
//! Records end in LF, CRLF or CR. A quoted field may span lines. A blank line is skipped where the
//! file has several columns, and is an empty cell where it has one. Row numbers in a
//! [`Rejection`](super::Rejection) are lines of text, the first being 1; a record that spans lines goes by
//! its first.

use super::Ingested;
use super::job::Job;
use super::text::Stop;
use super::unpack::Packing;

mod read;
mod sniff;
mod tokenizer;

pub(super) fn read(job: &Job, packing: Packing) -> Result<Ingested, Stop> {
    read::Reading::new(job, packing).run()
}
