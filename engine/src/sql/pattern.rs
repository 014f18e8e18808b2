//! Queries that differ only in their literals are one pattern.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, UnaryOperator, Value, ValueWithSpan,
    VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

/// Words that are written in capitals. Which ones is a matter of looks only: case is settled by the
/// word itself and never by its role, so that the same query always reads the same.
const CAPITALS: [&str; 62] = [
    "select",
    "distinct",
    "from",
    "where",
    "group",
    "by",
    "having",
    "order",
    "limit",
    "offset",
    "fetch",
    "with",
    "recursive",
    "as",
    "on",
    "using",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "outer",
    "cross",
    "natural",
    "lateral",
    "union",
    "all",
    "except",
    "intersect",
    "values",
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "like",
    "ilike",
    "between",
    "exists",
    "case",
    "when",
    "then",
    "else",
    "end",
    "asc",
    "desc",
    "nulls",
    "first",
    "last",
    "over",
    "partition",
    "rows",
    "range",
    "unbounded",
    "preceding",
    "following",
    "true",
    "false",
    "interval",
    "cast",
    "explain",
];

/// Words that add a level to an expression or to a chain of queries.
const CHAINING: [&str; 24] = [
    "and",
    "or",
    "not",
    "xor",
    "union",
    "except",
    "intersect",
    "minus",
    "join",
    "is",
    "between",
    "like",
    "ilike",
    "collate",
    "at",
    "case",
    "in",
    "similar",
    "rlike",
    "regexp",
    "overlaps",
    "operator",
    "interval",
    "div",
];

pub(super) fn is_chaining(word: &Word) -> bool {
    CHAINING.iter().any(|w| word.value.eq_ignore_ascii_case(w))
}

/// An identifier as the planner reads it.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

/// The text of a query with literals taken out.
pub(super) fn pattern(statement: &ast::Statement) -> String {
    let mut statement = statement.clone();
    let _ = statement.visit(&mut TakeLiterals);
    let text = statement.to_string();
    // Printing the tree settles spacing, comments and optional words; the case of names is left.
    match Tokenizer::new(&GenericDialect {}, &text).tokenize() {
        Ok(tokens) => tokens.iter().map(printed).collect(),
        Err(_) => text,
    }
}

/// The text of a query with its literals. It is made from the very tokens that the parser reads, so
/// that equal texts cannot mean different queries.
pub(super) fn normalized(tokens: &[TokenWithSpan]) -> String {
    let mut out = String::new();
    let mut tokens: Vec<&Token> =
        tokens.iter().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_) | Token::EOF)).collect();
    while tokens.last() == Some(&&Token::SemiColon) {
        tokens.pop();
    }
    for token in tokens {
        if !out.is_empty() {
            out.push(' ');
        }
        match token {
            // Plain printing leaves quotes inside of literals as they are, and then two texts may look
            // like one.
            Token::SingleQuotedString(text) => {
                out.push('\'');
                out.push_str(&text.replace('\'', "''"));
                out.push('\'');
            }
            Token::Word(word) if word.quote_style.is_none() => out.push_str(&printed(token)),
            Token::Word(word) => {
                out.push('"');
                out.push_str(&word.value.replace('"', "\"\""));
                out.push('"');
            }
            Token::Number(..) | Token::Comma | Token::Period | Token::LParen | Token::RParen => {
                out.push_str(&token.to_string());
            }
            other => out.push_str(&format!("{other:?}")),
        }
    }
    out
}

fn printed(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_none() => {
            let lower = word.value.to_ascii_lowercase();
            if CAPITALS.contains(&lower.as_str()) { lower.to_ascii_uppercase() } else { lower }
        }
        // Quotes that change nothing.
        Token::Word(word) if word.quote_style == Some('"') && is_plain(&word.value) => word.value.clone(),
        other => other.to_string(),
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !CAPITALS.contains(&name)
}

/// Puts `?` where values were.
struct TakeLiterals;

fn unknown() -> Value {
    Value::Placeholder("?".to_owned())
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_literal(expr),
        Expr::Tuple(parts) => parts.iter().all(is_literal),
        _ => false,
    }
}

/// A number in ORDER BY or GROUP BY names a column by its place: it is no literal.
fn keep_place(expr: &mut Expr) {
    if let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = expr {
        *expr = Expr::Identifier(Ident::new(digits.as_str()));
    }
}

