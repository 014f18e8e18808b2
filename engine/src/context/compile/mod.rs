//! From a request for metrics by dimensions to SQL: what is asked for is looked up here, and written down in
//! `write`.

mod write;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::ast::Expr;
use write::Writer;

use super::catalog::Catalog;
use super::fanout::{self, Common, Part};
use super::finding::{Code, Finding, ordered};
use super::graph::Graph;
use super::model::Context;
use super::params::{self, Bound, Params};
use super::resolve::{Bounds, Resolved, Resolver, Trouble};
use super::shape::shown;
use super::world::World;
use super::{on_stack, sql};

/// How many metrics, dimensions or filters a request may have, of each.
pub const MAX_REQUESTED: usize = 50;

/// What is asked of a context.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Ids of metrics.
    pub metrics: Vec<String>,
    /// Columns, as in `carrier` or `flights.carrier`, or metrics that have a value for each row.
    pub dimensions: Vec<String>,
    /// Ids of filters, or conditions in SQL; all must hold. One word alone is an id.
    pub filters: Vec<String>,
    /// Values for the parameters of the filters, by name. Conditions may have parameters too; they take
    /// their type from the value.
    pub params: Params,
    /// Ids of relationships to take where there are several ways to join.
    pub via: Vec<String>,
    /// Columns of the answer to order by.
    pub order: Vec<Order>,
    /// At most so many rows.
    pub limit: Option<u64>,
}

/// A column of the answer to order by. What is missing comes last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The column's name in the answer, or the metric or dimension as it was asked for.
    pub by: String,
    /// The largest first.
    pub descending: bool,
}

/// A request as SQL.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// One query.
    pub sql: String,
    /// The datasets that it reads, each once.
    pub datasets: Vec<UsedDataset>,
    /// The columns of its answer, in order.
    pub columns: Vec<OutputColumn>,
}

/// A dataset that a query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedDataset {
    /// Its UUID.
    pub id: String,
    /// Its name, which is its table's name in the SQL.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// The metric's format, where it is a metric that has one.
    pub format: Option<String>,
}

/// Makes SQL of a request. The same request over the same context gives the same SQL.
///
/// # Errors
///
/// All that is wrong with the request, or with the parts of the context that it needs.
pub fn compile(context: &Context, request: &Request, catalog: &Catalog) -> Result<Compiled, Vec<Finding>> {
    on_stack(|| Compiler::new(context, catalog).compile(request))
        .unwrap_or_else(|e| Err(vec![e]))
        .map_err(ordered)
}

/// Something asked for, with its name in the answer.
struct Output {
    name: String,
    asked: String,
    found: Resolved,
    format: Option<String>,
}

pub(super) struct Compiler<'a> {
    context: &'a Context,
    world: World<'a>,
}

fn invalid(detail: impl Into<String>) -> Finding {
    Finding::error(Code::InvalidRequest, detail)
}

/// What is wrong with a text of the request itself: its place is in that text, which the sentence names.
fn in_request(trouble: Trouble, what: &str, text: &str) -> Finding {
    let mut finding = trouble.finding;
    finding.detail = format!("{what} '{}': {}", shown(text), finding.detail);
    finding
}

impl<'a> Compiler<'a> {
    pub(super) fn new(context: &'a Context, catalog: &'a Catalog) -> Self {
        Self { context, world: World::new(context, Some(catalog)) }
    }

