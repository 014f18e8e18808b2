//! The datasets of a context as a graph, and the shortest ways through it.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Code, Finding};
use super::model::{Cardinality, ConditionType, JoinType, Operator, Relationship};
use super::shape::shown;
use super::sql;
use super::world::{Found, World};

/// A relationship whose datasets are there.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    /// Its place among the context's relationships.
    pub(super) number: usize,
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) join: JoinType,
    /// Whether a row of the right may have many of the left.
    pub(super) many_left: bool,
    /// Whether a row of the left may have many of the right.
    pub(super) many_right: bool,
}

/// A step along an edge, from a dataset that is joined already to one that is not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) edge: usize,
    pub(super) from: usize,
    pub(super) to: usize,
    /// As seen from where one comes from: an edge walked backwards turns left into right.
    pub(super) join: JoinType,
    /// Whether a row may be there more than once afterwards.
    pub(super) multiplies: bool,
}

pub(super) struct Graph<'w, 'a> {
    world: &'w World<'a>,
    pub(super) edges: Vec<Edge>,
}

impl<'w, 'a> Graph<'w, 'a> {
    pub(super) fn new(world: &'w World<'a>) -> Self {
        let mut edges = Vec::new();
        for (number, relationship) in world.context.relationships.iter().enumerate() {
            let left = world.context.dataset(&relationship.left_dataset);
            let right = world.context.dataset(&relationship.right_dataset);
            if let (Some(left), Some(right)) = (left, right)
                && left != right
                && !relationship.conditions.is_empty()
            {
                let join = relationship.join_type.unwrap_or_else(|| world.context.default_join_type());
                let (many_left, many_right) = many(world, relationship, left, right);
                edges.push(Edge { number, left, right, join, many_left, many_right });
            }
        }
        Self { world, edges }
    }