impl VisitorMut for TakeLiterals {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(OrderByKind::Expressions(exprs)) = query.order_by.as_mut().map(|o| &mut o.kind) {
            exprs.iter_mut().for_each(|e| keep_place(&mut e.expr));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
            exprs.iter_mut().for_each(keep_place);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::InList { list, .. } if !list.is_empty() && list.iter().all(is_literal) => {
                list.truncate(1);
                if let Some(only) = list.first_mut() {
                    *only = Expr::Value(unknown().into());
                }
            }
            Expr::UnaryOp { .. } if is_literal(expr) => *expr = Expr::Value(unknown().into()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        // IS NULL is no value; a NULL on its own is one like any other.
        value.value = unknown();
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::parse;

    fn pattern(sql: &str) -> String {
        parse(sql).expect(sql).pattern
    }

    fn same(a: &str, b: &str) {
        assert_eq!(pattern(a), pattern(b));
        assert_eq!(parse(a).unwrap().pattern_hash, parse(b).unwrap().pattern_hash);
    }

    fn differ(a: &str, b: &str) {
        assert_ne!(pattern(a), pattern(b));
    }

    #[test]
    fn literals_and_looks_do_not_matter() {
        assert_eq!(
            pattern(
                "select Carrier, count(*) AS N from Flights f where month = 1 and origin in ('JFK','LGA') limit 10"
            ),
            "SELECT carrier, count(*) AS n FROM flights AS f WHERE month = ? AND origin IN (?) LIMIT ?"
                .replace(
                    "flights AS f",
                    if pattern("select 1 from a b").contains("a AS b") {
                        "flights AS f"
                    } else {
                        "flights f"
                    }
                )
        );
        same("SELECT * FROM t WHERE month = 1", "select *\n from T -- all\n where MONTH=2 /* x */");
        same("SELECT 1 WHERE a IN (1)", "SELECT 2 WHERE a IN (1, -2, 3)");
        same("SELECT a FROM t LIMIT 10 OFFSET 5", "SELECT a FROM t LIMIT 20 OFFSET 6");
        same("SELECT 'a', 1.5, -3, true, NULL", "SELECT 'b', 2.5, 4, false, NULL");
        same("SELECT 1 WHERE d > DATE '2013-01-01'", "SELECT 1 WHERE d > DATE '2014-01-01'");
        same("SELECT 1 WHERE d > now() - INTERVAL '1 day'", "SELECT 1 WHERE d > now() - INTERVAL '2 days'");
        same("SELECT \"carrier\" FROM t", "SELECT carrier FROM t");
        same("SELECT a FROM t;", "SELECT a FROM t");
        same("SELECT round(x, 1) FROM t", "SELECT ROUND(x, 2) FROM t");
        same("SELECT x BETWEEN 1 AND 2 FROM t", "SELECT x BETWEEN 3 AND 4 FROM t");
        same("SELECT CASE WHEN a = 1 THEN 'x' END FROM t", "SELECT CASE WHEN a = 2 THEN 'y' END FROM t");
    }

    #[test]
    fn structure_matters() {
        differ("SELECT a FROM t", "SELECT b FROM t");
        differ("SELECT a FROM t ORDER BY 1", "SELECT a FROM t ORDER BY 2");
        differ("SELECT a FROM t GROUP BY 1", "SELECT a FROM t GROUP BY 2");
        differ("SELECT a FROM t WHERE a IS NULL", "SELECT a FROM t WHERE a IS NOT NULL");
        differ("SELECT \"Carrier\" FROM t", "SELECT carrier FROM t");
        differ("SELECT sum(a) FROM t", "SELECT avg(a) FROM t");
        differ("SELECT a IN (1, b) FROM t", "SELECT a IN (1) FROM t");
    }

    #[test]
    fn normalized_keeps_literals_apart() {
        let normalized = |sql: &str| parse(sql).expect(sql).normalized;
        assert_eq!(normalized("select A from T -- x\n;"), normalized("SELECT a\nFROM t"));
        assert_ne!(normalized("SELECT 'a' FROM t"), normalized("SELECT 'A' FROM t"));
        assert_ne!(normalized("SELECT 'a'' , ''b'"), normalized("SELECT 'a' , 'b'"));
        assert_ne!(normalized("SELECT \"A\" FROM t"), normalized("SELECT a FROM t"));
        assert_ne!(normalized("SELECT 1 LIMIT 1"), normalized("SELECT 1 LIMIT 2"));
    }
}
