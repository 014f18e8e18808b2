//! The datasets that a context may speak of.

use crate::Column;

/// A dataset as the caller may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its UUID, as text.
    pub id: String,
    /// Its unique name, which is its table's name in SQL.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its columns, in order. Only names and types matter here.
    pub columns: Vec<Column>,
}

/// The datasets that a caller may see. What is not in here does not exist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// In any order.
    pub datasets: Vec<Entry>,
}

impl Catalog {
    /// The dataset with a UUID, or else with a name; whatever the case where that is clear.
    pub fn find(&self, wanted: &str) -> Option<&Entry> {
        if let Ok(id) = uuid::Uuid::parse_str(wanted)
            && let Some(found) =
                self.datasets.iter().find(|d| uuid::Uuid::parse_str(&d.id).is_ok_and(|own| own == id))
        {
            return Some(found);
        }
        let exact = self.datasets.iter().find(|d| d.id == wanted || d.name == wanted);
        exact.or_else(|| {
            let mut alike = self.datasets.iter().filter(|d| d.name.eq_ignore_ascii_case(wanted));
            match (alike.next(), alike.next()) {
                (Some(only), None) => Some(only),
                _ => None,
            }
        })
    }

    /// The names that there are.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.datasets.iter().map(|d| d.name.as_str())
    }
}

impl Entry {
    /// A column by name; whatever the case where that is clear.
    pub(crate) fn column(&self, wanted: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == wanted).or_else(|| {
            let mut alike = self.columns.iter().filter(|c| c.name.eq_ignore_ascii_case(wanted));
            match (alike.next(), alike.next()) {
                (Some(only), None) => Some(only),
                _ => None,
            }
        })
    }
}