    fn compile(&self, request: &Request) -> Result<Compiled, Vec<Finding>> {
        let mut findings = Vec::new();
        for (what, count) in [
            ("metrics", request.metrics.len()),
            ("dimensions", request.dimensions.len()),
            ("filters", request.filters.len()),
            ("relationships in 'via'", request.via.len()),
            ("columns to order by", request.order.len()),
        ] {
            if count > MAX_REQUESTED {
                return Err(vec![Finding::error(
                    Code::TooLarge,
                    format!("A request has at most {MAX_REQUESTED} {what}; here are {count}."),
                )]);
            }
        }
        if request.metrics.is_empty() && request.dimensions.is_empty() {
            return Err(vec![invalid("Ask for at least one metric or dimension.")]);
        }
        let mut resolver = Resolver::new(&self.world);
        let dimensions = self.dimensions(request, &mut resolver, &mut findings);
        let metrics = self.metrics(request, &mut resolver, &mut findings);
        let filters = self.filters(request, &mut resolver, &mut findings);
        let via = self.via(request, &mut findings);
        let rules = self.rules(&mut resolver, &mut findings);
        let order = order(request, &dimensions, &metrics, &mut findings);
        if !findings.is_empty() {
            return Err(findings);
        }
        let graph = Graph::new(&self.world);
        let writer = Writer {
            compiler: self,
            graph: &graph,
            dimensions: &dimensions,
            filters: &filters,
            rules: &rules,
        };
        let (mut sql, joined) = self.write(&writer, &metrics, &via).map_err(|f| vec![f])?;
        if !order.is_empty() {
            sql.push_str(&format!("\nORDER BY {}", order.join(", ")));
        }
        if let Some(limit) = request.limit {
            sql.push_str(&format!("\nLIMIT {limit}"));
        }
        if sql.len() > crate::sql::MAX_BYTES {
            let detail = format!("The request becomes SQL of more than {} bytes.", crate::sql::MAX_BYTES);
            return Err(vec![Finding::error(Code::TooLarge, detail)]);
        }
        let datasets = self.used(joined).map_err(|f| vec![f])?;
        let columns = dimensions.iter().chain(&metrics);
        let columns = columns.map(|o| OutputColumn { name: o.name.clone(), format: o.format.clone() });
        Ok(Compiled { sql, datasets, columns: columns.collect() })
    }

    fn used(&self, joined: Vec<usize>) -> Result<Vec<UsedDataset>, Finding> {
        let mut datasets: Vec<UsedDataset> = Vec::new();
        for dataset in joined {
            let entry = self.world.entry(dataset)?;
            let used = UsedDataset { id: entry.id.clone(), name: entry.name.clone(), version: entry.version };
            if !datasets.contains(&used) {
                datasets.push(used);
            }
        }
        Ok(datasets)
    }

    /// The query that counts the rows which break a rule, and what it reads.
    pub(super) fn rule(&self, number: usize) -> Result<(String, Vec<UsedDataset>), Finding> {
        let rule = &self.context.business_rules[number];
        let mut resolver = Resolver::new(&self.world);
        let scope = self.world.scope(&rule.datasets);
        let found = resolver.condition(&rule.condition, &scope, None);
        let found = found.map_err(|trouble| self.of_rule(number, trouble))?;
        let graph = Graph::new(&self.world);
        let uses: BTreeSet<usize> =
            if found.uses.is_empty() { scope.iter().copied().take(1).collect() } else { found.uses.clone() };
        let listed = scope.iter().filter(|d| uses.contains(d));
        let order: Vec<usize> =
            listed.copied().chain(uses.iter().filter(|d| !scope.contains(d)).copied()).collect();
        let named = format!("The rule '{}'", shown(&rule.id));
        let none = BTreeSet::new();
        let root = fanout::single_grain(&self.world, &graph, &order, &uses, &none, &named)?;
        let steps = graph.joins(root, &uses, &none)?;
        let part = Part { root, steps, rules: BTreeSet::new(), calls: Vec::new() };
        let writer =
            Writer { compiler: self, graph: &graph, dimensions: &[], filters: &[], rules: &BTreeMap::new() };
        let marker = part.has_strangers().then(|| writer.marker(root));
        let (mut own, mut also) = (String::new(), String::new());
        if let Some(marker) = &marker {
            let row = format!("{}.{}", sql::ident(self.world.alias(root)), sql::ident(marker));
            own = format!(" FILTER (WHERE {row})");
            also = format!("{row} AND ");
        }
        let condition = sql::text(&found.expr);
        let body = writer.body(&part, marker.as_deref())?;
        let sql = format!(
            "SELECT\n  COUNT(*){own} AS total_rows,\n  COUNT(*) FILTER (WHERE {also}({condition}) IS FALSE) AS broken_rows,\n  \
             COUNT(*) FILTER (WHERE {also}({condition}) IS NULL) AS undecided_rows\n{body}"
        );
        Ok((sql, self.used(part.joined().into_iter().collect())?))
    }

