//! Values for `$name` in a query.
//!
//! A value becomes a literal in the text, where the tokenizer found the placeholder: one inside of a string or a
//! remark is none, and one that stands where no value can, as for a table, is refused. What was run is then plain SQL, which can be
//! shown and run again.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::tokenizer::{Location, Token};

use super::{Code, SqlError, statement::tokens};
use crate::context::{Bound, Params};

/// Values that a list may have.
const MAX_LIST: usize = 1_000;

/// Writes values into a query: numbers, texts, truth values, and lists of these for `IN ($names)`.
///
/// # Errors
///
/// `syntax_error` where the query is not even tokens, `invalid_value` where a placeholder has no value, a value no
/// placeholder, or a value is none that a literal can be; with the placeholder's place where there is one.
pub fn bind(sql: &str, params: &Params) -> Result<String, SqlError> {
    let refused = |detail: String| SqlError::new(Code::InvalidValue, detail);
    let mut places = Places::new(sql);
    let mut unused: BTreeSet<&str> = params.keys().map(String::as_str).collect();
    let mut out = String::with_capacity(sql.len());
    let (mut copied, mut places_of_values) = (0, 0);
    for token in tokens(sql)? {
        let Token::Placeholder(placeholder) = &token.token else { continue };
        let begins = places.offset(token.span.start);
        let name = placeholder.strip_prefix('$').unwrap_or_default();
        let value = params.get(name).ok_or_else(|| {
            let detail = format!("There is no value for {placeholder}; a parameter is written as $name.");
            refused(detail).at(token.span.start)
        })?;
        unused.remove(name);
        let literal = literal(value).map_err(|e| refused(format!("${name}: {e}")).at(token.span.start))?;
        out.push_str(&sql[copied..begins]);
        copied = begins + placeholder.len();
        places_of_values += 1;
        // Nothing that it touches may become one word, number or text with it.
        let before = sql[..begins].chars().next_back().filter(|c| joins(*c)).map(|_| ' ');
        let behind = sql[copied..].chars().next().filter(|c| joins(*c)).map(|_| ' ');
        out.extend(before);
        out.push_str(&literal);
        out.extend(behind);
    }
    out.push_str(&sql[copied..]);
    if let Some(name) = unused.first() {
        return Err(refused(format!("The query has no parameter ${name}.")));
    }
    // A text in quotes can be a name, too, where a name is expected.
    if places_of_values > 0 && super::parse(sql)?.placeholders != places_of_values {
        return Err(refused("A parameter stands for a value and not for a name.".to_owned()));
    }
    Ok(out)
}

fn joins(c: char) -> bool {
    c.is_alphanumeric() || "_'\"`$.@#&\\".contains(c)
}

fn literal(value: &serde_json::Value) -> Result<String, String> {
    let one = |value| Ok(Bound::untyped(value)?.sql());
    match value {
        serde_json::Value::Array(values) if values.is_empty() => {
            Err("A list has at least one value.".to_owned())
        }
        serde_json::Value::Array(values) if values.len() > MAX_LIST => {
            Err(format!("A list has at most {MAX_LIST} values."))
        }
        serde_json::Value::Array(values) => {
            let literals: Result<Vec<String>, String> = values.iter().map(one).collect();
            Ok(literals?.join(", "))
        }
        value => one(value),
    }
}

