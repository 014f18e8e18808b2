//! How large a query may get, told from its tokens, before a tree or a plan is made of it.
//!
//! The tree is walked and freed by recursion, and a plan is made in one go that nothing can stop, in
//! memory that no pool counts. So what a short text could make of either is bounded here. The bounds
//! err on the safe side: a column that is called like a query of a WITH counts as a use of it.

use std::collections::HashMap;

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::{Code, SqlError, pattern};

/// How deep expressions may be chained (`a + b + c ...`) or nested, to fit the stack of any thread.
const MAX_DEPTH: usize = 500;

/// How often a query may say SELECT: subqueries, parts of a UNION and queries of a WITH together.
const MAX_SELECTS: usize = 100;

/// How many tables a query may name.
pub(super) const MAX_RELATIONS: usize = 64;

/// How many uses of the queries in a WITH there may be once each is put where it is used.
const MAX_USES: u64 = 256;

/// How many columns CUBE, ROLLUP and GROUPING SETS may have together: each may double the groups.
const MAX_GROUPINGS: usize = 12;

/// How often a token may be looked at while a query is read, all tokens together.
const MAX_READS: u64 = 250_000;

/// Words with a syntax of their own that are read a second time, as the name of a function or of a
/// column, where what follows them turns out to be wrong, and all that is nested in them with it.
const READ_AGAIN: [&str; 34] = [
    "array",
    "box",
    "case",
    "cast",
    "ceil",
    "circle",
    "convert",
    "current_date",
    "current_time",
    "current_timestamp",
    "exists",
    "extract",
    "floor",
    "interval",
    "json_object",
    "lambda",
    "line",
    "localtime",
    "localtimestamp",
    "lseg",
    "map",
    "match",
    "not",
    "overlay",
    "path",
    "point",
    "polygon",
    "position",
    "safe_cast",
    "struct",
    "substr",
    "substring",
    "trim",
    "try_cast",
];

/// Fails where the query is too large; how deep it may be nested otherwise.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<usize, SqlError> {
    let depth = depth(tokens)?;
    let tokens: Vec<&TokenWithSpan> =
        tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    reads(&tokens)?;
    selects(&tokens)?;
    uses(&tokens)?;
    groupings(&tokens)?;
    Ok(depth)
}

fn refused(detail: String, at: &TokenWithSpan) -> SqlError {
    SqlError::new(Code::SyntaxError, detail).at(at.span.start)
}

pub(super) fn too_many_relations() -> SqlError {
    SqlError::new(Code::SyntaxError, format!("The query names more than {MAX_RELATIONS} tables."))
}

/// Every operator may add a level to its chain, and every open parenthesis keeps the levels outside
/// of it.
fn depth(tokens: &[TokenWithSpan]) -> Result<usize, SqlError> {
    let mut chains = vec![0_usize];
    let (mut depth, mut deepest) = (0, 0);
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) | Token::SingleQuotedString(_) | Token::Number(..) | Token::Period => {}
            Token::LParen | Token::LBracket | Token::LBrace => {
                // A bracket also goes on with what stands before it, as in `a[1][2]` or `int[][]`.
                let goes_on = usize::from(token.token == Token::LBracket);
                if let Some(chain) = chains.last_mut() {
                    *chain += goes_on;
                }
                chains.push(1);
                depth += 1 + goes_on;
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth -= chains.pop().unwrap_or(0);
                if chains.is_empty() {
                    chains.push(0);
                }
            }
            Token::Comma => {
                if let Some(chain) = chains.last_mut() {
                    depth -= *chain;
                    *chain = 0;
                }
            }
            Token::Word(word) if word.quote_style.is_some() || !pattern::is_chaining(word) => {}
            _ => {
                if let Some(chain) = chains.last_mut() {
                    *chain += 1;
                    depth += 1;
                }
            }
        }
        deepest = depth.max(deepest);
        if depth > MAX_DEPTH {
            return Err(refused(
                format!("The query chains or nests more than {MAX_DEPTH} operators."),
                token,
            ));
        }
    }
    Ok(deepest)
}

