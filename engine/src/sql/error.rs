//! What can be wrong with a query.

use serde::Serialize;

/// The kinds of failure, as stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The SQL cannot be parsed.
    SyntaxError,
    /// It is SQL, but not one single query: a change, a setting, several statements.
    StatementNotAllowed,
    /// A function that reads from outside, or is not known to be safe.
    FunctionNotAllowed,
    /// No such table among those that the query may read.
    UnknownTable,
    /// No such column in the tables named.
    UnknownColumn,
    /// A column name that several tables have.
    AmbiguousColumn,
    /// No such function, or not with these arguments.
    UnknownFunction,
    /// The parts do not fit together: types, grouping, numbers of columns.
    InvalidQuery,
    /// Valid, but not supported.
    NotSupported,
    /// A value does not fit: an overflow, a cast of text that is no number.
    InvalidValue,
    /// A division by zero.
    DivisionByZero,
    /// It ran longer than it may.
    TimeLimit,
    /// It needs more memory, or space to spill, than it may have.
    MemoryLimit,
    /// A table's file cannot be read; worth another try.
    StorageUnavailable,
    /// The engine is at fault.
    Internal,
}

impl Code {
    /// The code as it goes into answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SyntaxError => "syntax_error",
            Self::StatementNotAllowed => "statement_not_allowed",
            Self::FunctionNotAllowed => "function_not_allowed",
            Self::UnknownTable => "unknown_table",
            Self::UnknownColumn => "unknown_column",
            Self::AmbiguousColumn => "ambiguous_column",
            Self::UnknownFunction => "unknown_function",
            Self::InvalidQuery => "invalid_query",
            Self::NotSupported => "not_supported",
            Self::InvalidValue => "invalid_value",
            Self::DivisionByZero => "division_by_zero",
            Self::TimeLimit => "time_limit",
            Self::MemoryLimit => "memory_limit",
            Self::StorageUnavailable => "storage_unavailable",
            Self::Internal => "internal",
        }
    }
}

/// Why a query was not answered. `detail` is for the caller; nothing of the inside is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct SqlError {
    /// What kind of failure.
    pub code: Code,
    /// A sentence for people.
    pub detail: String,
    /// The line in the SQL, the first being 1, where the parser knows it.
    pub line: Option<u64>,
    /// The column in that line, the first being 1.
    pub column: Option<u64>,
}

impl SqlError {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), line: None, column: None }
    }

    pub(crate) fn at(mut self, line: u64, column: u64) -> Self {
        if line > 0 {
            self.line = Some(line);
            self.column = Some(column);
        }
        self
    }
}