/// Finds where lines and columns are, for places that only go forward.
struct Places<'a> {
    text: std::iter::Peekable<std::str::CharIndices<'a>>,
    length: usize,
    at: Location,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self { text: text.char_indices().peekable(), length: text.len(), at: Location { line: 1, column: 1 } }
    }

    fn offset(&mut self, wanted: Location) -> usize {
        loop {
            let Some((offset, c)) = self.text.peek().copied() else { return self.length };
            if (self.at.line, self.at.column) >= (wanted.line, wanted.column) {
                return offset;
            }
            self.text.next();
            if c == '\n' {
                self.at = Location { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bound(sql: &str, params: serde_json::Value) -> Result<String, SqlError> {
        bind(sql, &serde_json::from_value(params).unwrap())
    }

    #[test]
    fn values_become_literals() {
        for (sql, params, wanted) in [
            ("SELECT $a", json!({"a": 1}), "SELECT 1"),
            ("SELECT 1-$a", json!({"a": -1}), "SELECT 1-(-1)"),
            ("SELECT $a, $a", json!({"a": 0.5}), "SELECT 5e-1, 5e-1"),
            (
                "SELECT\n 'ü$a' -- $a\n, $a::text",
                json!({"a": "it's"}),
                "SELECT\n 'ü$a' -- $a\n, 'it''s'::text",
            ),
            ("SELECT $truth", json!({"truth": true}), "SELECT true"),
            (
                "SELECT a IN ($list) FROM t LIMIT $n",
                json!({"list": ["x", 2, "'); DROP"], "n": 3}),
                "SELECT a IN ('x', 2, '''); DROP') FROM t LIMIT 3",
            ),
            ("SELECT U&$a", json!({"a": "\\0041"}), "SELECT U& '\\0041'"),
            ("SELECT \"$a\"", json!({}), "SELECT \"$a\""),
        ] {
            assert_eq!(bound(sql, params).unwrap(), wanted, "{sql}");
        }
    }

    /// Every text comes back as it was, as one literal, whatever quotes and backslashes are in it.
    #[test]
    fn no_text_ends_early() {
        let parts = ["'", "\\", "\"", "--", "/*", "$a", ";", " ", "x", "\n", "é"];
        for n in 0..parts.len().pow(4) {
            let text: String = (0..4).map(|at| parts[n / parts.len().pow(at) % parts.len()]).collect();
            let sql = bound("SELECT $a, 'y'", json!({"a": text})).unwrap();
            let mut found = Vec::new();
            for token in tokens(&sql).unwrap() {
                if let Token::SingleQuotedString(text) = token.token {
                    found.push(text);
                }
            }
            assert_eq!(found, [text.as_str(), "y"], "{sql}");
            assert_eq!(crate::sql::parse(&sql).unwrap().pattern, "SELECT ?, ?", "{sql}");
        }
    }

    #[test]
    fn a_value_is_no_name() {
        for sql in [
            "SELECT * FROM $a",
            "SELECT x.$a FROM x",
            "WITH $a AS (SELECT 5) SELECT * FROM q",
            "SELECT 1 AS $a",
            "SELECT 1 $a",
            "SELECT sum(x) OVER $a FROM t WINDOW w AS (ORDER BY x)",
            "SELECT extract($a FROM d) FROM t",
            "SELECT * FROM t JOIN $a ON true",
            "SELECT 1$a",
            "SELECT E''$a'x'",
        ] {
            let refused = bound(sql, json!({"a": "year"})).expect_err(sql);
            assert!([Code::InvalidValue, Code::SyntaxError].contains(&refused.code), "{sql}: {refused:?}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_its_place() {
        let refused = |sql: &str, params| {
            let e = bound(sql, params).unwrap_err();
            (e.code, e.line, e.column)
        };
        assert_eq!(refused("SELECT\n  $b", json!({"a": 1})), (Code::InvalidValue, Some(2), Some(3)));
        assert_eq!(refused("SELECT ?", json!({"a": 1})), (Code::InvalidValue, Some(1), Some(8)));
        assert_eq!(refused("SELECT 1", json!({"a": 1})), (Code::InvalidValue, None, None));
        for bad in [json!(null), json!([]), json!([[1]]), json!({}), json!("a\0b")] {
            assert_eq!(refused("SELECT $a", json!({"a": bad})), (Code::InvalidValue, Some(1), Some(8)));
        }
        assert_eq!(refused("SELECT 'x", json!({"a": 1})).0, Code::SyntaxError);
    }
}