    fn of_rule(&self, number: usize, trouble: Trouble) -> Finding {
        let (line, column) = (trouble.place.line, trouble.place.column);
        let finding = in_request(trouble, "The rule", &self.context.business_rules[number].id);
        let path = format!("business_rules[{number}].condition");
        match finding.line {
            Some(_) => finding,
            None => self.context.places.put_inside(finding, &path, line, column),
        }
    }

    fn dimensions(
        &self,
        request: &Request,
        resolver: &mut Resolver<'_, 'a>,
        findings: &mut Vec<Finding>,
    ) -> Vec<Output> {
        let mut outputs: Vec<Output> = Vec::new();
        let last = |text: &str| text.rsplit('.').next().unwrap_or(text).trim().trim_matches('"').to_owned();
        let names: Vec<String> = request.dimensions.iter().map(|d| last(d)).collect();
        for (text, name) in request.dimensions.iter().zip(&names) {
            let found = match resolver.anything(text) {
                Ok(found) => found,
                Err(trouble) => {
                    findings.push(in_request(trouble, "The dimension", text));
                    continue;
                }
            };
            let column = |e: &Expr| matches!(e, Expr::CompoundIdentifier(_) | Expr::Nested(_));
            if found.is_aggregate() {
                let detail = format!("'{}' is an aggregate: ask for it as a metric.", shown(text));
                findings.push(Finding::error(Code::InvalidExpression, detail));
            } else if found.uses.is_empty() || !column(&found.expr) {
                let detail = format!("'{}' is no column and no metric of single rows.", shown(text));
                findings.push(Finding::error(Code::InvalidExpression, detail));
            }
            // The exact name of the column, and its dataset in front where others are called the same.
            let own = match &found.expr {
                Expr::CompoundIdentifier(parts) => parts.last().map(|i| i.value.replace("\"\"", "\"")),
                _ => None,
            };
            let own = own.unwrap_or_else(|| name.clone());
            let alike = |other: &&String| other.eq_ignore_ascii_case(name);
            let clash = names.iter().filter(alike).count() > 1
                || request.metrics.iter().any(|m| m.eq_ignore_ascii_case(name));
            let dataset = found.uses.first().map(|d| self.world.alias(*d)).unwrap_or_default();
            let name = if clash { format!("{dataset}_{own}") } else { own };
            outputs.push(Output { name, asked: text.clone(), found, format: None });
        }
        twice(&outputs, "dimension", findings);
        outputs
    }

    fn metrics(
        &self,
        request: &Request,
        resolver: &mut Resolver<'_, 'a>,
        findings: &mut Vec<Finding>,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        for id in &request.metrics {
            let all = &self.context.metrics;
            let exact = all.iter().position(|m| m.id == *id);
            let Some(number) = exact.or_else(|| all.iter().position(|m| m.id.eq_ignore_ascii_case(id)))
            else {
                let detail = format!("The context has no metric '{}'.", shown(id));
                let finding = Finding::error(Code::UnknownMetric, detail);
                findings.push(finding.near(id, all.iter().map(|m| m.id.as_str())));
                continue;
            };
            match resolver.metric(number) {
                Ok(found) => outputs.push(Output {
                    name: all[number].id.clone(),
                    asked: id.clone(),
                    found,
                    format: all[number].format.clone(),
                }),
                Err(finding) => findings.push(finding),
            }
        }
        twice(&outputs, "metric", findings);
        let rows = outputs.iter().filter(|o| !o.found.is_aggregate()).count();
        if rows > 0
            && rows < outputs.len()
            && let Some(output) = outputs.iter().find(|o| !o.found.is_aggregate())
        {
            let detail = format!(
                "'{}' has a value for each row, and stands beside aggregates: ask for it as a dimension.",
                output.name
            );
            findings.push(invalid(detail));
        }
        outputs
    }

