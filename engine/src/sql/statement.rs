//! A single query, parsed and checked.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    self, Expr, ObjectName, Query, Select, SelectFlavor, SetExpr, TableFactor, Value, ValueWithSpan, Visit,
    Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, TokenWithSpan, Tokenizer};
use sha2::{Digest, Sha256};

use super::{Code, SqlError, pattern, size};

/// Longer texts are no queries that a person wrote.
pub const MAX_BYTES: usize = 64 << 10;

/// Queries that may be nested deeper are read on a stack of their own. A level takes several kilobytes
/// where nothing is optimised, and the callers' stacks have two megabytes.
const SHALLOW: usize = 40;

/// Such a stack, in bytes: enough several times over for the deepest query that is read at all.
pub(crate) const STACK: usize = 64 << 20;

/// A query that may run, and what is known of it without running it.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The SQL as asked.
    pub sql: String,
    /// Its pattern: literals are `?`, lists of them one `?`, case and spacing settled.
    pub pattern: String,
    /// The first 16 bytes of the pattern's SHA-256.
    pub pattern_hash: [u8; 16],
    /// The tables it reads, each once, sorted: folded to lower case where unquoted, joined with a
    /// dot where qualified. Names defined in the query itself are not among them.
    pub tables: Vec<String>,
    /// Whether the answer can differ from run to run over the same data: `now()`, `random()`.
    pub volatile: bool,
    /// The SQL with its case, spacing and comments settled and its literals kept: equal texts mean
    /// equal queries.
    pub normalized: String,
    /// Where each table is named.
    pub(super) places: Vec<(String, Location)>,
    /// How many values are left open, as in `$name`.
    pub(super) placeholders: usize,
}

/// Parses and checks a query.
///
/// # Errors
///
/// `too_long`, `syntax_error` with its place, `statement_not_allowed` or `function_not_allowed`.
pub fn parse(sql: &str) -> Result<Statement, SqlError> {
    if sql.len() > MAX_BYTES {
        let detail = format!("SQL has at most {MAX_BYTES} bytes; this has {}.", sql.len());
        return Err(SqlError::new(Code::TooLong, detail));
    }
    let tokens = tokens(sql)?;
    if size::check(&tokens)? <= SHALLOW {
        return read(sql, tokens);
    }
    let reader = std::thread::Builder::new().stack_size(STACK);
    std::thread::scope(|scope| match reader.spawn_scoped(scope, || read(sql, tokens)) {
        Ok(reading) => reading.join().unwrap_or_else(|_| Err(SqlError::internal(&"a query cannot be read"))),
        Err(e) => Err(SqlError::internal(&e)),
    })
}

impl Statement {
    /// The syntax tree. It is made anew each time, because only threads of the engine have the stack to
    /// copy a deep one, or to drop it.
    pub(crate) fn tree(&self) -> Result<ast::Statement, SqlError> {
        tree(tokens(&self.sql)?)
    }
}

pub(super) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, SqlError> {
    Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .map_err(|e| SqlError::new(Code::SyntaxError, format!("{}.", e.message)).at(e.location))
}

fn tree(tokens: Vec<TokenWithSpan>) -> Result<ast::Statement, SqlError> {
    let mut statements = Parser::new(&GenericDialect {})
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(syntax_error)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(SqlError::new(Code::StatementNotAllowed, "Send exactly one query.")),
    }
}

fn read(sql: &str, tokens: Vec<TokenWithSpan>) -> Result<Statement, SqlError> {
    let normalized = pattern::normalized(&tokens);
    let ast = tree(tokens)?;
    check_statement(&ast)?;
    let mut check = Check::default();
    if let ControlFlow::Break(error) = ast.visit(&mut check) {
        return Err(error);
    }

    let pattern = pattern::pattern(&ast);
    let (relations, _) = resolve_table_references(&Planned::Statement(Box::new(ast)), true)
        .map_err(|e| SqlError::new(Code::InvalidQuery, e.strip_backtrace()))?;
    let mut tables: Vec<String> = relations.iter().map(ToString::to_string).collect();
    // Table functions are relations too, but no tables.
    tables.retain(|table| check.places.iter().any(|(named, _)| named == table));
    tables.sort();
    tables.dedup();

    let digest = Sha256::digest(pattern.as_bytes());
    let mut pattern_hash = [0; 16];
    pattern_hash.copy_from_slice(&digest[..16]);
    Ok(Statement {
        sql: sql.to_owned(),
        pattern,
        pattern_hash,
        tables,
        volatile: check.volatile,
        normalized,
        places: check.places,
        placeholders: check.placeholders,
    })
}

