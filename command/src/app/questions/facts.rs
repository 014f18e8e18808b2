//! What is known of a workspace's data besides names and types.
//!
//! This is where profiles of datasets and business contexts come in: whatever fills [`Facts`] reaches the
//! prompt. What is taken from rows, such as a column's most frequent values, belongs into
//! [`OfColumn::values`] and nowhere else: only that is left out where rows are not shared.

use std::collections::HashMap;

use weir_events::DatasetId;

use crate::directory::Dataset;

/// What is known besides schemas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// By dataset and column.
    pub(super) columns: HashMap<DatasetId, HashMap<String, OfColumn>>,
    /// Metrics and glossary, one text for each context.
    pub(super) contexts: Vec<Context>,
}

/// What is known of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OfColumn {
    /// How many rows have no value.
    pub(super) missing: Option<u64>,
    /// How many different values there are, about.
    pub(super) distinct: Option<u64>,
    /// Some of the values.
    pub(super) values: Vec<String>,
}

/// What a context says about the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// Its name.
    pub(super) name: String,
    /// Its metrics and its glossary, for people.
    pub(super) text: String,
}

/// What is known of these datasets, of each column how many cells are missing; and what contexts say.
pub(super) fn of(datasets: &[Dataset], contexts: Vec<Context>) -> Facts {
    let mut facts = Facts { contexts, ..Facts::default() };
    for dataset in datasets {
        let Some(ready) = &dataset.ready else { continue };
        let missing = |column: &weir_events::dataset::Column| match column.missing.values().sum::<u64>() {
            0 => None,
            missing => Some(missing),
        };
        let known = ready.columns.iter().filter_map(|column| {
            let missing = Some(missing(column)?);
            Some((column.name.clone(), OfColumn { missing, ..OfColumn::default() }))
        });
        facts.columns.insert(dataset.id, known.collect());
    }
    facts
}
