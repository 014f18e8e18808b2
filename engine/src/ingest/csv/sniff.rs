//! Finds the field separator.

use super::tokenizer::{Scan, Stops, scan};

/// In the order of preference where two fit alike: the comma is last, since it is the one that turns
/// up inside of other files' fields, as the decimal sign and in prose.
const CANDIDATES: [u8; 4] = [b'\t', b';', b'|', b','];

/// Fields of a row that are looked at.
const FIELDS: usize = 100_000;

/// Rows that are looked at.
const ROWS: usize = 1000;

/// The separator that cuts most rows of the sample into the same number of fields, two at least; the
/// comma where none does. `whole` says that the sample is the whole file.
pub(super) fn delimiter(sample: &[u8], whole: bool) -> u8 {
    let mut best = (0.0, b',');
    for candidate in CANDIDATES {
        let score = evenness(sample, candidate, whole);
        if score > best.0 {
            best = (score, candidate);
        }
    }
    best.1
}

/// The share of rows that have the most frequent number of fields; 0 where that is one.
fn evenness(sample: &[u8], delimiter: u8, whole: bool) -> f64 {
    let stops = Stops::new(delimiter);
    let mut fields = Vec::new();
    let mut counts: Vec<(usize, usize)> = Vec::new();
    let (mut at, mut rows) = (0, 0);
    while at < sample.len() && rows < ROWS {
        let last = whole || (at == 0 && !sample.contains(&b'\n') && !sample.contains(&b'\r'));
        match scan(&sample[at..], &stops, last, FIELDS, &mut fields) {
            Scan::Record { bytes, .. } => {
                let blank = sample[at..at + bytes].iter().all(u8::is_ascii_whitespace);
                at += bytes;
                if blank {
                    continue;
                }
                rows += 1;
                match counts.iter_mut().find(|(fields_, _)| *fields_ == fields.len()) {
                    Some((_, n)) => *n += 1,
                    None => counts.push((fields.len(), 1)),
                }
            }
            Scan::More { .. } | Scan::TooMany => break,
            // Not this one, or a damaged row: go on behind its line.
            Scan::StrayQuote { at: stray } => {
                rows += 1;
                let from = at + stray;
                at = sample[from..].iter().position(|b| *b == b'\n').map_or(sample.len(), |i| from + i + 1);
            }
        }
    }
    match counts.iter().max_by_key(|(fields, n)| (*n, *fields)) {
        Some((fields, n)) if *fields > 1 => *n as f64 / rows as f64,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::delimiter;

    #[test]
    fn finds_the_separator() {
        for (sample, wanted) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n3,5;4,5\n", b';'),
            ("a\tb, c\n1\t2, 3\n", b'\t'),
            ("a|b\n1|2", b'|'),
            ("a,b\n\"x;y\",\"p;q\"\n\"x;y\",\"p;q\"\n", b','),
            ("word\nother\n", b','),
            ("a,b,c\n1,2,3\n4,5\n6,7,8\n", b','),
            ("1;2", b';'),
            ("", b','),
        ] {
            assert_eq!(char::from(delimiter(sample.as_bytes(), true)), char::from(wanted), "{sample:?}");
        }
    }
}
