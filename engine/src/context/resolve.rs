//! Names in expressions, found: columns in their datasets, metrics in what they stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Function, Ident, Value, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::tokenizer::Location;

use super::expr::{self, Refused, is_aggregate, is_sensitive, is_zero_of_none};
use super::finding::{Code, Finding};
use super::params::Bound;
use super::shape::shown;
use super::sql;
use super::world::{Found, World};

/// How many parts an expression may have once every metric in it is put in its place.
const MAX_PARTS: usize = 2_000;

/// How deep metrics may stand on metrics, or calculated columns on such.
const MAX_LEVELS: usize = 12;

/// Aggregates that an expression may have.
const MAX_CALLS: usize = 50;

/// An aggregate in an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// The call, its columns with their datasets in front.
    pub(super) function: Function,
    /// The datasets whose columns it takes.
    pub(super) uses: BTreeSet<usize>,
    /// The datasets of which it may count the rows where it takes no column.
    pub(super) scope: Vec<usize>,
    /// Whether rows that are counted twice change it.
    pub(super) sensitive: bool,
    /// Whether it is zero over no rows, and not missing.
    pub(super) zero: bool,
}

/// An expression with its names found.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// The expression, with `@0`, `@1`, ... as placeholders for its aggregates.
    pub(super) expr: Expr,
    pub(super) calls: Vec<Call>,
    /// The datasets whose columns stand outside of aggregates.
    pub(super) uses: BTreeSet<usize>,
    size: usize,
}

impl Resolved {
    /// Whether it is one value for many rows.
    pub(super) fn is_aggregate(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The expression with something put where its aggregates are.
    pub(super) fn with_calls(&self, mut replacement: impl FnMut(usize, &Call) -> Expr) -> Expr {
        let mut expr = self.expr.clone();
        let exprs: Vec<Expr> = self.calls.iter().enumerate().map(|(i, c)| replacement(i, c)).collect();
        let _ = VisitMut::visit(&mut expr, &mut PutCalls(&exprs));
        expr
    }

    /// Whether it is one aggregate and nothing else.
    pub(super) fn is_single_call(&self) -> bool {
        matches!(&self.expr, Expr::Value(v) if matches!(&v.value, Value::Placeholder(p) if p.starts_with('@')))
    }
}

struct PutCalls<'a>(&'a [Expr]);

fn call_number(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('@')?.parse().ok()
}

fn placeholder(number: usize) -> Expr {
    Expr::Value(Value::Placeholder(format!("@{number}")).into())
}

impl VisitorMut for PutCalls<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(call) = call_number(expr).and_then(|n| self.0.get(n)) {
            *expr = call.clone();
        }
        ControlFlow::Continue(())
    }
}

/// Values for the placeholders of a condition, by name.
pub(super) type Bounds = BTreeMap<String, Bound>;

/// What is told of an expression, and where in its text.
pub(super) struct Trouble {
    pub(super) finding: Finding,
    pub(super) place: Location,
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        Self { finding: Finding::error(Code::InvalidExpression, refused.detail), place: refused.place }
    }
}

/// Finds names for a context.
pub(super) struct Resolver<'w, 'a> {
    world: &'w World<'a>,
    /// Metrics that were found already, and those that could not be.
    metrics: BTreeMap<usize, Option<Resolved>>,
    /// The metrics and calculated columns that are being put in their places.
    open: Vec<String>,
}

/// What an expression may name.
#[derive(Clone, Copy)]
struct Allowed<'s> {
    scope: &'s [usize],
    metrics: bool,
    /// The metric whose expression it is: its own name is a column there.
    own: Option<usize>,
}

impl<'w, 'a> Resolver<'w, 'a> {
    pub(super) fn new(world: &'w World<'a>) -> Self {
        Self { world, metrics: BTreeMap::new(), open: Vec::new() }
    }

    /// A metric by its number. What is wrong with it is told at its place in the context.
    pub(super) fn metric(&mut self, number: usize) -> Result<Resolved, Finding> {
        match self.metrics.get(&number) {
            Some(Some(found)) => return Ok(found.clone()),
            Some(None) => {
                let id = &self.world.context.metrics[number].id;
                let detail = format!("The metric '{}' cannot be used.", shown(id));
                return Err(Finding::error(Code::InvalidExpression, detail));
            }
            None => {}
        }
        let metric = &self.world.context.metrics[number];
        let path = format!("metrics[{number}].expression");
        let scope = self.world.scope(&metric.datasets);
        self.open.push(metric.id.clone());
        let allowed = Allowed { scope: &scope, metrics: true, own: Some(number) };
        let found = self.text(&metric.expression, allowed, None);
        self.open.pop();
        let found = found.and_then(|found| self.metric_of(found, &metric.datasets));
        let found = found.map_err(|trouble| {
            if trouble.finding.line.is_some() {
                return trouble.finding;
            }
            let mut finding = trouble.finding;
            finding.detail = format!("The metric '{}': {}", shown(&metric.id), finding.detail);
            self.world.context.places.put_inside(finding, &path, trouble.place.line, trouble.place.column)
        });
        self.metrics.insert(number, found.as_ref().ok().cloned());
        found
    }

