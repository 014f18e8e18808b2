//! SQL of a request in which all is looked up: one query, or one for each fact that is then joined by the
//! dimensions.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName, Value,
};

use super::{Compiler, Output, invalid};
use crate::context::fanout::{self, Common, Part};
use crate::context::finding::Finding;
use crate::context::graph::{Graph, Step};
use crate::context::model::JoinType;
use crate::context::resolve::{Call, Resolved};
use crate::context::sql;

/// Writes one request down.
pub(super) struct Writer<'c, 'a> {
    pub(super) compiler: &'c Compiler<'a>,
    pub(super) graph: &'c Graph<'c, 'a>,
    pub(super) dimensions: &'c [Output],
    pub(super) filters: &'c [Resolved],
    pub(super) rules: &'c BTreeMap<usize, Resolved>,
}

impl Writer<'_, '_> {
    /// Metrics that have a value for each row, or none at all.
    pub(super) fn rows(
        &self,
        metrics: &[Output],
        common: &Common<'_>,
    ) -> Result<(String, Vec<usize>), Finding> {
        let world = &self.compiler.world;
        let outputs: Vec<&Output> = self.dimensions.iter().chain(metrics).collect();
        let mut uses = common.uses.clone();
        uses.extend(metrics.iter().flat_map(|m| &m.found.uses));
        let mut order: Vec<usize> = Vec::new();
        for dataset in outputs.iter().flat_map(|o| &o.found.uses) {
            if !order.contains(dataset) {
                order.push(*dataset);
            }
        }
        let Some(first) = order.first().copied() else {
            return Err(invalid("What is asked for is about no dataset."));
        };
        let root = match metrics.first() {
            // The different values are the same however often each is met.
            None => first,
            Some(metric) => {
                let named = format!("The metric '{}'", metric.name);
                let all: Vec<usize> = uses.iter().copied().collect();
                order.extend(all.iter().filter(|d| !order.contains(d)).copied().collect::<Vec<_>>());
                fanout::single_grain(world, self.graph, &order, &uses, common.via, &named)?
            }
        };
        let steps = self.graph.joins(root, &uses, common.via)?;
        let mut part = Part { root, steps, rules: BTreeSet::new(), calls: Vec::new() };
        part.rules = fanout::rules_of(&part.joined(), common.rules);
        let columns: Vec<String> =
            outputs.iter().map(|o| column(&sql::text(&o.found.expr), &o.name)).collect();
        let distinct = if metrics.is_empty() { " DISTINCT" } else { "" };
        let body = self.body(&part, None)?;
        let sql = format!("SELECT{distinct}\n  {}\n{body}", columns.join(",\n  "));
        Ok((sql, part.joined().into_iter().collect()))
    }

    pub(super) fn aggregates(
        &self,
        metrics: &[Output],
        common: &Common<'_>,
    ) -> Result<(String, Vec<usize>), Finding> {
        // Each aggregate once, whoever asks for it.
        let mut calls: Vec<(Call, String)> = Vec::new();
        let mut numbers: Vec<Vec<usize>> = Vec::new();
        for metric in metrics {
            let mut own = Vec::new();
            for call in &metric.found.calls {
                let known = calls.iter().position(|(c, _)| c == call);
                own.push(known.unwrap_or_else(|| {
                    calls.push((call.clone(), format!("The metric '{}'", metric.name)));
                    calls.len() - 1
                }));
            }
            numbers.push(own);
        }
        let parts = fanout::parts(&self.compiler.world, self.graph, &calls, common)?;
        let joined: BTreeSet<usize> = parts.iter().flat_map(Part::joined).collect();
        let sql = match parts.as_slice() {
            [only] => self.one_part(only, metrics, &numbers, &calls)?,
            parts => self.many_parts(parts, metrics, &numbers, &calls)?,
        };
        Ok((sql, joined.into_iter().collect()))
    }

    /// A name for the column that tells rows of the root from those that a join has added.
    pub(super) fn marker(&self, root: usize) -> String {
        let taken = self.compiler.world.columns(&[root]);
        free("is_row", |name| taken.iter().any(|t| t.eq_ignore_ascii_case(name)))
    }

