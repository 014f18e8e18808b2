//! What the parts of a context mean together: who joins whom, what an expression may say, and that
//! nothing leads in a circle.

use std::collections::BTreeSet;

use crate::context::finding::{Code, Finding};
use crate::context::model::{Context, Relationship};
use crate::context::shape::shown;

pub(super) fn check(context: &Context, findings: &mut Vec<Finding>) {
    let mut it = Semantic { context, findings };
    it.relationships();
    it.duplicates();
    it.circles();
    it.names();
}

struct Semantic<'a> {
    context: &'a Context,
    findings: &'a mut Vec<Finding>,
}

impl Semantic<'_> {
    fn add(&mut self, finding: Finding, path: &str) {
        self.findings.push(self.context.places.put_on(finding, path));
    }

    fn unknown(&mut self, name: &str, path: &str) {
        // A key that is missing has been told already.
        if name.is_empty() || self.context.dataset(name).is_some() {
            return;
        }
        let detail = format!("The context has no dataset '{}'.", shown(name));
        let finding = Finding::error(Code::UnknownDatasetInRelationship, detail);
        let finding = finding.near(name, self.context.dataset_names());
        self.add(finding, path);
    }

    fn relationships(&mut self) {
        let context = self.context;
        for (i, r) in context.relationships.iter().enumerate() {
            self.unknown(&r.left_dataset, &format!("relationships[{i}].left_dataset"));
            self.unknown(&r.right_dataset, &format!("relationships[{i}].right_dataset"));
            if r.conditions.is_empty() {
                let detail = format!("The relationship '{}' does not say by which columns.", shown(&r.id));
                self.add(Finding::error(Code::MissingKey, detail), &format!("relationships[{i}].conditions"));
            }
        }
        if context.datasets.len() > 1 && context.relationships.is_empty() {
            let detail = "The context has several datasets and no relationships: they cannot be joined.";
            self.add(Finding::warning(Code::NoRelationships, detail), "datasets");
        }
    }

    /// Relationships that join the same columns of the same datasets, in either direction.
    fn duplicates(&mut self) {
        let context = self.context;
        let mut seen: Vec<(Joined, &str)> = Vec::new();
        for (i, r) in context.relationships.iter().enumerate() {
            let Some(joined) = joined(context, r) else { continue };
            match seen.iter().find(|(other, _)| *other == joined) {
                Some((_, first)) => {
                    let detail = format!("'{}' joins the same columns as '{}'.", shown(&r.id), shown(first));
                    self.add(
                        Finding::warning(Code::DuplicateRelationship, detail),
                        &format!("relationships[{i}]"),
                    );
                }
                None => seen.push((joined, &r.id)),
            }
        }
    }

    /// Relationships that lead from left to right back to where they began.
    fn circles(&mut self) {
        let context = self.context;
        let mut edges: Vec<(usize, usize, usize)> = Vec::new();
        let mut seen: Vec<Joined> = Vec::new();
        for (i, r) in context.relationships.iter().enumerate() {
            let (Some(left), Some(right)) =
                (context.dataset(&r.left_dataset), context.dataset(&r.right_dataset))
            else {
                continue;
            };
            if left == right {
                let detail = format!(
                    "'{}' joins '{}' with itself: list the dataset a second time, under another id.",
                    shown(&r.id),
                    shown(&r.left_dataset)
                );
                self.add(Finding::error(Code::CircularDependency, detail), &format!("relationships[{i}]"));
                continue;
            }
            let Some(joined) = joined(context, r) else { continue };
            if !seen.contains(&joined) {
                seen.push(joined);
                edges.push((left, right, i));
            }
        }
        if !context.circular_check() {
            return;
        }
        if let Some(circle) = circle(context.datasets.len(), &edges) {
            let mut ids: Vec<&str> = circle.iter().map(|(d, _)| context.datasets[*d].id.as_str()).collect();
            ids.extend(ids.first().copied());
            let detail = format!(
                "Relationships lead in a circle: {}. Turn one around, or switch off 'enable_circular_check'.",
                ids.join(" -> ")
            );
            let last = circle.last().map_or(0, |(_, edge)| *edge);
            self.add(Finding::error(Code::CircularDependency, detail), &format!("relationships[{last}]"));
        }
    }

    /// Names of datasets wherever they stand.
    fn names(&mut self) {
        let context = self.context;
        let lists = [
            ("metrics", context.metrics.iter().map(|m| &m.datasets).collect::<Vec<_>>()),
            ("business_rules", context.business_rules.iter().map(|r| &r.datasets).collect()),
            ("filters", context.filters.iter().map(|f| &f.datasets).collect()),
        ];
        for (key, list) in lists {
            for (i, names) in list.iter().enumerate() {
                for (j, name) in names.iter().enumerate() {
                    self.unknown(name, &format!("{key}[{i}].datasets[{j}]"));
                }
            }
        }
    }
}

/// What a relationship joins, the same whichever way around it is written.
type Joined = BTreeSet<(usize, String, &'static str, usize, String)>;

fn joined(context: &Context, relationship: &Relationship) -> Option<Joined> {
    let left = context.dataset(&relationship.left_dataset)?;
    let right = context.dataset(&relationship.right_dataset)?;
    let mut joined = Joined::new();
    for condition in &relationship.conditions {
        let (l, r) =
            (condition.left_column.to_ascii_lowercase(), condition.right_column.to_ascii_lowercase());
        let operator = condition.operator().as_str();
        let turned = match operator {
            ">" => "<",
            "<" => ">",
            ">=" => "<=",
            "<=" => ">=",
            same => same,
        };
        joined.insert(if left <= right {
            (left, l, operator, right, r)
        } else {
            (right, r, turned, left, l)
        });
    }
    (!joined.is_empty()).then_some(joined)
}

/// The datasets of a circle, each with the edge that leaves it. Without recursion: a context may have a
/// thousand datasets in a row.
fn circle(datasets: usize, edges: &[(usize, usize, usize)]) -> Option<Vec<(usize, usize)>> {
    let mut out: Vec<Vec<(usize, usize)>> = vec![Vec::new(); datasets];
    for (left, right, edge) in edges {
        out[*left].push((*right, *edge));
    }
    let mut done = vec![false; datasets];
    for start in 0..datasets {
        if done[start] {
            continue;
        }
        // The way to where we are: each dataset with how many of its edges have been followed.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        let mut on_way = vec![false; datasets];
        on_way[start] = true;
        while let Some((at, next)) = way.last_mut() {
            let Some((to, _)) = out[*at].get(*next).copied() else {
                (on_way[*at], done[*at]) = (false, true);
                way.pop();
                continue;
            };
            *next += 1;
            if on_way[to] {
                let begin = way.iter().position(|(d, _)| *d == to)?;
                return Some(way[begin..].iter().map(|(d, n)| (*d, out[*d][n - 1].1)).collect());
            }
            if !done[to] {
                on_way[to] = true;
                way.push((to, 0));
            }
        }
    }
    None
}