    /// Holds a metric to be one thing, and settles of what it counts rows.
    fn metric_of(&self, mut found: Resolved, datasets: &[String]) -> Result<Resolved, Trouble> {
        let trouble = |detail: String| Trouble {
            finding: Finding::error(Code::InvalidExpression, detail),
            place: Location { line: 1, column: 1 },
        };
        if found.is_aggregate() && !found.uses.is_empty() {
            let detail = "a column stands beside an aggregate: it has one value for each row, and the aggregate one for many.";
            return Err(trouble(detail.to_owned()));
        }
        let used: BTreeSet<usize> = found.calls.iter().flat_map(|c| c.uses.iter().copied()).collect();
        for call in found.calls.iter_mut().filter(|c| c.uses.is_empty() && c.scope.len() != 1) {
            if datasets.is_empty() && used.len() == 1 {
                call.scope = used.iter().copied().collect();
            } else if datasets.is_empty() || call.scope.is_empty() {
                let detail = "it counts rows and does not say of which dataset: name it under 'datasets'.";
                return Err(trouble(detail.to_owned()));
            }
        }
        Ok(found)
    }

    /// A condition over the rows of some datasets, with its parameters bound.
    pub(super) fn condition(
        &mut self,
        text: &str,
        scope: &[usize],
        bounds: Option<&Bounds>,
    ) -> Result<Resolved, Trouble> {
        let found = self.text(text, Allowed { scope, metrics: true, own: None }, bounds)?;
        if found.is_aggregate() {
            let detail = "A condition is about single rows; here is an aggregate.";
            let finding = Finding::error(Code::InvalidExpression, detail);
            return Err(Trouble { finding, place: Location { line: 1, column: 1 } });
        }
        Ok(found)
    }

    /// A column of a dataset that is worked out.
    pub(super) fn calculation(&mut self, dataset: usize, column: &str) -> Result<Resolved, Trouble> {
        let quoted = format!("\"{}\"", column.replace('"', "\"\""));
        self.text(&quoted, Allowed { scope: &[dataset], metrics: false, own: None }, None)
    }

    /// An expression over anything in the context.
    pub(super) fn anything(&mut self, text: &str) -> Result<Resolved, Trouble> {
        let scope: Vec<usize> = (0..self.world.context.datasets.len()).collect();
        self.text(text, Allowed { scope: &scope, metrics: true, own: None }, None)
    }

    fn text(
        &mut self,
        text: &str,
        allowed: Allowed<'_>,
        bounds: Option<&Bounds>,
    ) -> Result<Resolved, Trouble> {
        if self.open.len() > MAX_LEVELS {
            let detail = format!("Metrics stand on each other more than {MAX_LEVELS} deep.");
            let finding = Finding::error(Code::InvalidExpression, detail);
            return Err(Trouble { finding, place: Location { line: 1, column: 1 } });
        }
        let mut expr = expr::parse(text)?;
        let mut walk = Walk {
            resolver: self,
            allowed,
            bounds,
            calls: Vec::new(),
            uses: BTreeSet::new(),
            inside: None,
            size: 0,
            place: Location { line: 1, column: 1 },
        };
        match VisitMut::visit(&mut expr, &mut walk) {
            ControlFlow::Break(trouble) => Err(*trouble),
            ControlFlow::Continue(()) => {
                let Walk { calls, uses, size, .. } = walk;
                Ok(Resolved { expr, calls, uses, size })
            }
        }
    }
}

struct Walk<'r, 'w, 'a, 's> {
    resolver: &'r mut Resolver<'w, 'a>,
    allowed: Allowed<'s>,
    bounds: Option<&'s Bounds>,
    calls: Vec<Call>,
    uses: BTreeSet<usize>,
    /// What the aggregate that is being walked takes.
    inside: Option<BTreeSet<usize>>,
    size: usize,
    place: Location,
}

