//! What is known of a workspace's data besides names and types.
//!
//! This is where profiles of datasets and business contexts come in: whatever fills [`Facts`] reaches the
//! prompt. What is taken from rows, such as a column's most frequent values, belongs into [`OfColumn::values`]
//! and [`OfColumn::range`] and nowhere else: only those are left out where rows are not shared.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt, stream};
use object_store::{ObjectStoreExt, path::Path};
use serde_json::Value;
use weir_engine::profile::{ColumnProfile, Profile};
use weir_events::DatasetId;

use super::App;
use crate::directory::Dataset;

/// Datasets whose profiles are looked at.
const PROFILED: usize = 12;
/// Profiles that are read at once.
const AT_ONCE: usize = 4;
/// A profile of more bytes, which only thousands of columns make, is not looked at.
const PROFILE_BYTES: u64 = 8 << 20;
/// Memory for what was found in profiles, in bytes.
const KEPT_BYTES: u64 = 8 << 20;
/// Values of a column that are kept.
const VALUES: usize = 12;

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
    /// Whether it tells every row from the others, as far as was seen.
    pub(super) unique: bool,
    /// The least and the greatest value.
    pub(super) range: Option<[String; 2]>,
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

/// What is known of a table's columns, by their names.
type OfColumns = HashMap<String, OfColumn>;

/// What profiles say, by where they are kept. A profile never changes. Clones share it.
pub(super) type Profiles = moka::future::Cache<String, Arc<OfColumns>>;

pub(super) fn profiles() -> Profiles {
    let weight = |key: &String, columns: &Arc<OfColumns>| {
        // Texts of profiles are cut to 128 bytes.
        let column = size_of::<OfColumn>() + (VALUES + 4) * 128;
        u32::try_from(key.len() + columns.len().saturating_mul(column)).unwrap_or(u32::MAX)
    };
    moka::future::Cache::builder().max_capacity(KEPT_BYTES).weigher(weight).build()
}

impl App {
    /// What is known of these datasets, of the first ones what their profiles say; and what contexts say.
    pub(super) async fn facts(&self, datasets: &[Dataset], contexts: Vec<Context>) -> Facts {
        let first = datasets.iter().take(PROFILED);
        let profiled = stream::iter(first.map(|dataset| async {
            let key = dataset.ready.as_ref()?.profile.as_ref()?;
            Some((dataset.id, self.profiled(key).await?))
        }));
        let profiled: Vec<_> = profiled.buffered(AT_ONCE).collect().await;
        of(datasets, &profiled.into_iter().flatten().collect(), contexts)
    }

    /// What a profile says; nothing where it cannot be read, since an answer is possible without.
    async fn profiled(&self, key: &str) -> Option<Arc<OfColumns>> {
        if let Some(known) = self.0.questions.profiles.get(key).await {
            return Some(known);
        }
        let found = self.blobs().get(&Path::parse(key).ok()?).await.ok()?;
        if found.meta.size > PROFILE_BYTES {
            return None;
        }
        let bytes = found.bytes().await.ok()?;
        let parsed = tokio::task::spawn_blocking(move || serde_json::from_slice::<Profile>(&bytes).ok());
        let profile = parsed.await.ok()??;
        let unique = |name: &String| profile.likely_keys.contains(name);
        let columns = profile.columns.iter().map(|c| (c.name.clone(), of_column(c, unique(&c.name))));
        let columns = Arc::new(columns.collect());
        self.0.questions.profiles.insert(key.to_owned(), Arc::clone(&columns)).await;
        Some(columns)
    }
}

/// What is worth telling of a profile.
fn of_column(profile: &ColumnProfile, unique: bool) -> OfColumn {
    let said = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let frequent: Vec<String> = profile.top.iter().take(VALUES).map(|top| said(&top.value)).collect();
    // Of numbers the least and the greatest say enough.
    let numbers = profile.mean.is_some();
    OfColumn {
        missing: (profile.nulls > 0).then_some(profile.nulls),
        distinct: profile.distinct,
        unique,
        range: profile.min.as_ref().zip(profile.max.as_ref()).map(|(least, most)| [said(least), said(most)]),
        values: match (numbers, unique || frequent.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => profile.examples.iter().map(said).collect(),
            (false, false) => frequent,
        },
    }
}

/// What is known of these datasets, of each column at least how many cells are missing.
pub(super) fn of(
    datasets: &[Dataset],
    profiled: &HashMap<DatasetId, Arc<OfColumns>>,
    contexts: Vec<Context>,
) -> Facts {
    let mut facts = Facts { contexts, ..Facts::default() };
    for dataset in datasets {
        let Some(ready) = &dataset.ready else { continue };
        let known = match profiled.get(&dataset.id) {
            Some(columns) => OfColumns::clone(columns),
            None => (ready.columns.iter())
                .filter_map(|column| {
                    let missing = Some(column.missing.values().sum()).filter(|missing| *missing > 0)?;
                    Some((column.name.clone(), OfColumn { missing: Some(missing), ..OfColumn::default() }))
                })
                .collect(),
        };
        facts.columns.insert(dataset.id, known);
    }
    facts
}