fn word(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

fn is(token: Option<&&TokenWithSpan>, keyword: &str) -> bool {
    let word = token.and_then(|t| word(t));
    word.is_some_and(|w| w.quote_style.is_none() && w.value.eq_ignore_ascii_case(keyword))
}

/// Every word that is read again doubles the work on what is inside of it, with two or three ways to
/// read it for some.
fn reads(tokens: &[&TokenWithSpan]) -> Result<(), SqlError> {
    // For each open bracket, how often the work is doubled in it, and since the last comma.
    let mut open = vec![(0_u32, 0_u32)];
    let mut opening = 0;
    let (mut doubled, mut reads) = (0_u32, 0_u64);
    for (n, token) in tokens.iter().enumerate() {
        let next = tokens.get(n + 1).map(|t| &t.token);
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                open.push((opening, 0));
                doubled += opening;
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                let (inside, here) = open.pop().unwrap_or_default();
                doubled -= inside + here;
                if open.is_empty() {
                    open.push((0, 0));
                }
            }
            Token::Comma => {
                if let Some((_, here)) = open.last_mut() {
                    doubled -= std::mem::take(here);
                }
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let name = word.value.to_ascii_lowercase();
                let times = match name.as_str() {
                    "interval" | "position" => 2,
                    name => u32::from(READ_AGAIN.contains(&name)),
                };
                opening = 0;
                match next {
                    Some(Token::LParen | Token::LBracket | Token::LBrace) => opening = times,
                    // An interval as it should be.
                    Some(Token::SingleQuotedString(_) | Token::Number(..)) => {}
                    _ if ["case", "interval", "lambda"].contains(&name.as_str()) => {
                        if let Some((_, here)) = open.last_mut() {
                            *here += times;
                            doubled += times;
                        }
                    }
                    _ if name == "end" => {
                        if let Some((_, here)) = open.last_mut()
                            && *here > 0
                        {
                            *here -= 1;
                            doubled -= 1;
                        }
                    }
                    _ => {}
                }
                reads = reads.saturating_add(1 << doubled.min(40));
                continue;
            }
            _ => {}
        }
        opening = 0;
        reads = reads.saturating_add(1 << doubled.min(40));
        if reads > MAX_READS {
            return Err(refused("The query nests too many expressions in each other.".to_owned(), token));
        }
    }
    Ok(())
}

fn selects(tokens: &[&TokenWithSpan]) -> Result<(), SqlError> {
    match tokens.iter().filter(|t| is(Some(t), "select")).nth(MAX_SELECTS) {
        Some(at) => Err(refused(format!("The query has more than {MAX_SELECTS} SELECTs."), at)),
        None => Ok(()),
    }
}

/// A query of a WITH stands for itself wherever it is used, and for those that it uses in turn: a
/// chain of them that each use the one before twice doubles with every link.
fn uses(tokens: &[&TokenWithSpan]) -> Result<(), SqlError> {
    struct Open {
        name: String,
        level: usize,
        uses: u64,
    }
    let mut known: HashMap<String, u64> = HashMap::new();
    let mut open: Vec<Open> = Vec::new();
    let (mut level, mut total) = (0_usize, 0_u64);
    for (n, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => {
                level += 1;
                if let Some(name) = defined(&tokens[..n]) {
                    open.push(Open { name, level, uses: 1 });
                }
            }
            Token::RParen => {
                if let Some(done) = open.pop_if(|o| o.level == level) {
                    let size = known.entry(done.name).or_default();
                    *size = done.uses.max(*size);
                }
                level = level.saturating_sub(1);
            }
            Token::Word(word) if tokens.get(n + 1).is_none_or(|next| next.token != Token::Period) => {
                let Some(size) = known.get(&word.value.to_ascii_lowercase()) else { continue };
                let sum = open.last_mut().map_or(&mut total, |o| &mut o.uses);
                *sum = sum.saturating_add(*size);
                if *sum > MAX_USES {
                    let detail = format!("The queries in WITH are used more than {MAX_USES} times in all.");
                    return Err(refused(detail, token));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The name that a query gets whose opening parenthesis comes next: `name [(columns)] AS [NOT]
/// [MATERIALIZED]`.
fn defined(before: &[&TokenWithSpan]) -> Option<String> {
    let mut rest = before;
    for optional in ["materialized", "not"] {
        if is(rest.last(), optional) {
            rest = &rest[..rest.len() - 1];
        }
    }
    if !is(rest.last(), "as") {
        return None;
    }
    rest = &rest[..rest.len() - 1];
    if rest.last().is_some_and(|t| t.token == Token::RParen) {
        let from = rest.iter().rposition(|t| t.token == Token::LParen)?;
        rest = &rest[..from];
    }
    rest.last().and_then(|t| word(t)).map(|w| w.value.to_ascii_lowercase())
}

fn groupings(tokens: &[&TokenWithSpan]) -> Result<(), SqlError> {
    let mut columns = 0;
    // Levels of parentheses within the grouping that is open.
    let mut levels = 0_usize;
    for (n, token) in tokens.iter().enumerate() {
        let begins = token.token == Token::LParen
            && n > 0
            && (["cube", "rollup", "sets"].iter().any(|w| is(tokens.get(n - 1), w)));
        match &token.token {
            Token::LParen if begins || levels > 0 => {
                levels += 1;
                columns += usize::from(begins);
            }
            Token::RParen => levels = levels.saturating_sub(1),
            Token::Comma if levels > 0 => columns += 1,
            _ => {}
        }
        if columns > MAX_GROUPINGS {
            let detail =
                format!("CUBE, ROLLUP and GROUPING SETS have more than {MAX_GROUPINGS} columns together.");
            return Err(refused(detail, token));
        }
    }
    Ok(())
}
