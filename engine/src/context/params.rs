//! Values for parameters, read by their type.
//!
//! A value never becomes part of a text that is read again as SQL: it becomes a literal in the tree of
//! the condition, and the tree is written down with every literal in its quotes.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use datafusion::sql::sqlparser::ast::{self, Expr, TypedString, UnaryOperator, Value, ValueWithSpan};
use serde_json::Value as Json;

use super::model::ParameterType;
use super::shape::shown;

/// Values by the names of parameters, as they came with a request.
pub type Params = BTreeMap<String, Json>;

/// Longer texts are no values to filter by.
pub const MAX_VALUE: usize = 4096;

/// A value of a parameter's type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Integer(i64),
    Float(f64),
    String(String),
    Boolean(bool),
    Date(NaiveDate),
}

/// Whether a parameter can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Bound {
    /// Reads a text by a type; the error is a sentence.
    pub(crate) fn from_text(text: &str, wanted: ParameterType) -> Result<Self, String> {
        let refused = |what: &str| format!("'{}' is no {what}.", shown(text));
        let trimmed = text.trim();
        match wanted {
            ParameterType::Integer => {
                trimmed.parse().map(Self::Integer).map_err(|_| refused("whole number of 64 bits"))
            }
            ParameterType::Float => match trimmed.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Float(number)),
                _ => Err(refused("number")),
            },
            ParameterType::String if text.len() > MAX_VALUE => {
                Err(format!("A value has at most {MAX_VALUE} bytes; this has {}.", text.len()))
            }
            ParameterType::String if text.contains('\0') => Err("A value has a zero byte in it.".to_owned()),
            ParameterType::String => Ok(Self::String(text.to_owned())),
            ParameterType::Date => {
                let day = NaiveDate::parse_from_str(trimmed, "%Y-%m-%d").ok();
                // What is read leniently here, `+2013-1-1`, would not be read so in SQL.
                let day = day.filter(|d| d.format("%Y-%m-%d").to_string() == trimmed);
                day.map(Self::Date).ok_or_else(|| refused("day such as 2013-01-31"))
            }
        }
    }

    /// Reads a value of a request by a type; the error is a sentence.
    pub(crate) fn from_json(value: &Json, wanted: ParameterType) -> Result<Self, String> {
        match (value, wanted) {
            (Json::String(text), _) => Self::from_text(text, wanted),
            (Json::Number(number), ParameterType::Integer | ParameterType::Float) => {
                Self::from_text(&number.to_string(), wanted)
            }
            (other, _) => Err(format!("{} is no {}.", shown(&other.to_string()), wanted.as_str())),
        }
    }

    /// Reads a value of a request by what it is itself; the error is a sentence.
    pub(crate) fn untyped(value: &Json) -> Result<Self, String> {
        match value {
            Json::String(text) => Self::from_text(text, ParameterType::String),
            Json::Number(number) if number.is_i64() => {
                Self::from_text(&number.to_string(), ParameterType::Integer)
            }
            Json::Number(number) => Self::from_text(&number.to_string(), ParameterType::Float),
            Json::Bool(value) => Ok(Self::Boolean(*value)),
            other => Err(format!("{} is no text, number or truth value.", shown(&other.to_string()))),
        }
    }

    /// The value as a literal.
    pub(crate) fn literal(&self) -> Expr {
        match self {
            Self::Integer(number) => signed(*number < 0, number.unsigned_abs().to_string()),
            // An exponent makes it a float wherever it is read.
            Self::Float(number) => signed(number.is_sign_negative(), format!("{:e}", number.abs())),
            Self::String(text) => value(Value::SingleQuotedString(text.clone())),
            Self::Boolean(truth) => value(Value::Boolean(*truth)),
            Self::Date(day) => Expr::TypedString(TypedString {
                data_type: ast::DataType::Date,
                value: Value::SingleQuotedString(day.format("%Y-%m-%d").to_string()).into(),
                uses_odbc_syntax: false,
            }),
        }
    }

    /// The value as a literal, in SQL.
    pub(crate) fn sql(&self) -> String {
        super::sql::text(&self.literal())
    }

    /// The value as it stands inside of a longer text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::String(text) => text.clone(),
            Self::Boolean(truth) => truth.to_string(),
            Self::Date(day) => day.format("%Y-%m-%d").to_string(),
        }
    }
}

fn value(value: Value) -> Expr {
    Expr::Value(ValueWithSpan::from(value))
}

fn signed(negative: bool, digits: String) -> Expr {
    let number = value(Value::Number(digits, false));
    if negative {
        let minus = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) };
        // In parentheses, so that `a - -1` does not become a remark.
        return Expr::Nested(Box::new(minus));
    }
    number
}
