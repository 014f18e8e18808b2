//! Types that a person asks for, and the values that do not fit them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cells::{Type, excerpt};
use super::text::Stop;
use super::{ReadOptions, Rejection};

/// Values of one column that are shown.
const SHOWN: usize = 100;

/// What does not fit the types asked for. Nothing was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfits {
    /// All rows of the file.
    pub rows: u64,
    /// The columns that were asked for, in the file's order, also those in which all fits.
    pub columns: Vec<Misfit>,
}

/// What does not fit in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// The column's name.
    pub column: String,
    /// The type that was asked for.
    #[serde(rename = "type")]
    pub data_type: String,
    /// How many values do not fit it.
    pub count: u64,
    /// The first 100 of them.
    pub first: Vec<Unfit>,
}

/// A value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    /// Its line in the file, 1 being the first; the row's number where a file has no lines.
    pub row: u64,
    /// What is there, shortened.
    pub found: String,
}

/// The types asked for, by the number of the column.
pub(super) struct Wanted {
    types: Vec<Option<Type>>,
    misfits: Vec<Option<Misfit>>,
    allowed: bool,
}

impl Wanted {
    /// That all types asked for exist.
    pub(super) fn check(options: &ReadOptions) -> Result<(), Rejection> {
        for (column, name) in &options.types {
            if Type::named(name).is_none() {
                return Err(Rejection::new(
                    "invalid_option",
                    "A type is one of int, float, bool, date, timestamp, timestamptz and text.",
                )
                .column(excerpt(column.as_bytes()))
                .found(excerpt(name.as_bytes())));
            }
        }
        Ok(())
    }

    /// What is asked of these columns.
    ///
    /// # Errors
    ///
    /// When a column is asked for that the file does not have.
    pub(super) fn new(options: &ReadOptions, names: &[String]) -> Result<Self, Rejection> {
        if let Some(stranger) = options.types.keys().find(|column| !names.contains(column)) {
            let hint = crate::near::hint(stranger, names.iter().map(String::as_str));
            let column = excerpt(stranger.as_bytes());
            let detail = format!("The file has no column '{column}', for which a type was given.{hint}");
            return Err(Rejection::new("unknown_column", detail).column(column));
        }
        let wanted = |name: &String| options.types.get(name);
        Ok(Self {
            types: names.iter().map(|name| wanted(name).and_then(|t| Type::named(t))).collect(),
            misfits: names
                .iter()
                .map(|name| {
                    wanted(name).map(|data_type| Misfit {
                        column: name.clone(),
                        data_type: data_type.clone(),
                        count: 0,
                        first: Vec::new(),
                    })
                })
                .collect(),
            allowed: options.allow_unfit,
        })
    }

    /// By column: the type asked for.
    pub(super) fn types(&self) -> &[Option<Type>] {
        &self.types
    }

    /// Takes down that a value does not fit, and stops where that is not allowed.
    pub(super) fn unfit(&mut self, column: usize, row: u64, found: &[u8]) -> Result<(), Stop> {
        let Some(Some(misfit)) = self.misfits.get_mut(column) else {
            return Err(Stop::Failed(format!(
                "line {row}, column {} changed while the file was read",
                column + 1
            )));
        };
        if !self.allowed {
            let detail = format!(
                "The value in column '{}' does not fit the type {} that was asked for.",
                misfit.column, misfit.data_type
            );
            return Err(Rejection::new("type_mismatch", detail)
                .at(row)
                .column(misfit.column.clone())
                .found(excerpt(found))
                .into());
        }
        misfit.count += 1;
        if misfit.first.len() < SHOWN {
            misfit.first.push(Unfit { row, found: excerpt(found) });
        }
        Ok(())
    }

    /// How many values of a column did not fit.
    pub(super) fn count(&self, column: usize) -> u64 {
        self.misfits.get(column).and_then(Option::as_ref).map_or(0, |m| m.count)
    }

    /// All that was taken down, in the columns' order.
    pub(super) fn into_misfits(self) -> Vec<Misfit> {
        self.misfits.into_iter().flatten().collect()
    }
}

/// Markers and how often each was met, as a column says it.
pub(super) fn add(missing: &mut BTreeMap<String, u64>, marker: &str, count: u64) {
    if count > 0 {
        *missing.entry(marker.to_owned()).or_default() += count;
    }
}
