//! Queries that name metrics as if they were columns.
//!
//! Only the names change: all else of the query stays as it was typed, to the last blank. Where a join of
//! the query would count rows of a metric more than once, the query is refused, and so it is where that
//! cannot be told.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, Visit, VisitMut,
    Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use super::catalog::Catalog;
use super::finding::{Code, Finding, ordered};
use super::model::Context;
use super::resolve::{Resolved, Resolver};
use super::sources::Sources;
use super::world::World;
use super::{on_stack, sql};

/// Spells out the metrics that a query names in SELECT, HAVING and ORDER BY, and those with a value for
/// each row also in WHERE and GROUP BY. A real column of that name wins. The ids and aliases of the
/// context's datasets can stand for their tables.
///
/// # Errors
///
/// Where the query cannot be read, a metric cannot be used there, or it would come out wrong.
pub fn expand(context: &Context, query: &str, catalog: &Catalog) -> Result<String, Vec<Finding>> {
    let wrong = |e: crate::sql::SqlError| {
        let finding = Finding::error(Code::InvalidExpression, e.detail);
        vec![match (e.line, e.column) {
            (Some(line), Some(column)) => finding.at(line, column),
            _ => finding,
        }]
    };
    let statement = crate::sql::parse(query).map_err(wrong)?;
    let expanded = on_stack(|| {
        let tree = statement.tree().map_err(wrong)?;
        spell_out(context, query, catalog, &tree)
    });
    let expanded = expanded.unwrap_or_else(|e| Err(vec![e])).map_err(ordered)?;
    if expanded != query {
        crate::sql::parse(&expanded).map_err(wrong)?;
    }
    Ok(expanded)
}

fn spell_out(
    context: &Context,
    query: &str,
    catalog: &Catalog,
    tree: &Statement,
) -> Result<String, Vec<Finding>> {
    let world = World::new(context, Some(catalog));
    let mut own_names = Named(BTreeSet::new());
    let _ = tree.visit(&mut own_names);
    let mut expander = Expander {
        world: &world,
        catalog,
        resolver: Resolver::new(&world),
        own_names: own_names.0,
        edits: Vec::new(),
        findings: Vec::new(),
    };
    let _ = tree.visit(&mut expander);
    let Expander { edits, findings, .. } = expander;
    if findings.is_empty() { edited(query, edits) } else { Err(findings) }
}

/// The names that the query gives to queries of its own.
struct Named(BTreeSet<String>);

impl Visitor for Named {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
            self.0.insert(cte.alias.name.value.to_ascii_lowercase());
        }
        ControlFlow::Continue(())
    }
}

/// Something to put into the place of a part of the query.
pub(super) struct Edit {
    pub(super) span: Span,
    pub(super) text: String,
}

struct Expander<'w, 'a> {
    world: &'w World<'a>,
    catalog: &'a Catalog,
    resolver: Resolver<'w, 'a>,
    own_names: BTreeSet<String>,
    edits: Vec<Edit>,
    findings: Vec<Finding>,
}

impl Visitor for Expander<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let order = match query.order_by.as_ref().map(|o| &o.kind) {
            Some(OrderByKind::Expressions(exprs)) => exprs.iter().map(|e| &e.expr).collect(),
            _ => Vec::new(),
        };
        let mut bodies = vec![query.body.as_ref()];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::Select(select) => {
                    let last = std::ptr::eq(body, query.body.as_ref());
                    self.select(select, if last { &order } else { &[] });
                }
                SetExpr::SetOperation { left, right, .. } => {
                    bodies.push(left);
                    bodies.push(right);
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// Where a metric stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    /// Where there are groups.
    Grouped,
    /// Where there are single rows.
    Rows,
}

