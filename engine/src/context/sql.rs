//! Writing SQL so that it reads back as what was meant.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Value, ValueWithSpan, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::keywords::{ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_IDENTIFIER};

/// Words of SQL that are names wherever a name can stand.
const HARMLESS: [&str; 34] = [
    "category", "class", "code", "comment", "cost", "count", "data", "day", "days", "domain", "events",
    "file", "first", "flights", "hour", "hours", "id", "input", "label", "last", "location", "minute",
    "minutes", "month", "name", "number", "origin", "owner", "region", "source", "status", "type", "version",
    "year",
];

/// A name, in quotes where it needs them.
pub(super) fn ident(name: &str) -> Ident {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let upper = name.to_ascii_uppercase();
    let keyword = ALL_KEYWORDS.binary_search(&upper.as_str()).ok().map(|i| ALL_KEYWORDS_INDEX[i]);
    let free = keyword.is_none_or(|k| HARMLESS.contains(&name) && !RESERVED_FOR_IDENTIFIER.contains(&k));
    if plain && free {
        return Ident::new(name);
    }
    // What prints it takes two quotes for one that is escaped already.
    Ident::with_quote('"', name.replace('"', "\"\""))
}

/// The text of an expression. Plain printing leaves some quotes inside of literals as they are, and then
/// a value would end where nobody meant it to.
pub(super) fn text(expr: &Expr) -> String {
    let mut expr = expr.clone();
    let _ = VisitMut::visit(&mut expr, &mut Escape);
    expr.to_string()
}

struct Escape;

impl VisitorMut for Escape {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Value::SingleQuotedString(text) = &mut value.value {
            *text = text.replace('\'', "''");
        }
        ControlFlow::Continue(())
    }
}