fn syntax_error(e: ParserError) -> SqlError {
    let text = match e {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => "The query is nested too deeply".to_owned(),
    };
    // The place is only told as text, at the end of the message.
    if let Some((message, place)) = text.rsplit_once(" at Line: ")
        && let Some((line, column)) = place.split_once(", Column: ")
        && let (Ok(line), Ok(column)) = (line.trim().parse(), column.trim().parse())
    {
        return SqlError::new(Code::SyntaxError, format!("{message}.")).at(Location { line, column });
    }
    SqlError::new(Code::SyntaxError, format!("{text}."))
}

fn not_allowed(what: &str) -> SqlError {
    SqlError::new(Code::StatementNotAllowed, format!("{what} Only a single query that reads is allowed."))
}

fn check_statement(ast: &ast::Statement) -> Result<(), SqlError> {
    match ast {
        ast::Statement::Query(_) => Ok(()),
        ast::Statement::Explain {
            analyze,
            verbose,
            query_plan,
            estimate,
            statement,
            format,
            options,
            ..
        } => {
            if *analyze || *verbose || *query_plan || *estimate || format.is_some() || options.is_some() {
                return Err(not_allowed("EXPLAIN takes no options here."));
            }
            match statement.as_ref() {
                ast::Statement::Query(_) => Ok(()),
                _ => Err(not_allowed("EXPLAIN is for queries.")),
            }
        }
        other => {
            let text = other.to_string();
            let verb: String =
                text.chars().take_while(|c| c.is_ascii_alphabetic()).collect::<String>().to_uppercase();
            Err(not_allowed(&format!("{verb} is no query.")))
        }
    }
}

/// Functions that give something else each time.
const VOLATILE: [&str; 14] = [
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtimestamp",
    "localtime",
    "today",
    "random",
    "rand",
    "uuid",
    "uuidv4",
    "uuidv7",
    "gen_random_uuid",
    "shuffle",
];

/// Names are resolved in a WITH inside of a WITH again for each level, so that the work doubles with
/// every one.
const MAX_WITH: usize = 8;

/// Table functions that only compute.
const TABLE_FUNCTIONS: [&str; 3] = ["generate_series", "range", "unnest"];

/// Refuses what reads or writes anything but the given tables, wherever it hides in the query.
#[derive(Default)]
struct Check {
    places: Vec<(String, Location)>,
    volatile: bool,
    /// The next relation is the name of a table function.
    function: bool,
    /// How many queries with a WITH of their own are open.
    nested: usize,
    placeholders: usize,
}

fn last_name(name: &ObjectName) -> String {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.map(|ident| ident.value.to_ascii_lowercase()).unwrap_or_default()
}

fn table_function(name: &ObjectName) -> ControlFlow<SqlError> {
    if name.0.len() == 1 && TABLE_FUNCTIONS.contains(&last_name(name).as_str()) {
        return ControlFlow::Continue(());
    }
    let detail = format!("{name} is no table function that a query may use.");
    let error = SqlError::new(Code::FunctionNotAllowed, detail);
    ControlFlow::Break(match name.0.first().and_then(|part| part.as_ident()) {
        Some(ident) => error.at(ident.span.start),
        None => error,
    })
}

fn unsupported(what: &str) -> ControlFlow<SqlError> {
    ControlFlow::Break(SqlError::new(Code::NotSupported, format!("{what} is not supported.")))
}