impl Expander<'_, '_> {
    fn select(&mut self, select: &Select, order: &[&Expr]) {
        let sources = Sources::new(self.world, self.catalog, select, &self.own_names, &mut self.edits);
        let mut outputs: BTreeSet<String> = BTreeSet::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    if let Expr::Identifier(ident) = expr {
                        outputs.insert(ident.value.to_ascii_lowercase());
                    }
                    self.expr(expr, &sources, Role::Grouped, true);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    outputs.insert(alias.value.to_ascii_lowercase());
                    self.expr(expr, &sources, Role::Grouped, false);
                }
                _ => {}
            }
        }
        if let Some(expr) = &select.having {
            self.expr(expr, &sources, Role::Grouped, false);
        }
        if let Some(expr) = &select.selection {
            self.expr(expr, &sources, Role::Rows, false);
        }
        if let GroupByExpr::Expressions(exprs, _) = &select.group_by {
            for expr in exprs {
                // A name that the query gives itself is meant where there is one.
                let named = matches!(expr, Expr::Identifier(i)
                    if outputs.contains(&i.value.to_ascii_lowercase()) && !self.is_row_metric(i));
                if !named {
                    self.expr(expr, &sources, Role::Rows, false);
                }
            }
        }
        for expr in order {
            let named =
                matches!(expr, Expr::Identifier(i) if outputs.contains(&i.value.to_ascii_lowercase()));
            if !named {
                self.expr(expr, &sources, Role::Grouped, false);
            }
        }
    }

    fn number(&self, ident: &Ident) -> Option<usize> {
        self.world.context.metrics.iter().position(|m| m.id.eq_ignore_ascii_case(&ident.value))
    }

    fn is_row_metric(&mut self, ident: &Ident) -> bool {
        let Some(number) = self.number(ident) else { return false };
        self.resolver.metric(number).is_ok_and(|m| !m.is_aggregate())
    }

    fn expr(&mut self, expr: &Expr, sources: &Sources<'_, '_>, role: Role, whole: bool) {
        let mut names = Names { found: Vec::new(), nested: 0 };
        let _ = expr.visit(&mut names);
        let alone = whole && matches!(expr, Expr::Identifier(_));
        for ident in names.found {
            if let Some(number) = self.number(&ident)
                && !sources.has_column(&ident.value)
            {
                match self.metric(number, sources, role, alone) {
                    Ok(Some(text)) => self.edits.push(Edit { span: ident.span, text }),
                    Ok(None) => {}
                    Err(finding) => self.findings.push(match finding.line {
                        Some(_) => finding,
                        None => finding.at(ident.span.start.line, ident.span.start.column),
                    }),
                }
            }
        }
    }

    fn metric(
        &mut self,
        number: usize,
        sources: &Sources<'_, '_>,
        role: Role,
        alone: bool,
    ) -> Result<Option<String>, Finding> {
        let id = &self.world.context.metrics[number].id;
        if sources.is_empty() || sources.is_all_opaque() {
            // A query of the query's own may have a column that is called so.
            return Ok(None);
        }
        let found = self.resolver.metric(number)?;
        if role == Role::Rows && found.is_aggregate() {
            let detail =
                format!("The metric '{id}' is an aggregate: it belongs into SELECT, HAVING or ORDER BY.");
            return Err(Finding::error(Code::InvalidExpression, detail));
        }
        let named = format!("The metric '{id}'");
        let mut uses: BTreeSet<usize> = found.uses.clone();
        uses.extend(found.calls.iter().flat_map(|c| c.uses.iter().copied()));
        for dataset in &uses {
            sources.only(*dataset, &named)?;
        }
        for call in &found.calls {
            sources.guard(call, &named)?;
        }
        let text = self.text(&found, sources);
        if alone {
            return Ok(Some(format!("{text} AS {}", sql::ident(id))));
        }
        Ok(Some(format!("({text})")))
    }

    fn text(&self, found: &Resolved, sources: &Sources<'_, '_>) -> String {
        let mut expr = found.with_calls(|_, call| Expr::Function(call.function.clone()));
        let _ = VisitMut::visit(&mut expr, &mut Requalify { world: self.world, sources });
        sql::text(&expr)
    }
}

/// The names in an expression, without those in queries inside of it.
struct Names {
    found: Vec<Ident>,
    nested: usize,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.nested += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.nested -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && self.nested == 0
        {
            self.found.push(ident.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Puts the query's own names of tables before columns.
struct Requalify<'s, 'w, 'a> {
    world: &'w World<'a>,
    sources: &'s Sources<'w, 'a>,
}

impl VisitorMut for Requalify<'_, '_, '_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let Some(first) = parts.first_mut()
        {
            let datasets = 0..self.world.context.datasets.len();
            let mut own = datasets.filter(|d| sql::ident(self.world.alias(*d)).value == first.value);
            if let Some(name) = own.next().and_then(|d| self.sources.qualifier(d)) {
                *first = name;
            }
        }
        ControlFlow::Continue(())
    }
}

/// The query with its parts replaced.
fn edited(query: &str, mut edits: Vec<Edit>) -> Result<String, Vec<Finding>> {
    edits.sort_by_key(|e| (e.span.start.line, e.span.start.column));
    edits.dedup_by(|a, b| a.span == b.span);
    let lines: Vec<usize> = std::iter::once(0).chain(query.match_indices('\n').map(|(i, _)| i + 1)).collect();
    let offset = |place: Location| -> Option<usize> {
        let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
        let start = *lines.get(line)?;
        let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
        let rest = &query[start..];
        Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i))
    };
    let mut out = String::with_capacity(query.len());
    let mut at = 0;
    for Edit { span, text } in edits {
        let lost =
            || vec![Finding::error(Code::InvalidExpression, "A name in the query could not be found again.")];
        let (Some(start), Some(end)) = (offset(span.start), offset(span.end)) else { return Err(lost()) };
        if start < at || end < start || end > query.len() {
            return Err(lost());
        }
        out.push_str(&query[at..start]);
        out.push_str(&text);
        at = end;
        if out.len() > crate::sql::MAX_BYTES {
            let detail = format!("Spelt out, the query has more than {} bytes.", crate::sql::MAX_BYTES);
            return Err(vec![Finding::error(Code::TooLarge, detail)]);
        }
    }
    out.push_str(&query[at..]);
    Ok(out)
}
