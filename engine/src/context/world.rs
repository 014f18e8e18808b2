//! A context together with the datasets that it names.

use std::collections::BTreeSet;

use super::catalog::{Catalog, Entry};
use super::finding::{Code, Finding};
use super::model::{ColumnNote, Context, Dataset};
use super::shape::shown;

/// What names are looked up in. Without a catalog any column may be there.
pub(super) struct World<'a> {
    pub(super) context: &'a Context,
    catalog: Option<&'a Catalog>,
    entries: Vec<Option<&'a Entry>>,
}

/// A column that was found.
pub(super) enum Found<'a> {
    /// One of the dataset, by its exact name.
    Real(&'a str),
    /// One that the context says how to work out.
    Calculated(&'a str),
}

impl<'a> World<'a> {
    pub(super) fn new(context: &'a Context, catalog: Option<&'a Catalog>) -> Self {
        let find = |d: &Dataset| catalog.and_then(|c| c.find(&d.dataset_id));
        Self { context, catalog, entries: context.datasets.iter().map(find).collect() }
    }

    /// Whether columns are looked up in real datasets.
    pub(super) fn is_strict(&self) -> bool {
        self.catalog.is_some()
    }

    pub(super) fn alias(&self, dataset: usize) -> &'a str {
        self.context.datasets[dataset].sql_alias()
    }

    pub(super) fn id(&self, dataset: usize) -> &'a str {
        &self.context.datasets[dataset].id
    }

    /// The dataset behind one of the context's.
    pub(super) fn entry(&self, dataset: usize) -> Result<&'a Entry, Finding> {
        self.entries[dataset].ok_or_else(|| self.not_found(dataset))
    }

    pub(super) fn not_found(&self, dataset: usize) -> Finding {
        let wanted = &self.context.datasets[dataset].dataset_id;
        let finding = Finding::error(
            Code::DatasetNotFound,
            format!("There is no dataset '{}' that could be '{}'.", shown(wanted), self.id(dataset)),
        );
        let names: Vec<&str> = self.catalog.into_iter().flat_map(Catalog::names).collect();
        let finding =
            if uuid::Uuid::parse_str(wanted).is_ok() { finding } else { finding.near(wanted, names) };
        self.context.places.put_on(finding, &format!("datasets[{dataset}].dataset_id"))
    }

    fn note(&self, dataset: usize, column: &str) -> Option<&'a ColumnNote> {
        let notes = &self.context.datasets[dataset].columns;
        notes
            .iter()
            .find(|n| n.name == column)
            .or_else(|| notes.iter().find(|n| n.name.eq_ignore_ascii_case(column)))
    }

    /// A column of a dataset; nothing where it has none of that name.
    pub(super) fn column(&self, dataset: usize, column: &str) -> Option<Found<'a>> {
        if let Some(real) = self.entries[dataset].and_then(|e| e.column(column)) {
            return Some(Found::Real(&real.name));
        }
        let note = self.note(dataset, column)?;
        if let Some(calculation) = &note.calculation {
            return Some(Found::Calculated(calculation));
        }
        (!self.is_strict()).then_some(Found::Real(&note.name))
    }

    /// The names that columns of these datasets have.
    pub(super) fn columns(&self, datasets: &[usize]) -> Vec<&'a str> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for dataset in datasets {
            names.extend(
                self.entries[*dataset].iter().flat_map(|e| e.columns.iter().map(|c| c.name.as_str())),
            );
            let notes = self.context.datasets[*dataset].columns.iter();
            names.extend(
                notes.filter(|n| n.calculation.is_some() || !self.is_strict()).map(|n| n.name.as_str()),
            );
        }
        names.into_iter().collect()
    }

    /// The datasets of a list of names; none means all. Names of no dataset are left out: they are told
    /// where the context is validated.
    pub(super) fn scope(&self, names: &[String]) -> Vec<usize> {
        if names.is_empty() {
            return (0..self.context.datasets.len()).collect();
        }
        let mut scope: Vec<usize> = Vec::new();
        for dataset in names.iter().filter_map(|name| self.context.dataset(name)) {
            if !scope.contains(&dataset) {
                scope.push(dataset);
            }
        }
        scope
    }

    /// The columns that tell the rows of a dataset apart, as far as the context says so; in small
    /// letters.
    pub(super) fn key(&self, dataset: usize) -> BTreeSet<String> {
        let of = &self.context.datasets[dataset];
        let marked = of.columns.iter().filter(|c| c.primary_key == Some(true));
        let marked: BTreeSet<String> = marked.map(|c| c.name.to_ascii_lowercase()).collect();
        if !marked.is_empty() {
            return marked;
        }
        let entities = self.context.data_model.iter().flat_map(|m| &m.entities);
        let mut own = entities.filter(|e| self.context.dataset(&e.name) == Some(dataset));
        own.next().map(|e| e.primary_key.iter().map(|c| c.to_ascii_lowercase()).collect()).unwrap_or_default()
    }
}
