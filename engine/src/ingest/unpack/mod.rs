//! Text that was packed for the way: gzip and zstd.

use std::io::{self, Read};

use super::blob::Reader;

mod gzip;
mod zstd;

/// How a file is packed, judged by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all.
    Plain,
    /// One gzip member or several.
    Gzip,
    /// One zstd frame or several.
    Zstd,
}

impl Packing {
    pub(super) fn of(head: &[u8]) -> Self {
        if head.starts_with(gzip::MAGIC) {
            Self::Gzip
        } else if head.starts_with(zstd::MAGIC) || zstd::is_skippable(head) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }

    /// What goes behind the name of the format.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    pub(super) fn open(self, stored: Reader) -> Unpacked {
        match self {
            Self::Plain => Unpacked::Plain(stored),
            Self::Gzip => Unpacked::Gzip(Box::new(gzip::Members::new(stored))),
            Self::Zstd => Unpacked::Zstd(Box::new(zstd::Frames::new(stored))),
        }
    }
}

/// A packed file that is damaged. Inside an [`io::Error`], so that it is not taken for one of the store.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Damaged {
    pub(super) code: &'static str,
    pub(super) detail: String,
}

/// `kind` is how the packing is called, `what` the library's words.
fn damaged(code: &'static str, kind: &str, e: &io::Error) -> io::Error {
    let detail = if e.kind() == io::ErrorKind::UnexpectedEof {
        format!("The {kind} file ends too early; it was probably not uploaded whole.")
    } else {
        format!("The {kind} file is damaged: {e}.")
    };
    io::Error::other(Damaged { code, detail })
}

/// That something follows which is not packed.
fn trailing(code: &'static str, kind: &str, at: u64) -> io::Error {
    let detail =
        format!("The {kind} data end after {at} bytes, and what follows them in the file is not {kind}.");
    io::Error::other(Damaged { code, detail })
}

/// Whether an error is of the blob store and not of what is in the file.
fn is_stores(e: &io::Error) -> bool {
    e.get_ref().is_some_and(|inner| inner.is::<super::text::StoreError>())
}

/// Stored bytes, unpacked where they are packed.
pub(super) enum Unpacked {
    Plain(Reader),
    Gzip(Box<gzip::Members>),
    Zstd(Box<zstd::Frames>),
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(r) => r.read(out),
            Self::Gzip(r) => r.read(out),
            Self::Zstd(r) => r.read(out),
        }
    }
}
