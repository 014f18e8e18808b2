//! Cells of text, and columns of them: what they are, and the arrays they become. Shared by the formats
//! in which a cell is a text or can be told as one.

mod asked;
mod build;
mod cell;
mod infer;
mod names;

pub(super) use build::{Batcher, Cells, arrow_type, schema};
pub(super) use cell::trim;
pub(super) use infer::{Markers, Plan, Profile, decide, is_header};
pub(super) use names::unique_names;

/// The types that a column of a file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Float,
    Bool,
    Date,
    /// Without or with zone; in nanoseconds where the file has them.
    Timestamp {
        zoned: bool,
        nanos: bool,
    },
    Text,
}

impl Type {
    /// The type that goes by this name outside of the engine.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "int" => Self::Int,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp { zoned: false, nanos: false },
            "timestamptz" => Self::Timestamp { zoned: true, nanos: false },
            "text" => Self::Text,
            _ => return None,
        })
    }
}

/// Text for a message: bounded, and readable whatever it holds.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(240)]);
    let mut out: String = text.chars().take(80).collect();
    if text.chars().nth(80).is_some() || bytes.len() > 240 {
        out.push('…');
    }
    out
}