impl VisitorMut for Walk<'_, '_, '_, '_> {
    type Break = Box<Trouble>;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Trouble>> {
        if let Expr::Function(function) = expr
            && is_aggregate(function)
        {
            self.inside = Some(BTreeSet::new());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Trouble>> {
        self.size += 1;
        match self.replaced(expr) {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(trouble) => return ControlFlow::Break(Box::new(trouble)),
        }
        if self.size > MAX_PARTS || self.calls.len() > MAX_CALLS {
            let detail = format!("Spelt out it has more than {MAX_PARTS} parts or {MAX_CALLS} aggregates.",);
            let finding = Finding::error(Code::TooLarge, detail);
            return ControlFlow::Break(Box::new(Trouble { finding, place: self.place }));
        }
        ControlFlow::Continue(())
    }
}

impl Walk<'_, '_, '_, '_> {
    fn trouble(&self, finding: Finding, place: Location) -> Trouble {
        Trouble { finding, place }
    }

    fn use_of(&mut self, dataset: usize) {
        match &mut self.inside {
            Some(inside) => inside.insert(dataset),
            None => self.uses.insert(dataset),
        };
    }

    fn replaced(&mut self, expr: &Expr) -> Result<Option<Expr>, Trouble> {
        match expr {
            Expr::Identifier(ident) => self.name(ident).map(Some),
            Expr::CompoundIdentifier(parts) => self.qualified(parts).map(Some),
            Expr::Value(value) => match &value.value {
                Value::Placeholder(name) if !name.starts_with('@') => {
                    self.parameter(name.trim_start_matches('$'), value.span.start).map(Some)
                }
                Value::SingleQuotedString(text) => self.text(text),
                _ => Ok(None),
            },
            Expr::Function(function) if is_aggregate(function) => {
                let uses = self.inside.take().unwrap_or_default();
                let call = Call {
                    uses,
                    scope: self.allowed.scope.to_vec(),
                    sensitive: is_sensitive(function),
                    zero: is_zero_of_none(function),
                    function: function.clone(),
                };
                self.calls.push(call);
                Ok(Some(placeholder(self.calls.len() - 1)))
            }
            _ => Ok(None),
        }
    }

    fn parameter(&self, name: &str, place: Location) -> Result<Expr, Trouble> {
        let Some(bounds) = self.bounds else {
            let detail = format!("'{{{name}}}' is a parameter, and only filters have parameters.");
            return Err(self.trouble(Finding::error(Code::InvalidExpression, detail), place));
        };
        match bounds.get(name) {
            Some(bound) => Ok(bound.literal()),
            None => {
                let detail = format!("The parameter '{name}' is none of the filter's.");
                let finding = Finding::error(Code::MissingParameter, detail);
                let finding = finding.near(name, bounds.keys().map(String::as_str));
                Err(self.trouble(finding, place))
            }
        }
    }

    /// A text with parameters in it is still one literal, whatever their values.
    fn text(&self, text: &str) -> Result<Option<Expr>, Trouble> {
        let Some(bounds) = self.bounds.filter(|_| text.contains('{')) else { return Ok(None) };
        if let Some(bound) =
            text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).and_then(|name| bounds.get(name))
        {
            return Ok(Some(bound.literal()));
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let Some(length) = rest[open..].find('}') else { break };
            let name = &rest[open + 1..open + length];
            out.push_str(&rest[..open]);
            match bounds.get(name) {
                Some(bound) => out.push_str(&bound.text()),
                None => out.push_str(&rest[open..=open + length]),
            }
            rest = &rest[open + length + 1..];
        }
        out.push_str(rest);
        Ok(Some(Expr::Value(Value::SingleQuotedString(out).into())))
    }

    fn qualified(&mut self, parts: &[Ident]) -> Result<Expr, Trouble> {
        let place = parts.first().map(|p| p.span.start).unwrap_or(self.place);
        let [dataset, column] = parts else {
            let detail = "A column is written as 'column' or 'dataset.column'.";
            return Err(self.trouble(Finding::error(Code::ColumnNotFound, detail), place));
        };
        let world = self.resolver.world;
        let Some(number) = world.context.dataset(&dataset.value) else {
            let detail = format!("The context has no dataset '{}'.", shown(&dataset.value));
            let finding = Finding::error(Code::UnknownDatasetInRelationship, detail);
            let finding = finding.near(&dataset.value, world.context.dataset_names());
            return Err(self.trouble(finding, place));
        };
        self.column(number, &column.value, column.span.start)
    }

    fn column(&mut self, dataset: usize, column: &str, place: Location) -> Result<Expr, Trouble> {
        let world = self.resolver.world;
        if world.is_strict() {
            world.entry(dataset).map_err(|finding| self.trouble(finding, place))?;
        }
        let name = match world.column(dataset, column) {
            Some(Found::Real(name)) => name.to_owned(),
            Some(Found::Calculated(calculation)) => {
                return self.calculated(dataset, column, calculation, place);
            }
            None if !world.is_strict() => column.to_owned(),
            None => {
                let detail = format!("There is no column '{}' in '{}'.", shown(column), world.id(dataset));
                let finding = Finding::error(Code::ColumnNotFound, detail);
                return Err(self.trouble(finding.near(column, world.columns(&[dataset])), place));
            }
        };
        self.use_of(dataset);
        Ok(Expr::CompoundIdentifier(vec![sql::ident(world.alias(dataset)), sql::ident(&name)]))
    }

    fn calculated(
        &mut self,
        dataset: usize,
        column: &str,
        calculation: &str,
        place: Location,
    ) -> Result<Expr, Trouble> {
        let world = self.resolver.world;
        let name = format!("{}.{}", world.id(dataset), column.to_ascii_lowercase());
        if self.resolver.open.contains(&name) {
            let detail = format!("The column '{name}' is calculated from itself.");
            return Err(self.trouble(Finding::error(Code::CircularDependency, detail), place));
        }
        self.resolver.open.push(name);
        let allowed = Allowed { scope: &[dataset], metrics: false, own: None };
        let found = self.resolver.text(calculation, allowed, None);
        self.resolver.open.pop();
        let found = found.map_err(|mut inner| {
            inner.finding.detail =
                format!("The calculated column '{}': {}", shown(column), inner.finding.detail);
            Trouble { place, ..inner }
        })?;
        if found.is_aggregate() {
            let detail = format!("The column '{}' is calculated with an aggregate.", shown(column));
            return Err(self.trouble(Finding::error(Code::InvalidExpression, detail), place));
        }
        self.size += found.size;
        self.use_of(dataset);
        Ok(Expr::Nested(Box::new(found.expr)))
    }

    fn name(&mut self, ident: &Ident) -> Result<Expr, Trouble> {
        let (name, place) = (ident.value.as_str(), ident.span.start);
        self.place = place;
        let world = self.resolver.world;
        let having: Vec<usize> =
            self.allowed.scope.iter().copied().filter(|d| world.column(*d, name).is_some()).collect();
        match having.as_slice() {
            [only] => return self.column(*only, name, place),
            [] => {}
            [first, second, ..] => {
                let detail = format!(
                    "'{}' and '{}' both have a column '{}': put the dataset's id in front.",
                    world.id(*first),
                    world.id(*second),
                    shown(name)
                );
                return Err(self.trouble(Finding::error(Code::InvalidExpression, detail), place));
            }
        }
        let mut metrics = world.context.metrics.iter();
        let metric = metrics.position(|m| m.id.eq_ignore_ascii_case(name)).filter(|_| self.allowed.metrics);
        // Without the datasets at hand, what an aggregate takes is a column as far as one can tell.
        let guess =
            !world.is_strict() && (self.inside.is_some() || metric.is_none() || metric == self.allowed.own);
        if let Some(first) = self.allowed.scope.first().filter(|_| guess) {
            return self.column(*first, name, place);
        }
        let Some(metric) = metric else { return Err(self.not_found(name, place)) };
        let id = &world.context.metrics[metric].id;
        if self.resolver.open.contains(id) {
            let mut circle = self.resolver.open.clone();
            circle.push(id.clone());
            let detail = format!("Metrics lead in a circle: {}.", circle.join(" -> "));
            return Err(self.trouble(Finding::error(Code::CircularDependency, detail), place));
        }
        let found = self.resolver.metric(metric).map_err(|finding| self.trouble(finding, place))?;
        if found.is_aggregate() && self.inside.is_some() {
            let detail = format!("'{}' is an aggregate, and stands inside of another.", shown(name));
            return Err(self.trouble(Finding::error(Code::InvalidExpression, detail), place));
        }
        self.size += found.size;
        for dataset in &found.uses {
            self.use_of(*dataset);
        }
        let first = self.calls.len();
        self.calls.extend(found.calls.iter().cloned());
        let shifted = found.with_calls(|i, _| placeholder(first + i));
        Ok(match shifted {
            // A name or a call alone needs no parentheses.
            Expr::Value(_) | Expr::CompoundIdentifier(_) | Expr::Nested(_) => shifted,
            other => Expr::Nested(Box::new(other)),
        })
    }

    fn not_found(&self, name: &str, place: Location) -> Trouble {
        let world = self.resolver.world;
        for dataset in self.allowed.scope {
            if world.is_strict()
                && let Err(finding) = world.entry(*dataset)
            {
                return self.trouble(finding, place);
            }
        }
        let what = if self.allowed.metrics { "column or metric" } else { "column" };
        let of: Vec<&str> = self.allowed.scope.iter().take(5).map(|d| world.id(*d)).collect();
        let detail = format!("There is no {what} '{}' in {}.", shown(name), of.join(", "));
        let mut names = world.columns(self.allowed.scope);
        if self.allowed.metrics {
            names.extend(world.context.metrics.iter().map(|m| m.id.as_str()));
        }
        self.trouble(Finding::error(Code::ColumnNotFound, detail).near(name, names), place)
    }
}