    fn filters(
        &self,
        request: &Request,
        resolver: &mut Resolver<'_, 'a>,
        findings: &mut Vec<Finding>,
    ) -> Vec<Resolved> {
        let mut filters = Vec::new();
        let mut asked: BTreeSet<&str> = BTreeSet::new();
        let mut free = false;
        for text in &request.filters {
            let named = self.context.filters.iter().position(|f| f.id.eq_ignore_ascii_case(text.trim()));
            let found = match named {
                Some(number) => {
                    let filter = &self.context.filters[number];
                    asked.extend(filter.parameters.iter().map(|p| p.name.as_str()));
                    let Some(bounds) = self.bounds(number, &request.params, findings) else { continue };
                    let scope = self.world.scope(&filter.datasets);
                    let path = format!("filters[{number}].condition");
                    resolver.condition(&filter.condition, &scope, Some(&bounds)).map_err(|t| {
                        if t.finding.line.is_some() {
                            return t.finding;
                        }
                        let (line, column) = (t.place.line, t.place.column);
                        let finding = in_request(t, "The filter", &filter.id);
                        self.context.places.put_inside(finding, &path, line, column)
                    })
                }
                None => {
                    free = true;
                    let mut bounds = Bounds::new();
                    for (name, value) in &request.params {
                        if let Ok(bound) = Bound::untyped(value) {
                            bounds.insert(name.clone(), bound);
                        }
                    }
                    let scope: Vec<usize> = (0..self.context.datasets.len()).collect();
                    let single = params::is_name(text.trim());
                    resolver.condition(text, &scope, Some(&bounds)).map_err(|t| {
                        if single && t.finding.code == Code::ColumnNotFound {
                            let detail = format!("The context has no filter '{}'.", shown(text));
                            let finding = Finding::error(Code::UnknownFilter, detail);
                            return finding.near(text, self.context.filters.iter().map(|f| f.id.as_str()));
                        }
                        in_request(t, "The condition", text)
                    })
                }
            };
            match found {
                Ok(found) => filters.push(found),
                Err(finding) => findings.push(finding),
            }
        }
        for name in request.params.keys().filter(|name| !asked.contains(name.as_str())) {
            let mentioned = free && request.filters.iter().any(|f| f.contains(&format!("{{{name}}}")));
            if !mentioned {
                let detail = format!("No filter of the request has a parameter '{}'.", shown(name));
                let finding = Finding::error(Code::UnknownParameter, detail);
                findings.push(finding.near(name, asked.iter().copied()));
            }
        }
        filters
    }

    /// The values of a named filter's parameters; nothing where one is missing or wrong.
    fn bounds(&self, number: usize, given: &Params, findings: &mut Vec<Finding>) -> Option<Bounds> {
        let filter = &self.context.filters[number];
        let mut bounds = Bounds::new();
        let before = findings.len();
        for parameter in &filter.parameters {
            let wanted = parameter.data_type();
            let value = match (given.get(&parameter.name), &parameter.default) {
                (Some(value), _) => Bound::from_json(value, wanted),
                (None, Some(default)) => Bound::from_text(default, wanted),
                (None, None) => {
                    let detail =
                        format!("The filter '{}' needs a value for '{}'.", filter.id, parameter.name);
                    findings.push(Finding::error(Code::MissingParameter, detail));
                    continue;
                }
            };
            match value {
                Ok(bound) => {
                    bounds.insert(parameter.name.clone(), bound);
                }
                Err(what) => {
                    let detail = format!("The parameter '{}' of '{}': {what}", parameter.name, filter.id);
                    findings.push(Finding::error(Code::InvalidParameter, detail));
                }
            }
        }
        (findings.len() == before).then_some(bounds)
    }

