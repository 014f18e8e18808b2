//! Delimited text: CSV, tabs, and whatever else stands between fields.
//!
//! Every row counts for the types. They are guessed from the first rows, and the file is streamed from the blob
//! store once more: every cell is looked at and the table is written along. Where a later row breaks what the
//! first ones promised, that table is dropped and a second pass writes another, with the types of all rows. No
//! pass holds more than a few megabytes of the file.
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
