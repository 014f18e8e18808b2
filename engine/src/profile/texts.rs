//! Columns of text.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, StringArrayType};

use super::Lengths;
use super::sample::Sample;
use super::tally::{Kept, Sizes, Tally};

/// Bytes of a text that are kept.
const CUT: usize = 128;

/// Texts that examples are taken from.
const SAMPLED: usize = 64;

impl Kept for Box<str> {
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

/// The beginning of a text, whole characters of it.
fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(CUT)].into()
}

/// Makes the least and the greatest text be at most and at least that one.
fn widen(ends: &mut Option<(Box<str>, Box<str>)>, text: &str) {
    match ends {
        Some((least, _)) if *text < **least => *least = text.into(),
        Some((_, most)) if *text > **most => *most = text.into(),
        Some(_) => {}
        None => *ends = Some((text.into(), text.into())),
    }
}

/// How long values are, as they come.
#[derive(Debug, Clone, Default)]
pub(super) struct Extent {
    count: u64,
    total: u64,
    least: u64,
    most: u64,
}

impl Extent {
    pub(super) fn see(&mut self, length: u64) {
        self.least = if self.count == 0 { length } else { self.least.min(length) };
        self.most = self.most.max(length);
        self.total = self.total.saturating_add(length);
        self.count += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count > 0 {
            self.least = if self.count == 0 { other.least } else { self.least.min(other.least) };
            self.most = self.most.max(other.most);
            self.total = self.total.saturating_add(other.total);
            self.count += other.count;
        }
    }

    pub(super) fn finish(&self) -> Option<Lengths> {
        let mean = self.total as f64 / self.count as f64;
        (self.count > 0).then_some(Lengths { min: self.least, max: self.most, mean })
    }
}

/// A column of text.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    pub(super) lengths: Extent,
    ends: Option<(Box<str>, Box<str>)>,
    pub(super) tally: Tally<Box<str>>,
    sample: Sample<Box<str>>,
}

impl Texts {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            lengths: Extent::default(),
            ends: None,
            tally: Tally::new(sizes),
            sample: Sample::new(SAMPLED.min(sizes.sampled)),
        }
    }

    pub(super) fn see<'a, A: StringArrayType<'a> + Array>(&mut self, array: A, hashes: &[u64]) {
        // A text that is counted already is between the ends: only new ones can move them.
        let mut ends = self.ends.take();
        self.tally.see(hashes, |row| {
            let text = cut(array.value(row));
            widen(&mut ends, &text);
            text
        });
        self.ends = ends;
        let rows = || (0..array.len()).filter(|row| !array.is_null(*row));
        let ascii = array.is_ascii();
        let mut lengths = Extent::default();
        for row in rows() {
            let text = array.value(row);
            lengths.see(if ascii { text.len() } else { text.chars().count() } as u64);
        }
        self.lengths.merge(&lengths);
        if !self.tally.is_exact() {
            let first = rows().next().map(|row| array.value(row)).unwrap_or_default();
            let (mut least, mut most) = (first, first);
            for text in rows().map(|row| array.value(row)) {
                if text < least {
                    least = text;
                } else if text > most {
                    most = text;
                }
            }
            if array.len() > array.null_count() {
                widen(&mut self.ends, &cut(least));
                widen(&mut self.ends, &cut(most));
            }
        }
        let (mut at, mut valid) = (0, rows());
        self.sample.see(array.len() - array.null_count(), |wanted| {
            let row = valid.nth(wanted - at);
            at = wanted + 1;
            row.map(|row| cut(array.value(row))).unwrap_or_default()
        });
    }

    pub(super) fn merge(&mut self, other: Self) {
        if let Some((least, most)) = &other.ends {
            widen(&mut self.ends, least);
            widen(&mut self.ends, most);
        }
        self.lengths.merge(&other.lengths);
        self.tally.merge(other.tally);
        self.sample.merge(other.sample);
    }

    pub(super) fn ends(&self) -> Option<(Box<str>, Box<str>)> {
        self.ends.clone()
    }

    pub(super) fn sampled(&self) -> &[Box<str>] {
        self.sample.items()
    }
}
