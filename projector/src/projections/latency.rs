//! Times counted by bucket, as rows keep them.

use std::{collections::BTreeMap, fmt::Write as _};

use weir_infra::latency::bucket;

/// How often answers took how long.
#[derive(Debug, Default)]
pub(super) struct Latency(BTreeMap<i16, i64>);

impl Latency {
    /// One more.
    pub(super) fn count(&mut self, elapsed_ms: f64) {
        *self.0.entry(bucket(elapsed_ms)).or_default() += 1;
    }

    /// Buckets and their counts as PostgreSQL writes arrays, for a statement that takes arrays of these: it has none
    /// of arrays of several lengths.
    pub(super) fn arrays(&self) -> (String, String) {
        let array = |values: &mut dyn Iterator<Item = i64>| {
            let mut text = "{".to_owned();
            for value in values {
                let comma = if text.len() > 1 { "," } else { "" };
                // Writing to a string cannot fail.
                let _ = write!(text, "{comma}{value}");
            }
            text + "}"
        };
        (array(&mut self.0.keys().map(|bucket| i64::from(*bucket))), array(&mut self.0.values().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn counts_become_two_arrays_of_one_order() {
        let mut latency = Latency::default();
        assert_eq!(latency.arrays(), ("{}".to_owned(), "{}".to_owned()));
        for ms in [1.0, 0.01, 1.0] {
            latency.count(ms);
        }
        assert_eq!(latency.arrays(), ("{-46,0}".to_owned(), "{1,2}".to_owned()));
    }
}