    fn one_part(
        &self,
        part: &Part,
        metrics: &[Output],
        numbers: &[Vec<usize>],
        calls: &[(Call, String)],
    ) -> Result<String, Finding> {
        let marker = part.has_strangers().then(|| self.marker(part.root));
        let mut columns: Vec<String> =
            self.dimensions.iter().map(|d| column(&sql::text(&d.found.expr), &d.name)).collect();
        for (metric, own) in metrics.iter().zip(numbers) {
            let expr = metric.found.with_calls(|i, _| self.call(part, &calls[own[i]].0, marker.as_deref()));
            columns.push(column(&sql::text(&expr), &metric.name));
        }
        let body = self.body(part, marker.as_deref())?;
        Ok(format!("SELECT\n  {}\n{body}{}", columns.join(",\n  "), self.group_by()))
    }

    fn group_by(&self) -> String {
        if self.dimensions.is_empty() {
            return String::new();
        }
        let terms: Vec<String> = self.dimensions.iter().map(|d| sql::text(&d.found.expr)).collect();
        format!("\nGROUP BY {}", terms.join(", "))
    }

    /// An aggregate, over nothing but rows of the root.
    fn call(&self, part: &Part, call: &Call, marker: Option<&str>) -> Expr {
        let mut function = call.function.clone();
        if let Some(marker) = marker {
            let alias = sql::ident(self.compiler.world.alias(part.root));
            let is_row = Expr::CompoundIdentifier(vec![alias, sql::ident(marker)]);
            let filter = match function.filter.take() {
                Some(own) => Expr::BinaryOp {
                    left: Box::new(is_row),
                    op: BinaryOperator::And,
                    right: Box::new(Expr::Nested(own)),
                },
                None => is_row,
            };
            function.filter = Some(Box::new(filter));
        }
        Expr::Function(function)
    }

    /// Each part by itself, then side by side by their dimensions.
    fn many_parts(
        &self,
        parts: &[Part],
        metrics: &[Output],
        numbers: &[Vec<usize>],
        calls: &[(Call, String)],
    ) -> Result<String, Finding> {
        let world = &self.compiler.world;
        let mut taken: Vec<String> = Vec::new();
        for dataset in 0..self.compiler.context.datasets.len() {
            taken.push(world.alias(dataset).to_owned());
            taken.extend(world.entry(dataset).ok().map(|e| e.name.clone()));
        }
        let mut named = |base: &str| {
            let name = free(base, |name| taken.iter().any(|t| t.eq_ignore_ascii_case(name)));
            taken.push(name.clone());
            name
        };
        let names: Vec<String> =
            parts.iter().map(|p| named(&format!("{}_part", world.alias(p.root)))).collect();
        let groups = named("groups");

        // What each aggregate is called in its part.
        let mut fields: Vec<String> = vec![String::new(); calls.len()];
        let mut used: Vec<String> = self.dimensions.iter().map(|d| d.name.clone()).collect();
        for (metric, own) in metrics.iter().zip(numbers) {
            for (i, call) in own.iter().enumerate() {
                if fields[*call].is_empty() {
                    let base = if metric.found.is_single_call() {
                        metric.name.clone()
                    } else {
                        format!("{}_{}", metric.name, i + 1)
                    };
                    fields[*call] = free(&base, |name| used.iter().any(|u| u.eq_ignore_ascii_case(name)));
                    used.push(fields[*call].clone());
                }
            }
        }

        let mut with: Vec<String> = Vec::new();
        for (part, name) in parts.iter().zip(&names) {
            let marker = part.has_strangers().then(|| self.marker(part.root));
            let mut columns: Vec<String> =
                self.dimensions.iter().map(|d| column(&sql::text(&d.found.expr), &d.name)).collect();
            for call in &part.calls {
                let expr = self.call(part, &calls[*call].0, marker.as_deref());
                columns.push(column(&sql::text(&expr), &fields[*call]));
            }
            let body = self.body(part, marker.as_deref())?;
            let query = format!("SELECT\n  {}\n{body}{}", columns.join(",\n  "), self.group_by());
            with.push(format!("{} AS (\n{}\n)", sql::ident(name), inset(&query)));
        }
        let dims: Vec<Ident> = self.dimensions.iter().map(|d| sql::ident(&d.name)).collect();
        let listed: Vec<String> = dims.iter().map(ToString::to_string).collect();
        if !dims.is_empty() {
            let all: Vec<String> = names
                .iter()
                .map(|n| format!("SELECT {} FROM {}", listed.join(", "), sql::ident(n)))
                .collect();
            with.push(format!("{groups} AS (\n{}\n)", inset(&all.join("\nUNION\n"))));
        }

        let of_call = |call: usize| {
            let part = parts.iter().position(|p| p.calls.contains(&call)).unwrap_or(0);
            let field = Expr::CompoundIdentifier(vec![sql::ident(&names[part]), sql::ident(&fields[call])]);
            // A group that a part does not have is one of no rows there.
            if calls[call].0.zero { or_zero(field) } else { field }
        };
        let mut columns: Vec<String> = self
            .dimensions
            .iter()
            .zip(&dims)
            .map(|(d, ident)| column(&format!("{groups}.{ident}"), &d.name))
            .collect();
        for (metric, own) in metrics.iter().zip(numbers) {
            let expr = metric.found.with_calls(|i, _| of_call(own[i]));
            columns.push(column(&sql::text(&expr), &metric.name));
        }
        let mut from = String::new();
        for (i, name) in names.iter().enumerate() {
            let name = sql::ident(name);
            if dims.is_empty() {
                from.push_str(&if i == 0 { format!("FROM {name}") } else { format!("\nCROSS JOIN {name}") });
                continue;
            }
            if i == 0 {
                from.push_str(&format!("FROM {groups}"));
            }
            // In parentheses: what compares takes all that follows for its right side.
            let on: Vec<String> =
                dims.iter().map(|d| format!("({groups}.{d} IS NOT DISTINCT FROM {name}.{d})")).collect();
            from.push_str(&format!("\nLEFT JOIN {name} ON {}", on.join(" AND ")));
        }
        Ok(format!("WITH {}\nSELECT\n  {}\n{from}", with.join(", "), columns.join(",\n  ")))
    }

