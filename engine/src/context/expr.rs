//! Expressions and conditions, read into a tree of which only harmless parts are let through.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArguments, Query, Value, ValueWithSpan, Visit,
    Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::params;
use super::shape::shown;
use crate::sql;

/// Longer expressions are refused.
pub const MAX_EXPRESSION: usize = 8 << 10;

/// Deeper ones too. Chains such as `a + b + c` count a level for each operator.
const MAX_NESTING: usize = 120;

/// Why an expression is refused, and where in its text.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) detail: String,
    pub(super) place: Location,
}

fn refused(detail: impl Into<String>, place: Location) -> Refused {
    Refused { detail: detail.into(), place }
}

/// Reads an expression. `{name}` becomes a placeholder `$name`.
pub(super) fn parse(text: &str) -> Result<Expr, Refused> {
    let start = Location { line: 1, column: 1 };
    if text.trim().is_empty() {
        return Err(refused("There is nothing in it.", start));
    }
    if text.len() > MAX_EXPRESSION {
        return Err(refused(
            format!("It has at most {MAX_EXPRESSION} bytes; this has {}.", text.len()),
            start,
        ));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text)
        .tokenize_with_location()
        .map_err(|e| refused(format!("{}.", e.message), e.location))?;
    let tokens = with_placeholders(tokens)?;
    let depth = sql::measure(&tokens).map_err(|e| {
        let place = Location { line: e.line.unwrap_or(1), column: e.column.unwrap_or(1) };
        refused(e.detail, place)
    })?;
    if depth > MAX_NESTING {
        return Err(refused("It is nested too deeply, or has too many operators in a row.", start));
    }
    let mut parser = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens);
    let expr = parser.parse_expr().map_err(|e| syntax(&e, start))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        let detail = format!("'{}' does not belong there.", shown(&rest.token.to_string()));
        return Err(refused(detail, rest.span.start));
    }
    match Visit::visit(&expr, &mut Allowed { place: start, aggregates: 0 }) {
        ControlFlow::Break(e) => Err(e),
        ControlFlow::Continue(()) => Ok(expr),
    }
}

fn syntax(error: &ParserError, start: Location) -> Refused {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "It is nested too deeply",
    };
    if let Some((message, place)) = text.rsplit_once(" at Line: ")
        && let Some((line, column)) = place.split_once(", Column: ")
        && let (Ok(line), Ok(column)) = (line.trim().parse(), column.trim().parse())
    {
        return refused(format!("{message}."), Location { line, column });
    }
    refused(format!("{text}."), start)
}

/// Puts a placeholder where a name stands in braces.
fn with_placeholders(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Refused> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        match &token.token {
            Token::Placeholder(_) => {
                let detail = "A parameter is written as {name}.";
                return Err(refused(detail, token.span.start));
            }
            Token::Whitespace(_) => continue,
            Token::RBrace => {
                if let [.., open, name] = out.as_slice()
                    && open.token == Token::LBrace
                    && let Token::Word(word) = &name.token
                    && word.quote_style.is_none()
                    && params::is_name(&word.value)
                {
                    let (span, name) = (open.span, format!("${}", word.value));
                    out.truncate(out.len() - 2);
                    out.push(TokenWithSpan { token: Token::Placeholder(name), span });
                    continue;
                }
                return Err(refused("Braces hold the name of a parameter.", token.span.start));
            }
            _ => {}
        }
        out.push(token);
    }
    Ok(out)
}

/// Lets through what works on the row or the rows at hand and nothing else.
struct Allowed {
    place: Location,
    aggregates: usize,
}

impl Visitor for Allowed {
    type Break = Refused;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Refused> {
        ControlFlow::Break(refused("It has no query inside of it.", self.place))
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Refused> {
        match &value.value {
            Value::Number(..)
            | Value::SingleQuotedString(_)
            | Value::Boolean(_)
            | Value::Null
            | Value::Placeholder(_) => ControlFlow::Continue(()),
            other => {
                let detail =
                    format!("A literal such as {} is not supported here.", shown(&other.to_string()));
                ControlFlow::Break(refused(detail, value.span.start))
            }
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refused> {
        if let Expr::Identifier(ident) = expr {
            self.place = ident.span.start;
        }
        match expr {
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::TypedString(_)
            | Expr::BinaryOp { .. }
            | Expr::UnaryOp { .. }
            | Expr::Nested(_)
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Interval(_)
            | Expr::AtTimeZone { .. }
            | Expr::Tuple(_) => ControlFlow::Continue(()),
            Expr::Function(function) => {
                if let Err(e) = self.function(function) {
                    return ControlFlow::Break(e);
                }
                if is_aggregate(function) {
                    self.aggregates += 1;
                    if self.aggregates > 1 {
                        let detail = "An aggregate has no other aggregate inside of it.";
                        return ControlFlow::Break(refused(detail, self.place));
                    }
                }
                ControlFlow::Continue(())
            }
            other => {
                let detail = format!("'{}' is not supported here.", shown(&other.to_string()));
                ControlFlow::Break(refused(detail, self.place))
            }
        }
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refused> {
        if let Expr::Function(function) = expr
            && is_aggregate(function)
        {
            self.aggregates -= 1;
        }
        ControlFlow::Continue(())
    }
}

impl Allowed {
    fn function(&mut self, function: &Function) -> Result<(), Refused> {
        let [part] = function.name.0.as_slice() else {
            return Err(refused("A function has a plain name.", self.place));
        };
        let Some(name) = part.as_ident().filter(|i| i.quote_style.is_none()) else {
            return Err(refused("A function has a plain name.", self.place));
        };
        self.place = name.span.start;
        if function.over.is_some() {
            return Err(refused("Windows (OVER) are not supported here.", self.place));
        }
        if function.uses_odbc_syntax || !matches!(function.parameters, FunctionArguments::None) {
            return Err(refused("A function has one list of arguments.", self.place));
        }
        if let FunctionArguments::List(list) = &function.args
            && list.args.iter().any(|a| !matches!(a, FunctionArg::Unnamed(_)))
        {
            return Err(refused("Arguments have no names here.", self.place));
        }
        if function.filter.is_some() && !is_aggregate(function) {
            return Err(refused("FILTER belongs to an aggregate.", self.place));
        }
        Ok(())
    }
}

pub(super) fn function_name(function: &Function) -> String {
    let last = function.name.0.last().and_then(|part| part.as_ident());
    last.map(|ident| ident.value.to_ascii_lowercase()).unwrap_or_default()
}

/// Whether a function makes one value of many rows.
pub(super) fn is_aggregate(function: &Function) -> bool {
    static NAMES: OnceLock<HashSet<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let all = datafusion::functions_aggregate::all_default_aggregate_functions();
        all.iter().flat_map(|f| f.aliases().iter().cloned().chain([f.name().to_owned()])).collect()
    });
    names.contains(&function_name(function))
}

/// Whether an aggregate gives another number when rows are counted more than once.
pub(super) fn is_sensitive(function: &Function) -> bool {
    let settled = ["min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "approx_distinct"];
    let distinct = matches!(&function.args, FunctionArguments::List(list)
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) && list.clauses.is_empty());
    // Only where the distinct values alone make the number: an order among them could tell rows apart.
    let known = ["count", "sum", "avg", "mean"];
    let name = function_name(function);
    !(settled.contains(&name.as_str()) || distinct && known.contains(&name.as_str()))
}

/// Whether an aggregate over no rows is zero; the others are missing then.
pub(super) fn is_zero_of_none(function: &Function) -> bool {
    ["count", "approx_distinct", "regr_count"].contains(&function_name(function).as_str())
}
