//! Which aggregates can be worked out together, and over which joins, so that no row counts twice.
//!
//! Every aggregate has a dataset whose rows it is about, its root. From there on a join may only look
//! things up: at most one row of the other side for each. A join that would repeat rows of the root is
//! refused, unless the aggregate does not change by it. Aggregates about different roots are worked out
//! apart, each over its own joins, and are put side by side afterwards.

use std::collections::BTreeSet;

use super::finding::{Code, Finding};
use super::graph::{Graph, Step};
use super::model::JoinType;
use super::resolve::Call;
use super::world::World;

/// Aggregates over the same joins.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Whose rows are counted.
    pub(super) root: usize,
    pub(super) steps: Vec<Step>,
    /// The conditions of the context's own rules that hold for it, by number.
    pub(super) rules: BTreeSet<usize>,
    /// The aggregates, as numbers into all of the request.
    pub(super) calls: Vec<usize>,
}

/// What every part of a request has to join.
pub(super) struct Common<'s> {
    /// The datasets of its dimensions and filters.
    pub(super) uses: &'s BTreeSet<usize>,
    pub(super) via: &'s BTreeSet<usize>,
    /// For each rule that leaves rows out, its number and the datasets that it is about.
    pub(super) rules: &'s [(usize, BTreeSet<usize>)],
}

impl Part {
    /// Whether a join adds rows in which there is none of the root.
    pub(super) fn has_strangers(&self) -> bool {
        self.steps.iter().any(|s| matches!(s.join, JoinType::Right | JoinType::Outer))
    }

    pub(super) fn joined(&self) -> BTreeSet<usize> {
        self.steps.iter().map(|s| s.to).chain([self.root]).collect()
    }
}

/// The rules that are about nothing but what is joined.
pub(super) fn rules_of(joined: &BTreeSet<usize>, rules: &[(usize, BTreeSet<usize>)]) -> BTreeSet<usize> {
    rules.iter().filter(|(_, uses)| uses.is_subset(joined)).map(|(number, _)| *number).collect()
}

/// Puts aggregates into as few parts as possible.
pub(super) fn parts(
    world: &World<'_>,
    graph: &Graph<'_, '_>,
    calls: &[(Call, String)],
    common: &Common<'_>,
) -> Result<Vec<Part>, Finding> {
    let mut parts: Vec<Part> = Vec::new();
    for (number, (call, named)) in calls.iter().enumerate() {
        let root = root(world, graph, call, common.via, named)?;
        let mut targets: BTreeSet<usize> = call.uses.union(common.uses).copied().collect();
        targets.insert(root);
        let steps = graph.joins(root, &targets, common.via)?;
        if let Some(step) = steps.iter().find(|s| s.multiplies)
            && call.sensitive
        {
            return Err(fan_out(world, graph, step, root, named));
        }
        let mut part = Part { root, steps, rules: BTreeSet::new(), calls: vec![number] };
        part.rules = rules_of(&part.joined(), common.rules);
        match parts.iter_mut().find_map(|other| merged(other, &part, graph, common).map(|m| (other, m))) {
            Some((other, merged)) => *other = merged,
            None => parts.push(part),
        }
    }
    Ok(parts)
}

/// Two parts as one, where the joins of each make no difference to the rows of the other.
fn merged(one: &Part, other: &Part, graph: &Graph<'_, '_>, common: &Common<'_>) -> Option<Part> {
    if one.root != other.root {
        return None;
    }
    let (joined, joined_too) = (one.joined(), other.joined());
    let all: BTreeSet<usize> = joined.union(&joined_too).copied().collect();
    let steps = graph.joins(one.root, &all, common.via).ok()?;
    let harmless = |s: &Step| s.join == JoinType::Left && !s.multiplies;
    let extra = |own: &BTreeSet<usize>| steps.iter().filter(|s| !own.contains(&s.to)).all(harmless);
    let rules = rules_of(&all, common.rules);
    let strangers = |part: &Part| part.has_strangers();
    // Where a join brings in rows of its own, what comes before or after it is not the same.
    let same = joined == joined_too || !strangers(one) && !strangers(other);
    if !same || !extra(&joined) || !extra(&joined_too) || rules != one.rules || rules != other.rules {
        return None;
    }
    let calls = one.calls.iter().chain(&other.calls).copied().collect();
    Some(Part { root: one.root, steps, rules, calls })
}

/// The dataset whose rows an aggregate is about: one from which all the others that it takes columns of
/// can be looked up.
fn root(
    world: &World<'_>,
    graph: &Graph<'_, '_>,
    call: &Call,
    via: &BTreeSet<usize>,
    named: &str,
) -> Result<usize, Finding> {
    let uses: BTreeSet<usize> =
        if call.uses.is_empty() { call.scope.iter().copied().collect() } else { call.uses.clone() };
    // Those that the metric names come first, in its order.
    let listed = call.scope.iter().filter(|d| uses.contains(d));
    let mut order: Vec<usize> = listed.copied().collect();
    order.extend(uses.iter().filter(|d| !call.scope.contains(d)));
    single_grain(world, graph, &order, &uses, via, named)
}

/// The first of some datasets from which all others can be looked up.
pub(super) fn single_grain(
    world: &World<'_>,
    graph: &Graph<'_, '_>,
    order: &[usize],
    uses: &BTreeSet<usize>,
    via: &BTreeSet<usize>,
    named: &str,
) -> Result<usize, Finding> {
    if let [only] = order {
        return Ok(*only);
    }
    let mut trouble = None;
    for root in order {
        match graph.joins(*root, uses, via) {
            Ok(steps) => match steps.iter().find(|s| s.multiplies) {
                None => return Ok(*root),
                Some(step) => trouble.get_or_insert(fan_out(world, graph, step, *root, named)),
            },
            Err(finding) => trouble.get_or_insert(finding),
        };
    }
    Err(trouble
        .unwrap_or_else(|| Finding::error(Code::InvalidExpression, format!("{named} is about no dataset."))))
}

pub(super) fn fan_out(
    world: &World<'_>,
    graph: &Graph<'_, '_>,
    step: &Step,
    root: usize,
    named: &str,
) -> Finding {
    let relationship = graph.relationship(step.edge);
    let (from, to) = (world.id(step.from), world.id(step.to));
    let undeclared = if relationship.cardinality.is_none() {
        " It does not say its cardinality, and no primary key tells it."
    } else {
        ""
    };
    let detail = format!(
        "{named} is about the rows of '{}', and the relationship '{}' multiplies them: a row of '{from}' may \
         have many of '{to}', so that it would count many times.{undeclared}",
        world.id(root),
        relationship.id,
    );
    Finding::error(Code::FanOut, detail)
}
