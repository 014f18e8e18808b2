//! Whether metrics, rules and filters say something.

use crate::context::catalog::Catalog;
use crate::context::fanout::{Common, parts};
use crate::context::finding::{Code, Finding};
use crate::context::graph::Graph;
use crate::context::model::{Context, ParameterType};
use crate::context::params::Bound;
use crate::context::resolve::{Bounds, Resolver, Trouble};
use crate::context::shape::shown;
use crate::context::world::World;

/// Reads every expression; against the columns of the datasets where there is a catalog.
pub(super) fn check(context: &Context, catalog: Option<&Catalog>, findings: &mut Vec<Finding>) {
    let world = World::new(context, catalog);
    let graph = Graph::new(&world);
    let mut resolver = Resolver::new(&world);
    let mut told: Vec<Finding> = Vec::new();
    for (number, metric) in context.metrics.iter().enumerate() {
        if metric.expression.is_empty() {
            continue;
        }
        match resolver.metric(number) {
            // Without the datasets a column may be anywhere, and then so may what it is about.
            Ok(_) if !world.is_strict() => {}
            Ok(found) => {
                // Whether it can be worked out at all, over nothing but its own datasets.
                let named = format!("The metric '{}'", shown(&metric.id));
                let calls: Vec<_> = found.calls.iter().map(|c| (c.clone(), named.clone())).collect();
                let none = std::collections::BTreeSet::new();
                let common = Common { uses: &none, via: &none, rules: &[] };
                match parts(&world, &graph, &calls, &common) {
                    Ok(_) => {}
                    // A request may say which way it means.
                    Err(finding) if finding.code == Code::AmbiguousPath => {}
                    Err(finding) => {
                        let path = format!("metrics[{number}].expression");
                        told.push(context.places.put_on(finding, &path));
                    }
                }
            }
            Err(finding) => told.push(finding),
        }
    }
    for (number, rule) in context.business_rules.iter().enumerate() {
        if !rule.condition.trim().is_empty() {
            let scope = world.scope(&rule.datasets);
            let found = resolver.condition(&rule.condition, &scope, None).err();
            let path = format!("business_rules[{number}].condition");
            told.extend(found.map(|t| placed(context, t, &path, &format!("The rule '{}'", shown(&rule.id)))));
        }
    }
    for (number, filter) in context.filters.iter().enumerate() {
        if filter.condition.is_empty() {
            continue;
        }
        // Any value will do to see whether the rest makes sense.
        let bound = |wanted| match wanted {
            ParameterType::Date => Bound::from_text("2000-01-01", wanted),
            _ => Bound::from_text("1", wanted),
        };
        let bounds: Bounds = filter
            .parameters
            .iter()
            .filter_map(|p| Some((p.name.clone(), bound(p.data_type()).ok()?)))
            .collect();
        let scope = world.scope(&filter.datasets);
        let found = resolver.condition(&filter.condition, &scope, Some(&bounds)).err();
        let path = format!("filters[{number}].condition");
        told.extend(found.map(|t| placed(context, t, &path, &format!("The filter '{}'", shown(&filter.id)))));
    }
    calculations(context, &world, &mut resolver, &mut told);
    // A dataset that is not there is told once, where it is named.
    told.retain(|f| !(f.code == Code::DatasetNotFound && findings.iter().any(|other| other.code == f.code)));
    findings.extend(told);
}

fn placed(context: &Context, trouble: Trouble, path: &str, named: &str) -> Finding {
    let Trouble { mut finding, place } = trouble;
    if finding.line.is_some() {
        return finding;
    }
    finding.detail = format!("{named}: {}", finding.detail);
    context.places.put_inside(finding, path, place.line, place.column)
}

fn calculations(
    context: &Context,
    world: &World<'_>,
    resolver: &mut Resolver<'_, '_>,
    told: &mut Vec<Finding>,
) {
    for (i, dataset) in context.datasets.iter().enumerate() {
        for (j, note) in dataset.columns.iter().enumerate().filter(|(_, n)| n.calculation.is_some()) {
            // Where the dataset has the column, the calculation says in words how it came to be.
            if !matches!(world.column(i, &note.name), Some(crate::context::world::Found::Calculated(_))) {
                continue;
            }
            let path = format!("datasets[{i}].columns[{j}].calculation");
            if let Err(trouble) = resolver.calculation(i, &note.name) {
                told.push(placed(context, trouble, &path, "The calculation"));
            }
        }
    }
}
