//! One column.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use serde_json::Value;

use super::cells::{self, Back, Kind, bare, bare_type};
use super::numbers::{Number, Numbers};
use super::tally::{Kept, Sizes, Tally};
use super::texts::{Extent, Texts};
use super::{Bin, ColumnProfile, Quantile, Top};
use crate::{answer, type_name};

/// Frequent values that are told.
const TOP: usize = 20;

/// Examples that are told.
const EXAMPLES: usize = 5;

/// What is known of a column so far.
#[derive(Debug, Clone)]
pub(super) struct Column {
    name: String,
    data_type: DataType,
    count: u64,
    nulls: u64,
    values: Values,
    /// Whether there were values that could not be looked at.
    unknown: bool,
}

#[derive(Debug, Clone)]
enum Values {
    Whole(Box<Numbers<i64>>),
    Large(Box<Numbers<i128>>),
    Float(Box<Numbers<f64>>),
    Text(Box<Texts>),
    Binary(Extent, Box<Tally<()>>),
    Opaque(Box<Tally<()>>),
    List(Extent),
    Nested,
}

impl Column {
    pub(super) fn new(field: &Field, sizes: Sizes) -> Self {
        let values = match Kind::of(field.data_type()) {
            Kind::Whole => Values::Whole(Box::new(Numbers::new(sizes))),
            Kind::Large => Values::Large(Box::new(Numbers::new(sizes))),
            Kind::Float => Values::Float(Box::new(Numbers::new(sizes))),
            Kind::Text => Values::Text(Box::new(Texts::new(sizes))),
            Kind::Binary => Values::Binary(Extent::default(), Box::new(Tally::new(sizes))),
            Kind::Opaque => Values::Opaque(Box::new(Tally::new(sizes))),
            Kind::List => Values::List(Extent::default()),
            Kind::Nested => Values::Nested,
        };
        let (name, data_type) = (field.name().clone(), field.data_type().clone());
        Self { name, data_type, count: 0, nulls: 0, values, unknown: false }
    }

    /// Sees a batch's values, and leaves their hashes behind, zero where one is missing. False if they
    /// cannot be hashed.
    pub(super) fn see(&mut self, array: &ArrayRef, hashes: &mut Vec<u64>) -> bool {
        // Dictionaries have nulls in two places, which count for one thing.
        let missing = array.logical_null_count();
        self.nulls += missing as u64;
        self.count += (array.len() - missing) as u64;
        hashes.clear();
        hashes.resize(array.len(), 0);
        if array.data_type() == &DataType::Null {
            return true;
        }
        let seen = bare(array).ok().filter(|values| *bare_type(&self.data_type) == *values.data_type());
        let seen = seen.filter(|values| create_hashes([values], &HLL_RANDOM_STATE, hashes).is_ok());
        let done = seen.is_some_and(|values| self.values.see(&values, hashes).is_some());
        self.unknown |= !done;
        done
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.nulls += other.nulls;
        self.unknown |= other.unknown;
        self.values.merge(other.values);
    }

    /// What came out, and whether the column looks like a key.
    pub(super) fn finish(&self) -> (ColumnProfile, bool) {
        let mut profile = ColumnProfile {
            name: self.name.clone(),
            data_type: type_name(&self.data_type).to_owned(),
            count: self.count,
            nulls: self.nulls,
            nan: 0,
            infinite: 0,
            distinct: None,
            distinct_exact: false,
            duplicates: None,
            min: None,
            max: None,
            mean: None,
            deviation: None,
            quantiles: Vec::new(),
            histogram: Vec::new(),
            quantiles_exact: false,
            top: Vec::new(),
            top_error: 0,
            examples: Vec::new(),
            lengths: None,
        };
        if self.unknown {
            return (profile, false);
        }
        let bare = bare_type(&self.data_type);
        match &self.values {
            Values::Whole(numbers) => self.numbers(numbers, bare, &mut profile),
            Values::Large(numbers) => self.numbers(numbers, bare, &mut profile),
            Values::Float(numbers) => self.numbers(numbers, bare, &mut profile),
            Values::Text(texts) => {
                if let Some((least, most)) = texts.ends() {
                    profile.min = shown(vec![least], bare).pop();
                    profile.max = shown(vec![most], bare).pop();
                }
                self.tally(&texts.tally, &mut profile);
                frequent(&texts.tally, bare, &mut profile);
                profile.examples = examples(texts.sampled(), bare);
                profile.lengths = texts.lengths.finish();
            }
            Values::Binary(lengths, tally) => {
                self.tally(tally, &mut profile);
                profile.lengths = lengths.finish();
            }
            Values::Opaque(tally) => self.tally(tally, &mut profile),
            Values::List(lengths) => profile.lengths = lengths.finish(),
            Values::Nested => {}
        }
        // Measurements are different from each other without telling things apart.
        let telling = !matches!(self.values, Values::Float(_)) && !matches!(bare, DataType::Boolean);
        let unique = telling && self.nulls == 0 && self.count > 1 && profile.distinct == Some(self.count);
        (profile, unique)
    }

    fn tally<T: Kept>(&self, tally: &Tally<T>, profile: &mut ColumnProfile) {
        let distinct = tally.distinct(self.count);
        profile.distinct = Some(distinct);
        profile.distinct_exact = tally.is_exact();
        profile.duplicates = (self.count > 0).then(|| 1.0 - distinct as f64 / self.count as f64);
    }