    pub(super) fn relationship(&self, edge: usize) -> &'a Relationship {
        &self.world.context.relationships[self.edges[edge].number]
    }

    /// The condition of a join, in SQL.
    pub(super) fn on(&self, edge: usize) -> Result<String, Finding> {
        let Edge { number, left, right, .. } = self.edges[edge];
        let mut out = String::new();
        for (i, condition) in self.relationship(edge).conditions.iter().enumerate() {
            if i > 0 {
                let or = condition.condition_type == Some(ConditionType::Or);
                out.push_str(if or { " OR " } else { " AND " });
            }
            let path = |key: &str| format!("relationships[{number}].conditions[{i}].{key}");
            out.push_str(&self.column(left, &condition.left_column, &path("left_column"))?);
            let operator = match condition.operator() {
                Operator::NotEqual => "<>",
                other => other.as_str(),
            };
            out.push_str(&format!(" {operator} "));
            out.push_str(&self.column(right, &condition.right_column, &path("right_column"))?);
        }
        Ok(out)
    }

    /// A column of a join, which is a real one.
    pub(super) fn column(&self, dataset: usize, column: &str, path: &str) -> Result<String, Finding> {
        let world = self.world;
        match world.column(dataset, column) {
            Some(Found::Real(name)) => {
                Ok(format!("{}.{}", sql::ident(world.alias(dataset)), sql::ident(name)))
            }
            _ => {
                world.entry(dataset)?;
                let detail = format!("There is no column '{}' in '{}'.", shown(column), world.id(dataset));
                let finding = Finding::error(Code::ColumnNotFound, detail);
                Err(world.context.places.put_on(finding.near(column, world.columns(&[dataset])), path))
            }
        }
    }

    /// The joins that lead from a dataset to others, each by its shortest way, in the order in which they
    /// are made. Where two ways are equally short, `via` names a relationship that is on one of them.
    pub(super) fn joins(
        &self,
        root: usize,
        targets: &BTreeSet<usize>,
        via: &BTreeSet<usize>,
    ) -> Result<Vec<Step>, Finding> {
        let reached = self.search(root, via);
        let mut wanted: BTreeSet<(u64, usize)> = BTreeSet::new();
        for target in targets.iter().filter(|t| **t != root) {
            let Some(_) = reached.get(target) else { return Err(self.no_path(root, *target)) };
            if let Some(finding) = self.ambiguity(root, *target, &reached) {
                return Err(finding);
            }
            let mut at = *target;
            while at != root {
                let Some(Reached { distance, ways, .. }) = reached.get(&at) else { break };
                let Some(step) = ways.first() else { break };
                wanted.insert((*distance, at));
                at = step.from;
            }
        }
        let steps = wanted.iter().filter_map(|(_, at)| reached.get(at)?.ways.first().cloned());
        Ok(steps.collect())
    }

    /// Breadth first, as far as the context allows.
    fn search(&self, root: usize, via: &BTreeSet<usize>) -> BTreeMap<usize, Reached> {
        let mut reached: BTreeMap<usize, Reached> = BTreeMap::new();
        reached.insert(root, Reached { distance: 0, named: 0, ways: Vec::new() });
        let mut border = vec![root];
        for distance in 1..=self.world.context.max_join_depth() {
            let mut next: Vec<usize> = Vec::new();
            for from in border {
                let before = reached.get(&from).map_or(0, |r| r.named);
                for (edge, to) in self.around(from, via) {
                    let named = before + u64::from(via.contains(&self.edges[edge].number));
                    let step = self.step(edge, from, to);
                    match reached.get_mut(&to) {
                        None => {
                            reached.insert(to, Reached { distance, named, ways: vec![step] });
                            next.push(to);
                        }
                        Some(other) if other.distance < distance => {}
                        Some(other) if other.named < named => (other.named, other.ways) = (named, vec![step]),
                        // Two are enough to tell.
                        Some(other) if other.named == named && other.ways.len() < 2 => other.ways.push(step),
                        Some(_) => {}
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            border = next;
        }
        reached
    }

    /// The edges at a dataset; of several to the same other one only those that are asked for, if any is.
    fn around(&self, from: usize, via: &BTreeSet<usize>) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (i, edge) in self.edges.iter().enumerate() {
            if edge.left == from {
                found.push((i, edge.right));
            } else if edge.right == from {
                found.push((i, edge.left));
            }
        }
        let named = |i: usize| via.contains(&self.edges[i].number);
        let asked: BTreeSet<usize> = found.iter().filter(|(i, _)| named(*i)).map(|(_, to)| *to).collect();
        found.retain(|(i, to)| named(*i) || !asked.contains(to));
        found
    }

    fn step(&self, edge: usize, from: usize, to: usize) -> Step {
        let Edge { left, join, many_left, many_right, .. } = self.edges[edge];
        let forward = left == from;
        let join = match (join, forward) {
            (JoinType::Left, false) => JoinType::Right,
            (JoinType::Right, false) => JoinType::Left,
            (join, _) => join,
        };
        Step { edge, from, to, join, multiplies: if forward { many_right } else { many_left } }
    }

    fn no_path(&self, from: usize, to: usize) -> Finding {
        let depth = self.world.context.max_join_depth();
        let (from, to) = (self.world.id(from), self.world.id(to));
        Finding::error(
            Code::NoPath,
            format!("No relationships lead from '{from}' to '{to}' in {depth} steps or fewer."),
        )
    }

    fn ambiguity(&self, root: usize, target: usize, reached: &BTreeMap<usize, Reached>) -> Option<Finding> {
        let way = |other_at: Option<usize>| {
            let (mut at, mut ids) = (target, Vec::new());
            while at != root {
                let ways = &reached.get(&at)?.ways;
                let step = if other_at == Some(at) { ways.get(1)? } else { ways.first()? };
                ids.push(self.relationship(step.edge).id.clone());
                at = step.from;
            }
            ids.reverse();
            Some(ids.join(" -> "))
        };
        let mut at = target;
        while at != root {
            let ways = &reached.get(&at)?.ways;
            if ways.len() > 1 {
                let (from, to) = (self.world.id(root), self.world.id(target));
                let (one, other) = (way(None)?, way(Some(at))?);
                let detail = format!(
                    "There are two ways from '{from}' to '{to}': {one}, or {other}. Say with 'via' which relationship to take."
                );
                return Some(Finding::error(Code::AmbiguousPath, detail));
            }
            at = ways.first()?.from;
        }
        None
    }
}

struct Reached {
    distance: u64,
    /// How many of the relationships that were asked for are on the way.
    named: u64,
    /// The last steps of the shortest ways.
    ways: Vec<Step>,
}

/// Whether each side may have many rows for one of the other, left first. Where the context does not say
/// so, only a key keeps a side from it.
fn many(world: &World<'_>, relationship: &Relationship, left: usize, right: usize) -> (bool, bool) {
    match relationship.cardinality {
        Some(Cardinality::OneToOne) => (false, false),
        Some(Cardinality::OneToMany) => (false, true),
        Some(Cardinality::ManyToOne) => (true, false),
        Some(Cardinality::ManyToMany) => (true, true),
        None => {
            let conditions = &relationship.conditions;
            let all = conditions.iter().skip(1).all(|c| c.condition_type != Some(ConditionType::Or));
            let equal = || conditions.iter().filter(|c| c.operator() == Operator::Equal);
            let lefts: BTreeSet<String> = equal().map(|c| c.left_column.to_ascii_lowercase()).collect();
            let rights: BTreeSet<String> = equal().map(|c| c.right_column.to_ascii_lowercase()).collect();
            let single = |dataset: usize, columns: &BTreeSet<String>| {
                let key = world.key(dataset);
                all && !key.is_empty() && key.is_subset(columns)
            };
            (!single(left, &lefts), !single(right, &rights))
        }
    }
}
