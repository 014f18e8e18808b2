//! A context in few words, for whoever writes SQL and has not read it: a language model.

use std::fmt::Write as _;

use super::catalog::Catalog;
use super::model::Context;
use super::shape::shown;

/// The text has at most so many bytes; what comes after is left out, and it says so.
pub const MAX_FACTS: usize = 32 << 10;

/// What tables there are, what can be asked by name, how tables join and what words mean.
pub fn prompt_facts(context: &Context, catalog: &Catalog) -> String {
    let mut lines: Vec<String> =
        vec![format!("Context {}: {}", context.name, one_line(&context.description))];
    for dataset in &context.datasets {
        let entry = catalog.find(&dataset.dataset_id);
        let table = entry.map_or(dataset.name.as_str(), |e| e.name.as_str());
        let mut line = format!("Table \"{table}\" (also {})", dataset.sql_alias());
        said(&mut line, dataset.description.as_deref());
        lines.push(line);
        let note = |name: &str| dataset.columns.iter().find(|n| n.name.eq_ignore_ascii_case(name));
        for column in entry.into_iter().flat_map(|e| &e.columns) {
            let mut line = format!("  {} {}", column.name, column.data_type);
            if let Some(note) = note(&column.name) {
                said(&mut line, note.business_name.as_deref());
                said(&mut line, note.description.as_deref());
                if !note.valid_values.is_empty() {
                    let _ = write!(line, "; one of {}", shown(&note.valid_values.join(", ")));
                }
            }
            lines.push(line);
        }
    }
    for relationship in &context.relationships {
        let conditions: Vec<String> = relationship
            .conditions
            .iter()
            .map(|c| {
                let (left, right) = (&relationship.left_dataset, &relationship.right_dataset);
                format!("{left}.{} {} {right}.{}", c.left_column, c.operator().as_str(), c.right_column)
            })
            .collect();
        let mut line = format!("Join {}: {}", relationship.id, conditions.join(", "));
        said(&mut line, relationship.cardinality.map(|c| c.as_str()));
        said(&mut line, relationship.description.as_deref());
        lines.push(line);
    }
    for metric in &context.metrics {
        let mut line = format!("Metric {} = {}", metric.id, one_line(&metric.expression));
        said(&mut line, metric.name.as_deref());
        said(&mut line, metric.description.as_deref());
        lines.push(line);
    }
    for filter in &context.filters {
        let mut line = format!("Filter {}: {}", filter.id, one_line(&filter.condition));
        said(&mut line, filter.description.as_deref());
        lines.push(line);
    }
    for rule in context.business_rules.iter().filter(|r| r.constrains()) {
        lines.push(format!("Only rows where {}", one_line(&rule.condition)));
    }
    for term in &context.glossary {
        let mut line = format!("'{}'", one_line(&term.term));
        if !term.synonyms.is_empty() {
            let _ = write!(line, " (or {})", one_line(&term.synonyms.join(", ")));
        }
        said(&mut line, term.definition.as_deref());
        if !term.related_columns.is_empty() {
            let _ = write!(line, "; see {}", term.related_columns.join(", "));
        }
        lines.push(line);
    }
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() > MAX_FACTS {
            text.push_str("(more is left out)\n");
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn said(line: &mut String, what: Option<&str>) {
    if let Some(what) = what.filter(|w| !w.trim().is_empty()) {
        let _ = write!(line, ": {}", one_line(what));
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