    fn numbers<T: Number>(&self, numbers: &Numbers<T>, bare: &DataType, profile: &mut ColumnProfile) {
        self.tally(&numbers.tally, profile);
        frequent(&numbers.tally, bare, profile);
        profile.examples = examples(numbers.sampled(), bare);
        profile.nan = numbers.nan;
        profile.infinite = numbers.infinite;
        let scale = match bare {
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale) => Some(10_f64.powi(-i32::from(*scale))),
            t if t.is_numeric() || matches!(t, DataType::Boolean) => Some(1.0),
            _ => None,
        };
        if let (Some(scale), Some((mean, deviation))) = (scale, numbers.moments()) {
            profile.mean = Some(mean * scale);
            profile.deviation = Some(deviation * scale);
        }
        let Some((least, most)) = numbers.ends() else { return };
        let [min, max] = <[Value; 2]>::try_from(shown(vec![least, most], bare)).unwrap_or_default();
        (profile.min, profile.max) = (Some(min), Some(max));
        if matches!(bare, DataType::Boolean) {
            return;
        }
        let (weighted, exact) = numbers.weighted();
        profile.quantiles_exact = exact;
        let (shares, values): (Vec<f64>, Vec<T>) = weighted.quantiles().into_iter().unzip();
        let quantiles = shares.into_iter().zip(shown(values, bare));
        profile.quantiles = quantiles.map(|(share, value)| Quantile { share, value }).collect();
        let finite = self.count - numbers.nan - numbers.infinite;
        let bins = weighted.histogram(least, most, finite);
        let from = shown(bins.iter().map(|bin| bin.0).collect(), bare);
        let to = shown(bins.iter().map(|bin| bin.1).collect(), bare);
        let bins = bins.iter().zip(from.into_iter().zip(to));
        profile.histogram = bins.map(|(bin, (from, to))| Bin { from, to, count: bin.2 }).collect();
    }
}

impl Values {
    fn see(&mut self, array: &ArrayRef, hashes: &[u64]) -> Option<()> {
        match self {
            Self::Whole(numbers) => numbers.see(&cells::wholes(array).ok()?, hashes),
            Self::Large(numbers) => numbers.see(&cells::larges(array), hashes),
            Self::Float(numbers) => numbers.see(&cells::floats(array).ok()?, hashes),
            Self::Text(texts) => match array.data_type() {
                DataType::Utf8View => texts.see(array.as_string_view(), hashes),
                DataType::LargeUtf8 => texts.see(array.as_string::<i64>(), hashes),
                _ => texts.see(array.as_string::<i32>(), hashes),
            },
            Self::Binary(lengths, tally) => {
                tally.see(hashes, |_| ());
                see_lengths(array, lengths)?;
            }
            Self::Opaque(tally) => tally.see(hashes, |_| ()),
            Self::List(lengths) => see_lengths(array, lengths)?,
            Self::Nested => {}
        }
        Some(())
    }

    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Whole(mine), Self::Whole(theirs)) => mine.merge(*theirs),
            (Self::Large(mine), Self::Large(theirs)) => mine.merge(*theirs),
            (Self::Float(mine), Self::Float(theirs)) => mine.merge(*theirs),
            (Self::Text(mine), Self::Text(theirs)) => mine.merge(*theirs),
            (Self::Binary(lengths, mine), Self::Binary(their_lengths, theirs)) => {
                lengths.merge(&their_lengths);
                mine.merge(*theirs);
            }
            (Self::Opaque(mine), Self::Opaque(theirs)) => mine.merge(*theirs),
            (Self::List(lengths), Self::List(theirs)) => lengths.merge(&theirs),
            // Profilers of one schema have the same columns.
            _ => {}
        }
    }
}

fn see_lengths(array: &ArrayRef, lengths: &mut Extent) -> Option<()> {
    let measured = match array.data_type() {
        DataType::BinaryView => {
            for (row, length) in array.as_binary_view().lengths().enumerate() {
                if array.is_valid(row) {
                    lengths.see(u64::from(length));
                }
            }
            return Some(());
        }
        _ => length(array).ok()?,
    };
    let measured = cells::wholes(&measured).ok()?;
    for length in measured.iter().flatten() {
        lengths.see(length.unsigned_abs());
    }
    Some(())
}

fn shown<T: Back>(values: Vec<T>, data_type: &DataType) -> Vec<Value> {
    let count = values.len();
    match T::back(values, data_type) {
        Ok(array) => answer::values(&array),
        Err(_) => vec![Value::Null; count],
    }
}

fn frequent<T: Kept + Back>(tally: &Tally<T>, bare: &DataType, profile: &mut ColumnProfile) {
    let (values, counts): (Vec<T>, Vec<u64>) = tally.frequent().into_iter().take(TOP).unzip();
    let values = shown(values, bare).into_iter().zip(counts);
    profile.top = values.map(|(value, count)| Top { value, count }).collect();
    profile.top_error = tally.error();
}

/// The first few of a sample that differ.
fn examples<T: Kept + Back>(sample: &[T], bare: &DataType) -> Vec<Value> {
    let mut chosen: Vec<T> = Vec::with_capacity(EXAMPLES);
    for value in sample {
        if chosen.len() == EXAMPLES {
            break;
        }
        if chosen.iter().all(|other| other.order(value).is_ne()) {
            chosen.push(value.clone());
        }
    }
    shown(chosen, bare)
}
