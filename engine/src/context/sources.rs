//! What a query reads from, and whether its joins repeat rows.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinConstraint,
    JoinOperator, Select, TableAlias, TableFactor,
};

use super::catalog::{Catalog, Entry};
use super::expand::Edit;
use super::finding::{Code, Finding};
use super::graph::Graph;
use super::model::{ConditionType, Operator};
use super::resolve::Call;
use super::sql;
use super::world::World;

/// A table in FROM, or something else that gives rows.
struct Source<'a> {
    /// What the query calls it.
    name: Option<Ident>,
    entry: Option<&'a Entry>,
    dataset: Option<usize>,
    /// Whether rows may be there in which it has no part.
    missing: bool,
    /// Whether it only decides which rows of others there are.
    silent: bool,
}

/// A column of one source that equals one of another, in small letters.
struct Equal {
    one: (usize, String),
    other: (usize, String),
}

/// What a SELECT reads from.
pub(super) struct Sources<'w, 'a> {
    world: &'w World<'a>,
    items: Vec<Source<'a>>,
    equal: Vec<Equal>,
}

impl<'w, 'a> Sources<'w, 'a> {
    /// Reads FROM. Tables that go by a name of the context get their own in the query.
    pub(super) fn new(
        world: &'w World<'a>,
        catalog: &'a Catalog,
        select: &Select,
        own_names: &BTreeSet<String>,
        edits: &mut Vec<Edit>,
    ) -> Self {
        let mut it = Self { world, items: Vec::new(), equal: Vec::new() };
        for from in &select.from {
            let first = it.items.len();
            it.add(&from.relation, catalog, own_names, edits);
            for join in &from.joins {
                let new = it.items.len();
                it.add(&join.relation, catalog, own_names, edits);
                it.join(&join.join_operator, first, new);
            }
        }
        if let Some(condition) = &select.selection {
            let last = it.items.len();
            it.conjuncts(condition, None, last);
        }
        it
    }