    /// FROM, the joins and WHERE.
    pub(super) fn body(&self, part: &Part, marker: Option<&str>) -> Result<String, Finding> {
        let world = &self.compiler.world;
        let mut out = match marker {
            None => format!("FROM {}", self.table(part.root)?),
            Some(marker) => {
                let table = sql::ident(&world.entry(part.root)?.name);
                let alias = sql::ident(world.alias(part.root));
                format!("FROM (SELECT *, TRUE AS {} FROM {table}) AS {alias}", sql::ident(marker))
            }
        };
        for Step { edge, to, join, .. } in &part.steps {
            let join = match join {
                JoinType::Inner => "JOIN",
                JoinType::Left => "LEFT JOIN",
                JoinType::Right => "RIGHT JOIN",
                JoinType::Outer => "FULL JOIN",
            };
            out.push_str(&format!("\n{join} {} ON {}", self.table(*to)?, self.graph.on(*edge)?));
        }
        let rules = part.rules.iter().filter_map(|number| self.rules.get(number));
        let conditions: Vec<String> = self.filters.iter().chain(rules).map(|c| sql::text(&c.expr)).collect();
        match conditions.as_slice() {
            [] => {}
            [only] => out.push_str(&format!("\nWHERE {only}")),
            all => {
                let all: Vec<String> = all.iter().map(|c| format!("({c})")).collect();
                out.push_str(&format!("\nWHERE {}", all.join("\n  AND ")));
            }
        }
        Ok(out)
    }

    fn table(&self, dataset: usize) -> Result<String, Finding> {
        let world = &self.compiler.world;
        let (name, alias) = (world.entry(dataset)?.name.as_str(), world.alias(dataset));
        if name == alias {
            return Ok(sql::ident(name).to_string());
        }
        Ok(format!("{} AS {}", sql::ident(name), sql::ident(alias)))
    }
}

/// A column of an answer; one that is called so anyway needs no second name.
fn column(expr: &str, name: &str) -> String {
    format!("{expr} AS {}", sql::ident(name))
}

fn or_zero(expr: Expr) -> Expr {
    let argument = |e: Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(e));
    let zero = Expr::Value(Value::Number("0".to_owned(), false).into());
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("coalesce")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument(expr), argument(zero)],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// A name that is not taken, as near to the wanted one as there is.
fn free(base: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = base.to_owned();
    let mut next = 2;
    while taken(&name) {
        name = format!("{base}_{next}");
        next += 1;
    }
    name
}

/// Text moved in by two spaces. Literals may have lines of their own, which must stay as they are: then
/// it is left where it is.
fn inset(text: &str) -> String {
    if text.contains('\'') || text.contains('"') {
        return text.to_owned();
    }
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
