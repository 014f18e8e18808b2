//! What can be wrong with a query.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::sql::sqlparser::tokenizer::Location;
use serde::Serialize;

/// The kinds of failure, as stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The SQL is longer than any may be.
    TooLong,
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
            Self::TooLong => "too_long",
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
    /// What is wrong, and how, for people.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), line: None, column: None }
    }

    pub(crate) fn at(mut self, place: Location) -> Self {
        if place.line > 0 {
            self.line = Some(place.line);
            self.column = Some(place.column);
        }
        self
    }

    /// The engine's own fault: the reason goes into the log and not to the caller.
    pub(crate) fn internal(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!(%reason, "a query failed inside the engine");
        Self::new(Code::Internal, "The query failed inside the engine.")
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        let place = error.diagnostic().and_then(|d| d.span).map(|span| span.start);
        let converted = convert(&error);
        match place {
            Some(place) => converted.at(Location { line: place.line, column: place.column }),
            None => converted,
        }
    }
}

fn convert(error: &DataFusionError) -> SqlError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => convert(inner),
        DataFusionError::Shared(inner) => convert(inner),
        DataFusionError::Collection(all) => match all.first() {
            Some(first) => convert(first),
            None => SqlError::internal(error),
        },
        DataFusionError::ArrowError(inner, _) => arrow(inner, error),
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::SQL(inner, _) => SqlError::new(Code::SyntaxError, format!("{inner}.")),
        DataFusionError::Plan(text) => plan(&clean(text)),
        DataFusionError::NotImplemented(text) => {
            SqlError::new(Code::NotSupported, format!("Not supported: {}.", clean(text)))
        }
        DataFusionError::Execution(text) => execution(&clean(text), error),
        DataFusionError::ResourcesExhausted(reason) => {
            tracing::debug!(%reason, "a query ran out of memory");
            SqlError::new(Code::MemoryLimit, "The query needs more memory than it may have.")
        }
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
            storage(error)
        }
        DataFusionError::External(inner) => match inner.downcast_ref::<ArrowError>() {
            Some(inner) => arrow(inner, error),
            None => SqlError::internal(error),
        },
        _ => SqlError::internal(error),
    }
}

fn storage(error: &DataFusionError) -> SqlError {
    tracing::warn!(reason = %error, "a table could not be read");
    SqlError::new(Code::StorageUnavailable, "A table's file could not be read.")
}

fn arrow(error: &ArrowError, whole: &DataFusionError) -> SqlError {
    match error {
        ArrowError::DivideByZero => SqlError::new(Code::DivisionByZero, "A value was divided by zero."),
        ArrowError::ArithmeticOverflow(text) => {
            SqlError::new(Code::InvalidValue, format!("A number grew too large: {text}."))
        }
        ArrowError::CastError(text) | ArrowError::ComputeError(text) | ArrowError::ParseError(text) => {
            SqlError::new(Code::InvalidValue, format!("A value does not fit: {text}."))
        }
        ArrowError::InvalidArgumentError(text) => {
            SqlError::new(Code::InvalidValue, format!("A value does not fit: {text}."))
        }
        ArrowError::NotYetImplemented(text) => {
            SqlError::new(Code::NotSupported, format!("Not supported: {text}."))
        }
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => convert(inner),
            None => SqlError::internal(whole),
        },
        // All that is known of it is the text.
        ArrowError::IoError(text, _) if text.contains("during the spilling process has exceeded") => {
            tracing::debug!(reason = %whole, "a query ran out of disk");
            SqlError::new(Code::MemoryLimit, "The query needs more disk to spill to than there is for it.")
        }
        ArrowError::IoError(..) | ArrowError::ParquetError(_) => storage(whole),
        _ => SqlError::internal(whole),
    }
}