impl Visitor for Check {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        if !query.locks.is_empty() {
            return ControlFlow::Break(not_allowed("FOR UPDATE and FOR SHARE lock rows."));
        }
        if query.settings.is_some() || query.format_clause.is_some() || query.for_clause.is_some() {
            return ControlFlow::Break(not_allowed("SETTINGS, FORMAT and FOR change the session."));
        }
        self.nested += usize::from(query.with.is_some());
        if self.nested > MAX_WITH {
            let detail = format!("WITH is nested more than {MAX_WITH} levels deep.");
            return ControlFlow::Break(SqlError::new(Code::SyntaxError, detail));
        }
        match set_expr(&query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => ControlFlow::Break(e),
        }
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        self.nested -= usize::from(query.with.is_some());
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<SqlError> {
        self.placeholders += usize::from(matches!(value.value, Value::Placeholder(_)));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<SqlError> {
        if select.into.is_some() {
            return ControlFlow::Break(not_allowed("SELECT INTO makes a table."));
        }
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            return unsupported("A query without SELECT");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &ast::Statement) -> ControlFlow<SqlError> {
        match statement {
            ast::Statement::Query(_) | ast::Statement::Explain { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break(not_allowed("A change is hidden in the query.")),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<SqlError> {
        match factor {
            // What the engine would leave out without a word.
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                unsupported("TABLESAMPLE")
            }
            TableFactor::Table { with_ordinality: true, .. }
            | TableFactor::UNNEST { with_ordinality: true, .. }
            | TableFactor::Function { with_ordinality: true, .. } => unsupported("WITH ORDINALITY"),
            TableFactor::Table { name, args: Some(_), .. } => {
                self.function = true;
                table_function(name)
            }
            TableFactor::Function { name, .. } => table_function(name),
            TableFactor::TableFunction { expr: Expr::Function(function), .. } => {
                table_function(&function.name)
            }
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            other => unsupported(&other.to_string()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<SqlError> {
        if std::mem::take(&mut self.function) {
            return ControlFlow::Continue(());
        }
        let idents: Vec<_> = relation.0.iter().filter_map(|part| part.as_ident()).collect();
        if let Some(first) = idents.first() {
            let parts: Vec<String> = idents.iter().map(|i| pattern::folded(i)).collect();
            self.places.push((parts.join("."), first.span.start));
            if self.places.len() > size::MAX_RELATIONS {
                return ControlFlow::Break(size::too_many_relations().at(first.span.start));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
        match expr {
            Expr::Function(function) => {
                self.volatile |= VOLATILE.contains(&last_name(&function.name).as_str());
            }
            // The engine takes its pattern for a regular expression, which it is not.
            Expr::SimilarTo { .. } => return unsupported("SIMILAR TO"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn set_expr(body: &SetExpr) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => Ok(()),
        SetExpr::SetOperation { left, right, .. } => set_expr(left).and_then(|()| set_expr(right)),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(not_allowed("A change is hidden in the query."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str) -> SqlError {
        parse(sql).expect_err(sql)
    }

    #[test]
    fn knows_the_tables_and_volatility() {
        let s = parse(
            "WITH big AS (SELECT * FROM Flights) SELECT * FROM big JOIN \"My Planes\" p USING (tailnum) \
             WHERE x IN (SELECT y FROM airlines) -- flights",
        )
        .unwrap();
        assert_eq!(s.tables, ["My Planes", "airlines", "flights"]);
        assert!(!s.volatile);
        // A name in WITH hides a table only behind its own definition.
        assert_eq!(parse("WITH t AS (SELECT * FROM t) SELECT * FROM t").unwrap().tables, ["t"]);
        for sql in ["SELECT now()", "SELECT CURRENT_DATE", "SELECT 1 WHERE Random() < 0.5", "VALUES (uuid())"]
        {
            assert!(parse(sql).unwrap().volatile, "{sql}");
        }
    }

    #[test]
    fn refuses_all_but_one_query() {
        for sql in [
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "DELETE FROM t",
            "CREATE TABLE t (a int)",
            "CREATE VIEW v AS SELECT 1",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "DROP TABLE t",
            "COPY t TO 'x.csv'",
            "COPY (SELECT 1) TO 'x.csv'",
            "SET datafusion.execution.batch_size = 1",
            "SHOW TABLES",
            "SHOW ALL",
            "DESCRIBE t",
            "EXPLAIN ANALYZE SELECT 1",
            "EXPLAIN VERBOSE SELECT 1",
            "EXPLAIN INSERT INTO t VALUES (1)",
            "SELECT 1; SELECT 2",
            "SELECT * INTO t2 FROM t",
            "SELECT * FROM t FOR UPDATE",
            "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x",
            "WITH x AS (SELECT 1) DELETE FROM t",
            "BEGIN",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "CALL f()",
            "",
            ";",
        ] {
            let code = refused(sql).code;
            assert!(matches!(code, Code::StatementNotAllowed | Code::SyntaxError), "{sql}: {code:?}");
        }
        for sql in ["SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM a, LATERAL parquet_metadata('x')"]
        {
            assert_eq!(refused(sql).code, Code::FunctionNotAllowed, "{sql}");
        }
        // Taken for a regular expression, `a%` would not fit `abc`.
        assert_eq!(
            refused("SELECT 'abc' SIMILAR TO 'a%'").code,
            refused("SELECT * FROM t TABLESAMPLE (1)").code
        );
        assert!(parse("SELECT 1;").is_ok());
        assert!(parse("VALUES (1), (2)").is_ok());
        assert!(parse("EXPLAIN SELECT 1").is_ok());
        assert!(parse("SELECT * FROM generate_series(1, 3)").is_ok());
    }

    #[test]
    fn says_where_the_syntax_is_wrong() {
        let e = refused("SELECT a\nFRM t WHERE");
        assert_eq!((e.code, e.line), (Code::SyntaxError, Some(2)), "{e:?}");
        let e = refused("SELECT 'abc");
        assert_eq!((e.code, e.line, e.column), (Code::SyntaxError, Some(1), Some(8)), "{e:?}");
    }

    #[test]
    fn deep_queries_are_refused_and_long_ones_are_not() {
        assert_eq!(refused(&format!("SELECT {}1", "1+".repeat(20_000))).code, Code::SyntaxError);
        assert_eq!(refused(&format!("SELECT {}1", "- ".repeat(20_000))).code, Code::SyntaxError);
        assert_eq!(refused(&format!("SELECT {}1", "NOT ".repeat(10_000))).code, Code::SyntaxError);
        let parens = format!("SELECT {}1{}", "(".repeat(9000), ")".repeat(9000));
        assert_eq!(refused(&parens).code, Code::SyntaxError);
        let union = vec!["SELECT 1"; 3000].join(" UNION ALL ");
        assert_eq!(refused(&union).code, Code::SyntaxError);
        let nested =
            (0..20).fold("SELECT 1".to_owned(), |q, i| format!("WITH t{i} AS ({q}) SELECT * FROM t{i}"));
        assert_eq!(refused(&nested).code, Code::SyntaxError);
        for chain in [
            "null::int@[]",
            "1@ in (1)",
            "@interval '1'",
            "'a'@ similar to 'a'",
            "'a'@ rlike 'a'",
            "1@ overlaps 1",
        ] {
            let (before, after) = chain.split_once('@').unwrap();
            let sql = match before {
                "" => format!("SELECT {}", "interval ".repeat(5000)),
                before => format!("SELECT {before}{}", after.repeat(1000)),
            };
            assert_eq!(refused(&sql).code, Code::SyntaxError, "{chain}");
        }
        let list = (0..8000).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
        assert!(parse(&format!("SELECT 1 WHERE 1 IN ({list})")).is_ok());
        let sums = vec!["a + b"; 900].join(",");
        assert!(parse(&format!("SELECT {sums} FROM t")).is_ok());
    }

    #[test]
    fn small_queries_that_grow_huge_are_refused() {
        let ctes = |n: usize, body: &dyn Fn(usize) -> String| {
            let list: Vec<String> = (1..=n).map(|i| format!("t{i} AS ({})", body(i))).collect();
            format!("WITH t0 AS (SELECT 1 AS a), {} SELECT count(*) FROM t{n}", list.join(", "))
        };
        let doubling = |i: usize| format!("SELECT x.a FROM t{0} x, t{0} y", i - 1);
        let chain = |i: usize| format!("SELECT t{0}.a, t{0}.a + 1 AS b FROM t{0}", i - 1);
        assert_eq!(refused(&ctes(20, &doubling)).code, Code::SyntaxError);
        assert_eq!(refused(&ctes(1200, &chain)).code, Code::SyntaxError);
        assert!(parse(&ctes(5, &doubling)).is_ok());
        assert!(parse(&ctes(40, &chain)).is_ok());
        let many = (0..3000).map(|i| format!("t a{i}")).collect::<Vec<_>>().join(", ");
        assert_eq!(refused(&format!("SELECT 1 FROM {many}")).code, Code::SyntaxError);
        let columns = (0..18).map(|i| format!("month + {i}")).collect::<Vec<_>>().join(", ");
        assert_eq!(refused(&format!("SELECT 1 FROM t GROUP BY CUBE ({columns})")).code, Code::SyntaxError);
        assert!(parse("SELECT a, b, count(*) FROM t GROUP BY ROLLUP (a, b), CUBE (c, d)").is_ok());
        assert!(parse("SELECT a, b FROM t GROUP BY GROUPING SETS ((a), (b), (a, b), ())").is_ok());
    }
}