    fn add(
        &mut self,
        factor: &TableFactor,
        catalog: &'a Catalog,
        own_names: &BTreeSet<String>,
        edits: &mut Vec<Edit>,
    ) {
        let mut source = Source { name: None, entry: None, dataset: None, missing: false, silent: false };
        let own = |alias: &Option<TableAlias>| alias.as_ref().map(|a| a.name.clone());
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                source.name = own(alias);
                if let [part] = name.0.as_slice()
                    && let Some(ident) = part.as_ident()
                {
                    let renamed = alias.as_ref().is_some_and(|a| !a.columns.is_empty());
                    let is_own = own_names.contains(&ident.value.to_ascii_lowercase());
                    if !is_own && !renamed {
                        self.table(&mut source, ident, catalog, edits);
                    }
                    source.name = source.name.or_else(|| Some(ident.clone()));
                }
            }
            TableFactor::Derived { alias, .. } => source.name = own(alias),
            _ => {}
        }
        self.items.push(source);
    }

    fn table(&self, source: &mut Source<'a>, ident: &Ident, catalog: &'a Catalog, edits: &mut Vec<Edit>) {
        let context = self.world.context;
        let real = catalog.datasets.iter().find(|d| d.name == ident.value);
        let real =
            real.or_else(|| catalog.datasets.iter().find(|d| d.name.eq_ignore_ascii_case(&ident.value)));
        let is = |d: usize, e: &Entry| self.world.entry(d).is_ok_and(|own| std::ptr::eq(own, e));
        let named = context.dataset(&ident.value).filter(|d| self.world.entry(*d).is_ok());
        // What the context calls so is meant, whatever other dataset came to bear that name since.
        let real = real.filter(|entry| named.is_none_or(|d| is(d, entry)));
        if let Some(entry) = real {
            source.entry = Some(entry);
            // Of two that are the same one, that which bears the name.
            source.dataset = named.or_else(|| (0..context.datasets.len()).find(|d| is(*d, entry)));
            return;
        }
        let Some(dataset) = named else { return };
        let Ok(entry) = self.world.entry(dataset) else { return };
        (source.entry, source.dataset) = (Some(entry), Some(dataset));
        let table = sql::ident(&entry.name);
        let text = if source.name.is_some() { table.to_string() } else { format!("{table} AS {ident}") };
        edits.push(Edit { span: ident.span, text });
    }

    /// Takes in how the source `new` is joined to those before it, from `first` on.
    fn join(&mut self, operator: &JoinOperator, first: usize, new: usize) {
        let (constraint, before, after) = match operator {
            JoinOperator::Join(c) | JoinOperator::Inner(c) | JoinOperator::CrossJoin(c) => {
                (Some(c), false, false)
            }
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (Some(c), false, true),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (Some(c), true, false),
            JoinOperator::FullOuter(c) => (Some(c), true, true),
            JoinOperator::Semi(c)
            | JoinOperator::LeftSemi(c)
            | JoinOperator::Anti(c)
            | JoinOperator::LeftAnti(c) => {
                self.items[new].silent = true;
                (Some(c), false, false)
            }
            // Nothing is known of what these leave.
            _ => (None, true, true),
        };
        for item in &mut self.items[first..new] {
            item.missing |= before;
        }
        self.items[new].missing |= after;
        match constraint {
            Some(JoinConstraint::On(condition)) => {
                // What an outer join asks for holds only for the table that it brings in.
                let only = (before || after).then_some(new);
                self.conjuncts(condition, only, new + 1);
            }
            Some(JoinConstraint::Using(names)) => {
                for name in names.iter().filter_map(|n| n.0.last()?.as_ident()) {
                    let name = name.value.to_ascii_lowercase();
                    let having: Vec<usize> = (first..new).filter(|i| self.has(*i, &name)).collect();
                    if let [only] = having.as_slice() {
                        self.equal.push(Equal { one: (*only, name.clone()), other: (new, name) });
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes in the equalities that must hold.
    fn conjuncts(&mut self, condition: &Expr, only: Option<usize>, last: usize) {
        let mut open = vec![condition];
        while let Some(expr) = open.pop() {
            match expr {
                Expr::Nested(inner) => open.push(inner),
                Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                    open.push(left);
                    open.push(right);
                }
                Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                    if let (Some(one), Some(other)) = (self.column(left, last), self.column(right, last))
                        && one.0 != other.0
                        && only.is_none_or(|o| one.0 == o || other.0 == o)
                    {
                        self.equal.push(Equal { one, other });
                    }
                }
                _ => {}
            }
        }
    }

    fn column(&self, expr: &Expr, last: usize) -> Option<(usize, String)> {
        match expr {
            Expr::Nested(inner) => self.column(inner, last),
            Expr::Identifier(ident) => {
                let name = ident.value.to_ascii_lowercase();
                // Whatever else might have it, nobody knows.
                if self.items.iter().take(last).any(|i| i.entry.is_none()) {
                    return None;
                }
                let having: Vec<usize> =
                    (0..last.min(self.items.len())).filter(|i| self.has(*i, &name)).collect();
                if let [only] = having.as_slice() { Some((*only, name)) } else { None }
            }
            Expr::CompoundIdentifier(parts) => {
                let [table, column] = parts.as_slice() else { return None };
                let named = |i: &Source<'_>| {
                    i.name.as_ref().is_some_and(|n| n.value.eq_ignore_ascii_case(&table.value))
                };
                let item = self.items.iter().take(last).position(named)?;
                Some((item, column.value.to_ascii_lowercase()))
            }
            _ => None,
        }
    }

    fn has(&self, item: usize, column: &str) -> bool {
        self.items[item].entry.is_some_and(|e| e.columns.iter().any(|c| c.name.eq_ignore_ascii_case(column)))
    }

    /// Whether a table here has a real column of that name.
    pub(super) fn has_column(&self, column: &str) -> bool {
        (0..self.items.len()).any(|i| self.has(i, column))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether nothing here is a dataset of the context.
    pub(super) fn is_all_opaque(&self) -> bool {
        self.items.iter().all(|i| i.dataset.is_none())
    }

    /// What the query calls a dataset.
    pub(super) fn qualifier(&self, dataset: usize) -> Option<Ident> {
        self.items.iter().find(|i| i.dataset == Some(dataset))?.name.as_ref().map(|name| {
            // As it was written; quotes inside of quotes are escaped again by what prints it.
            Ident { value: name.value.replace('"', "\"\""), ..name.clone() }
        })
    }

    /// The one place in FROM where a dataset is.
    pub(super) fn only(&self, dataset: usize, named: &str) -> Result<usize, Finding> {
        let own: Vec<usize> =
            (0..self.items.len()).filter(|i| self.items[*i].dataset == Some(dataset)).collect();
        let id = self.world.id(dataset);
        match own.as_slice() {
            [only] => Ok(*only),
            [] => Err(Finding::error(
                Code::InvalidExpression,
                format!("{named} is about '{id}', which is not in FROM."),
            )),
            _ => Err(Finding::error(
                Code::InvalidExpression,
                format!("{named} is about '{id}', which is in FROM more than once."),
            )),
        }
    }

    /// Whether an aggregate comes out right over these joins.
    pub(super) fn guard(&self, call: &Call, named: &str) -> Result<(), Finding> {
        let uses: BTreeSet<usize> =
            if call.uses.is_empty() { call.scope.iter().copied().collect() } else { call.uses.clone() };
        let listed = call.scope.iter().filter(|d| uses.contains(d));
        let order: Vec<usize> =
            listed.chain(uses.iter().filter(|d| !call.scope.contains(d))).copied().collect();
        let mut trouble = None;
        for root in order {
            let result = self.only(root, named).and_then(|item| self.rooted(item, root, call, named));
            match result {
                Ok(()) => return Ok(()),
                Err(finding) => trouble.get_or_insert(finding),
            };
        }
        Err(trouble.unwrap_or_else(|| {
            Finding::error(Code::InvalidExpression, format!("{named} is about no dataset."))
        }))
    }

    fn rooted(&self, item: usize, root: usize, call: &Call, named: &str) -> Result<(), Finding> {
        if call.sensitive
            && let Some(other) = self.multiplied(item)
        {
            let rows = self.world.id(root);
            let name =
                self.items[other].name.as_ref().map_or("a subquery".to_owned(), |n| format!("'{}'", n.value));
            let by = match self.items[other].dataset.and_then(|d| self.relationship(root, d)) {
                Some(id) => format!("the relationship '{id}' multiplies them"),
                None => "nothing says that they stay single".to_owned(),
            };
            let detail = format!(
                "{named} is about the rows of '{rows}', and the query joins {name}: {by}, so that a row would count many times."
            );
            return Err(Finding::error(Code::FanOut, detail));
        }
        if self.items[item].missing && !passes_over_missing(&call.function, call) {
            let detail = format!(
                "{named} is about the rows of '{}', and an outer join adds rows without any, which would count too.",
                self.world.id(root)
            );
            return Err(Finding::error(Code::FanOut, detail));
        }
        Ok(())
    }

    /// A source that may have many rows for one of the root.
    fn multiplied(&self, root: usize) -> Option<usize> {
        let mut reached: BTreeSet<usize> = BTreeSet::from([root]);
        reached.extend((0..self.items.len()).filter(|i| self.items[*i].silent));
        loop {
            let waiting = (0..self.items.len()).filter(|i| !reached.contains(i));
            let next: Vec<usize> = waiting.filter(|i| self.is_single(*i, &reached)).collect();
            if next.is_empty() {
                break;
            }
            reached.extend(next);
        }
        (0..self.items.len()).find(|i| !reached.contains(i))
    }

    /// Whether a source has at most one row for each of those that are reached already.
    fn is_single(&self, item: usize, reached: &BTreeSet<usize>) -> bool {
        let Some(dataset) = self.items[item].dataset else { return false };
        // Its own columns that equal one of a reached source, each with that.
        let mut pairs: Vec<(&str, usize, &str)> = Vec::new();
        for Equal { one, other } in &self.equal {
            for (own, theirs) in [(one, other), (other, one)] {
                if own.0 == item && reached.contains(&theirs.0) && !self.items[theirs.0].silent {
                    pairs.push((&own.1, theirs.0, &theirs.1));
                }
            }
        }
        let key = self.world.key(dataset);
        if !key.is_empty() && key.iter().all(|column| pairs.iter().any(|(own, _, _)| own == column)) {
            return true;
        }
        let graph = Graph::new(self.world);
        graph.edges.iter().enumerate().any(|(number, edge)| {
            let forward = edge.right == dataset;
            if !forward && edge.left != dataset || if forward { edge.many_right } else { edge.many_left } {
                return false;
            }
            let other = if forward { edge.left } else { edge.right };
            let conditions = &graph.relationship(number).conditions;
            let plain = conditions.iter().skip(1).all(|c| c.condition_type != Some(ConditionType::Or));
            plain
                && reached.iter().filter(|r| self.items[**r].dataset == Some(other)).any(|r| {
                    conditions.iter().all(|c| {
                        let (theirs, own) = if forward {
                            (&c.left_column, &c.right_column)
                        } else {
                            (&c.right_column, &c.left_column)
                        };
                        c.operator() == Operator::Equal
                            && pairs.iter().any(|(o, at, t)| {
                                at == r && o.eq_ignore_ascii_case(own) && t.eq_ignore_ascii_case(theirs)
                            })
                    })
                })
        })
    }

    fn relationship(&self, one: usize, other: usize) -> Option<&'a str> {
        let graph = Graph::new(self.world);
        let of =
            |e: &super::graph::Edge| (e.left, e.right) == (one, other) || (e.left, e.right) == (other, one);
        let number = graph.edges.iter().position(of)?;
        Some(&graph.relationship(number).id)
    }
}

/// Whether an aggregate takes nothing from rows in which its dataset has no part: of a column alone, all
/// that pass over missing values do.
fn passes_over_missing(function: &Function, call: &Call) -> bool {
    if function.filter.is_some() || call.uses.len() != 1 {
        return false;
    }
    let known = [
        "count",
        "sum",
        "avg",
        "mean",
        "min",
        "max",
        "median",
        "stddev",
        "stddev_pop",
        "var_pop",
        "var_samp",
    ];
    let FunctionArguments::List(list) = &function.args else { return false };
    known.contains(&super::expr::function_name(function).as_str())
        && matches!(
            list.args.as_slice(),
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(_)))]
        )
}