    fn via(&self, request: &Request, findings: &mut Vec<Finding>) -> BTreeSet<usize> {
        let mut via = BTreeSet::new();
        for id in &request.via {
            let all = &self.context.relationships;
            match all.iter().position(|r| r.id.eq_ignore_ascii_case(id)) {
                Some(number) => {
                    via.insert(number);
                }
                None => {
                    let detail = format!("The context has no relationship '{}'.", shown(id));
                    let finding = Finding::error(Code::UnknownRelationship, detail);
                    findings.push(finding.near(id, all.iter().map(|r| r.id.as_str())));
                }
            }
        }
        via
    }

    /// The rules that leave rows out, by number. A rule about datasets that are not there is about none
    /// that a request could join.
    fn rules(
        &self,
        resolver: &mut Resolver<'_, 'a>,
        findings: &mut Vec<Finding>,
    ) -> BTreeMap<usize, Resolved> {
        let mut rules = BTreeMap::new();
        for (number, rule) in self.context.business_rules.iter().enumerate().filter(|(_, r)| r.constrains()) {
            let scope = self.world.scope(&rule.datasets);
            match resolver.condition(&rule.condition, &scope, None) {
                Ok(found) => {
                    rules.insert(number, found);
                }
                // A rule that cannot be held to must not be left out in silence.
                Err(trouble) => findings.push(self.of_rule(number, trouble)),
            }
        }
        rules
    }

    fn write(
        &self,
        writer: &Writer<'_, 'a>,
        metrics: &[Output],
        via: &BTreeSet<usize>,
    ) -> Result<(String, Vec<usize>), Finding> {
        let mut uses: BTreeSet<usize> = BTreeSet::new();
        uses.extend(writer.dimensions.iter().flat_map(|d| &d.found.uses));
        uses.extend(writer.filters.iter().flat_map(|f| &f.uses));
        let rules: Vec<(usize, BTreeSet<usize>)> =
            writer.rules.iter().map(|(number, found)| (*number, found.uses.clone())).collect();
        let common = Common { uses: &uses, via, rules: &rules };
        if metrics.iter().any(|m| m.found.is_aggregate()) {
            return writer.aggregates(metrics, &common);
        }
        writer.rows(metrics, &common)
    }
}

/// Two columns of one name cannot be told apart.
fn twice(outputs: &[Output], what: &str, findings: &mut Vec<Finding>) {
    for (i, output) in outputs.iter().enumerate() {
        if outputs[..i].iter().any(|o| o.name.eq_ignore_ascii_case(&output.name)) {
            findings.push(invalid(format!("The {what} '{}' is asked for twice.", output.name)));
        }
    }
}

/// Columns to order by, as their numbers: a name could be taken for a column of a dataset.
fn order(
    request: &Request,
    dimensions: &[Output],
    metrics: &[Output],
    findings: &mut Vec<Finding>,
) -> Vec<String> {
    let outputs: Vec<&Output> = dimensions.iter().chain(metrics).collect();
    let mut terms = Vec::new();
    for order in &request.order {
        let is =
            |o: &&Output| o.name.eq_ignore_ascii_case(&order.by) || o.asked.eq_ignore_ascii_case(&order.by);
        match outputs.iter().position(is) {
            Some(number) => {
                let direction = if order.descending { " DESC" } else { "" };
                terms.push(format!("{}{direction} NULLS LAST", number + 1));
            }
            None => {
                let detail = format!("The answer has no column '{}' to order by.", shown(&order.by));
                findings.push(invalid(detail).near(&order.by, outputs.iter().map(|o| o.name.as_str())));
            }
        }
    }
    terms
}
