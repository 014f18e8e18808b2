//! What the columns of a table hold, found in one pass while the table is made.
//!
//! Counts, nulls, least, greatest, mean and standard deviation are of all values. What cannot be exact
//! in bounded memory is exact while there is little of it, and else comes from sketches and samples:
//! each field of [`ColumnProfile`] says how far it may be off. Deliberately absent: anything that
//! needs a second look at the data, and keys of more than one column.
//!
//! A profiler takes about 200 KB for a column, less where there are many columns, and never more than
//! some tens of megabytes beyond that for the texts of wide tables.

mod bins;
mod cells;
mod column;
mod distinct;
mod float;
mod numbers;
mod profiler;
mod random;
mod sample;
mod tally;
#[cfg(test)]
mod tests;
mod texts;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use profiler::Profiler;

/// What a table's columns hold.
///
/// Values are written as in answers: numbers as numbers save `NaN`, `Infinity` and `-Infinity`,
/// decimals as strings, dates and timestamps in ISO 8601.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// How many rows there are.
    pub rows: u64,
    /// The share of rows, from 0 to 1, that only repeat another one; `None` where a column's values
    /// cannot be compared. As exact as [`ColumnProfile::duplicates`].
    pub duplicate_rows: Option<f64>,
    /// Columns without a missing value in which no value was found twice, by name. That is certain
    /// where [`ColumnProfile::distinct_exact`] says so, and else likely: fewer than one value in two
    /// hundred is there twice, or this would have been noticed in 99 of 100 tables.
    pub likely_keys: Vec<String>,
    /// The columns, in the table's order.
    pub columns: Vec<ColumnProfile>,
}

/// What a column holds. Lists, structs and other types that have no order only have counts, and lists
/// and binary lengths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// The column's name.
    pub name: String,
    /// Its type, as [`Column::data_type`](crate::Column::data_type).
    #[serde(rename = "type")]
    pub data_type: String,
    /// Values that are there, `NaN` among them. Exact.
    pub count: u64,
    /// Values that are missing. Exact.
    pub nulls: u64,
    /// Values that are `NaN`, which are left out of everything below but `distinct`, `duplicates` and
    /// `top`. Exact.
    pub nan: u64,
    /// Values that are infinite, which are left out of `mean`, `deviation` and `histogram`. Exact.
    pub infinite: u64,
    /// Different values. With a standard error of 0.8 % (1.6 % in tables of more than 256 columns)
    /// unless `distinct_exact`; `None` for nested types.
    pub distinct: Option<u64>,
    /// Whether `distinct` and `duplicates` are exact: always up to 2,048 different values, in tables
    /// of more than 128 columns up to fewer, but no fewer than 64.
    pub distinct_exact: bool,
    /// The share of values, from 0 to 1, that only repeat another one: 1 - distinct / count. As exact
    /// as that; 0 if no value was found twice.
    pub duplicates: Option<f64>,
    /// The least value; of texts by code points, and cut to 128 bytes. Exact.
    pub min: Option<Value>,
    /// The greatest value, likewise; a cut text is a beginning of it.
    pub max: Option<Value>,
    /// The mean of numbers, and the share of what is true among booleans. Of all values, to some
    /// twelve digits.
    #[serde(with = "float")]
    pub mean: Option<f64>,
    /// The standard deviation of the values from their mean (of the population: divided by n). Of all
    /// values, to some nine digits.
    #[serde(with = "float")]
    pub deviation: Option<f64>,
    /// Values below which a share of the values lies. Exact if `quantiles_exact`; else from a uniform
    /// sample of 8,192 values (in tables of more than 128 columns of fewer, but no fewer than 512), so
    /// that the median's rank has a standard error of 0.55 % of the values, and less towards the ends.
    pub quantiles: Vec<Quantile>,
    /// How the values spread between the least and the greatest, from what the quantiles are from: a
    /// bin's share of the values has a standard error of at most 0.55 %.
    pub histogram: Vec<Bin>,
    /// Whether quantiles and histogram are of all values.
    pub quantiles_exact: bool,
    /// The most frequent values, most frequent first, at most twenty. All and exact as long as
    /// `distinct_exact`; else those that stand out, counted in one of every eight values.
    pub top: Vec<Top>,
    /// By how much a count in `top` may be too low, besides the chance of what was counted. 0 if exact.
    pub top_error: u64,
    /// Up to five different values, a random choice that is the same for the same batches.
    pub examples: Vec<Value>,
    /// Lengths of texts in characters, of binary in bytes, of lists in elements. Exact.
    pub lengths: Option<Lengths>,
}

/// A value below which a share of the values lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// The share, from 0 to 1.
    pub share: f64,
    /// A value that is there, never one between two.
    pub value: Value,
}

/// Values of a histogram that are close to each other. All bins of a histogram are equally wide, those
/// of whole numbers and times to within one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The least value that belongs to it.
    pub from: Value,
    /// The greatest that belongs to it; between floats, the least of the next bin.
    pub to: Value,
    /// How many values it has.
    pub count: u64,
}

/// A frequent value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Top {
    /// The value; texts are cut to 128 bytes.
    pub value: Value,
    /// How often it is there.
    pub count: u64,
}

/// How long values are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
    /// The mean.
    pub mean: f64,
}