fn schema(error: &SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            // A table's name in front narrows down what may be meant, unless it is none itself.
            let of_table = |c: &&Column| field.relation.is_none() || c.relation == field.relation;
            let mut names: Vec<&str> =
                valid_fields.iter().filter(of_table).map(|c| c.name.as_str()).collect();
            if names.is_empty() {
                names = valid_fields.iter().map(|c| c.name.as_str()).collect();
            }
            let hint = crate::near::hint(&field.name, names.iter().copied());
            let hint = if hint.is_empty() { listed(&names) } else { hint };
            let of = field.relation.as_ref().map(|r| format!(" in '{}'", r.table())).unwrap_or_default();
            SqlError::new(Code::UnknownColumn, format!("There is no column '{}'{of}.{hint}", field.name))
        }
        SchemaError::AmbiguousReference { field } => SqlError::new(
            Code::AmbiguousColumn,
            format!("Several tables have a column '{}': put the table's name in front.", field.name),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            SqlError::new(Code::InvalidQuery, format!("Two columns are called '{name}': rename one with AS."))
        }
    }
}

/// The first names that there are, for who has no idea.
pub(super) fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return String::new();
    }
    // Those of several tables, or of what is grouped and what it is grouped from.
    let mut known = std::collections::HashSet::new();
    let mut different = names.iter().copied().filter(|name| known.insert(*name));
    let first: Vec<&str> = different.by_ref().take(10).collect();
    let more = if different.next().is_some() { " and more" } else { "" };
    format!(" There are: {}{more}.", first.join(", "))
}

fn plan(text: &str) -> SqlError {
    if text.starts_with("Invalid function '") {
        return SqlError::new(Code::UnknownFunction, sentence(text));
    }
    if text.contains("No function matches") || text.contains("does not support") && text.contains("signature")
    {
        return SqlError::new(Code::UnknownFunction, sentence(text));
    }
    if let Some(rest) = text.strip_prefix("Placeholder '")
        && let Some((name, _)) = rest.split_once("' was not provided a value")
    {
        let detail = format!("There is no value for '{name}': give one in `params`.");
        return SqlError::new(Code::InvalidQuery, detail);
    }
    if let Some(rest) = text.strip_prefix("table '")
        && let Some((name, _)) = rest.split_once("' not found")
    {
        let name = name.rsplit('.').next().unwrap_or(name);
        return SqlError::new(Code::UnknownTable, format!("There is no table '{name}'."));
    }
    SqlError::new(Code::InvalidQuery, sentence(text))
}

fn execution(text: &str, whole: &DataFusionError) -> SqlError {
    let lower = text.to_ascii_lowercase();
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return SqlError::new(Code::DivisionByZero, "A value was divided by zero.");
    }
    if lower.contains("join error") || lower.contains("panic") {
        return SqlError::internal(whole);
    }
    SqlError::new(Code::InvalidValue, sentence(text))
}

/// Without the engine's internal names of tables and the advice meant for its developers.
fn clean(text: &str) -> String {
    let text = text.split("\n\nbacktrace").next().unwrap_or(text);
    let text = text.split("This was likely caused by a bug").next().unwrap_or(text);
    let text = text.split("This issue was likely caused by a bug").next().unwrap_or(text);
    let text = text.trim_start_matches("Internal error: ").trim_start_matches("While expanding wildcard, ");
    known_types(&text.replace("weir.public.", "")).trim().trim_end_matches('.').to_owned()
}

/// With the types called as they are called everywhere else.
fn known_types(text: &str) -> String {
    const NAMES: [(&str, &str); 9] = [
        ("Int64", "int"),
        ("UInt64", "int"),
        ("Float64", "float"),
        ("Boolean", "bool"),
        ("Utf8View", "text"),
        ("LargeUtf8", "text"),
        ("Utf8", "text"),
        ("Date32", "date"),
        ("Null", "null"),
    ];
    let mut known = String::with_capacity(text.len());
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        match NAMES.iter().find(|(name, _)| *name == word) {
            Some((_, name)) => {
                known.push_str(name);
                known.push_str(&part[word.len()..]);
            }
            None => known.push_str(part),
        }
    }
    known
}

fn sentence(text: &str) -> String {
    let mut text: String = text.chars().take(600).collect();
    if !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    text
}
