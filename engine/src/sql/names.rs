//! Column names as people write them.
//!
//! SQL folds names without quotes to lower case, and files have columns such as `Total`. Where a
//! folded name is no column and exactly one column differs from it in case alone, that one is meant.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{DataType, Fields, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, Expr, Ident, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select, SelectItem,
    Subscript, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};

/// Quotes the column names that would be lost by folding.
pub(super) fn settle(statement: &mut ast::Statement, schemas: &[SchemaRef]) {
    let mut columns: HashMap<String, Vec<&str>> = HashMap::new();
    schemas.iter().for_each(|schema| gather(schema.fields(), &mut columns));
    // What is in lower case already is not to be settled.
    columns.retain(|folded, spellings| !spellings.contains(&folded.as_str()));
    let mut aliases = Aliases::default();
    let _ = Visit::visit(statement, &mut aliases);
    let _ =
        VisitMut::visit(statement, &mut Settle { columns, aliases: aliases.columns, tables: aliases.tables });
}

/// The names of columns, and of what is nested in them.
fn gather<'a>(fields: &'a Fields, columns: &mut HashMap<String, Vec<&'a str>>) {
    for field in fields {
        let spellings = columns.entry(field.name().to_ascii_lowercase()).or_default();
        if !spellings.contains(&field.name().as_str()) {
            spellings.push(field.name());
        }
        let mut inner = field.data_type();
        while let DataType::List(item) = inner {
            inner = item.data_type();
        }
        if let DataType::Struct(fields) = inner {
            gather(fields, columns);
        }
    }
}

/// Names that the query itself gives, which win over a column's, and the tables that it speaks of.
#[derive(Default)]
struct Aliases {
    columns: HashSet<String>,
    tables: HashSet<String>,
}

impl Aliases {
    fn add(&mut self, ident: &Ident) {
        self.columns.insert(ident.value.to_ascii_lowercase());
    }
}

impl Visitor for Aliases {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.add(alias);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
            cte.alias.columns.iter().for_each(|c| self.add(&c.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor
            && let Some(ObjectNamePart::Identifier(name)) = name.0.last()
        {
            self.tables.insert(name.value.to_ascii_lowercase());
        }
        if let TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. } = factor
        {
            self.tables.insert(alias.name.value.to_ascii_lowercase());
        }
        if let TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. } = factor
        {
            alias.columns.iter().for_each(|c| self.add(&c.name));
        }
        ControlFlow::Continue(())
    }
}

struct Settle<'a> {
    columns: HashMap<String, Vec<&'a str>>,
    aliases: HashSet<String>,
    tables: HashSet<String>,
}

impl Settle<'_> {
    fn ident(&self, ident: &mut Ident) {
        if ident.quote_style.is_some() {
            return;
        }
        let folded = ident.value.to_ascii_lowercase();
        let Some(spellings) = self.columns.get(&folded) else { return };
        let meant = match spellings.iter().find(|s| **s == ident.value) {
            Some(exact) => exact,
            None if self.aliases.contains(&folded) => return,
            None => match spellings.as_slice() {
                [only] => only,
                _ => return,
            },
        };
        ident.value = (*meant).to_owned();
        ident.quote_style = Some('"');
    }
}

impl VisitorMut for Settle<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            // `list[1].field` is planned only as `list[1]['field']`. Dots in front are those of a table, a
            // column and what is nested in it, and are planned as such.
            Expr::CompoundFieldAccess { root, access_chain } => {
                let mut leads = matches!(**root, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                for access in access_chain {
                    let AccessExpr::Dot(Expr::Identifier(ident)) = access else {
                        leads = false;
                        continue;
                    };
                    self.ident(ident);
                    if leads {
                        continue;
                    }
                    let exact = ident.quote_style.is_some();
                    let name = if exact { ident.value.clone() } else { ident.value.to_ascii_lowercase() };
                    let index = Expr::Value(ast::Value::SingleQuotedString(name).with_empty_span());
                    *access = AccessExpr::Subscript(Subscript::Index { index });
                }
            }
            Expr::Identifier(ident) => self.ident(ident),
            Expr::CompoundIdentifier(parts) => {
                // The first may be a table; what follows are a column and what is nested in it.
                let table =
                    parts.first().is_some_and(|p| self.tables.contains(&p.value.to_ascii_lowercase()));
                parts.iter_mut().skip(usize::from(table)).for_each(|part| self.ident(part));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for join in select.from.iter_mut().flat_map(|t| &mut t.joins) {
            let (JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::Semi(constraint)
            | JoinOperator::LeftSemi(constraint)
            | JoinOperator::RightSemi(constraint)
            | JoinOperator::Anti(constraint)
            | JoinOperator::LeftAnti(constraint)
            | JoinOperator::RightAnti(constraint)) = &mut join.join_operator
            else {
                continue;
            };
            if let JoinConstraint::Using(names) = constraint {
                for name in names {
                    if let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut() {
                        self.ident(ident);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}
