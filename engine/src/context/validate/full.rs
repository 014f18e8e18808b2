//! Whether what a context speaks of is there.

use crate::context::catalog::Catalog;
use crate::context::finding::{Code, Finding};
use crate::context::graph::Graph;
use crate::context::model::Context;
use crate::context::shape::shown;
use crate::context::world::{Found, World};

pub(super) fn check(context: &Context, catalog: &Catalog, findings: &mut Vec<Finding>) {
    let world = World::new(context, Some(catalog));
    for (i, dataset) in context.datasets.iter().enumerate() {
        if dataset.dataset_id.trim().is_empty() {
            continue;
        }
        if let Err(finding) = world.entry(i) {
            findings.push(finding);
            continue;
        }
        for (j, note) in dataset.columns.iter().enumerate().filter(|(_, n)| n.calculation.is_none()) {
            if !note.name.is_empty() && world.column(i, &note.name).is_none() {
                let detail = format!("There is no column '{}' in '{}'.", shown(&note.name), dataset.id);
                let finding = Finding::error(Code::ColumnNotFound, detail);
                let finding = finding.near(&note.name, world.columns(&[i]));
                findings.push(context.places.put_on(finding, &format!("datasets[{i}].columns[{j}].name")));
            }
        }
    }
    let graph = Graph::new(&world);
    for edge in &graph.edges {
        let of = [(edge.left, true), (edge.right, false)];
        for (i, condition) in context.relationships[edge.number].conditions.iter().enumerate() {
            for (dataset, left) in of {
                let (column, key) = if left {
                    (&condition.left_column, "left_column")
                } else {
                    (&condition.right_column, "right_column")
                };
                // A dataset that is not there has been told already.
                if column.is_empty() || world.entry(dataset).is_err() {
                    continue;
                }
                let path = format!("relationships[{}].conditions[{i}].{key}", edge.number);
                if let Err(finding) = graph.column(dataset, column, &path) {
                    findings.push(finding);
                }
            }
        }
    }
    entities(context, &world, findings);
}

/// Columns that keys and words of the glossary speak of.
fn entities(context: &Context, world: &World<'_>, findings: &mut Vec<Finding>) {
    for (i, entity) in context.data_model.iter().flat_map(|m| &m.entities).enumerate() {
        let Some(dataset) = context.dataset(&entity.name).filter(|d| world.entry(*d).is_ok()) else {
            continue;
        };
        for (j, column) in entity.primary_key.iter().enumerate() {
            if !matches!(world.column(dataset, column), Some(Found::Real(_))) {
                let detail = format!("There is no column '{}' in '{}'.", shown(column), entity.name);
                let finding = Finding::error(Code::ColumnNotFound, detail);
                let finding = finding.near(column, world.columns(&[dataset]));
                let path = format!("data_model.entities[{i}].primary_key[{j}]");
                findings.push(context.places.put_on(finding, &path));
            }
        }
    }
    for (i, term) in context.glossary.iter().enumerate() {
        for (j, related) in term.related_columns.iter().enumerate() {
            let Some((dataset, column)) = related.split_once('.') else { continue };
            let path = format!("glossary[{i}].related_columns[{j}]");
            let finding = match context.dataset(dataset) {
                Some(number) if world.entry(number).is_err() || world.column(number, column).is_some() => {
                    continue;
                }
                Some(number) => {
                    let detail = format!("There is no column '{}' in '{}'.", shown(column), shown(dataset));
                    Finding::error(Code::ColumnNotFound, detail).near(column, world.columns(&[number]))
                }
                None => {
                    let detail = format!("The context has no dataset '{}'.", shown(dataset));
                    let finding = Finding::error(Code::UnknownDatasetInRelationship, detail);
                    finding.near(dataset, context.dataset_names())
                }
            };
            findings.push(context.places.put_on(finding, &path));
        }
    }
}
