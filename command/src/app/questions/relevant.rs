//! Which of many datasets a question is about, by its words.

use weir_engine::naming::{stem, words};

use crate::directory::Dataset;

/// Columns of each dataset that are looked at.
const COLUMNS: usize = 100;
/// Words of a question that are looked at.
const WORDS: usize = 40;
/// Shorter words are in everything.
const SHORTEST: usize = 3;

/// Words that are in every question.
const COMMON: [&str; 24] = [
    "the", "and", "for", "how", "many", "much", "what", "which", "who", "when", "where", "are", "was",
    "were", "did", "does", "with", "from", "each", "per", "all", "show", "list", "that",
];

/// The words of a question that tell datasets and columns apart.
#[derive(Debug, Clone)]
pub(super) struct Wanted(Vec<String>);

impl Wanted {
    /// Those of a text.
    pub(super) fn new(text: &str) -> Self {
        let telling = words(text).into_iter().map(|w| stem(&w));
        let telling = telling.filter(|w| w.len() >= SHORTEST && !COMMON.contains(&w.as_str()));
        Self(telling.take(WORDS).collect())
    }

    /// How much a name has to do with the question: how many of its words are in it.
    pub(super) fn of_name(&self, name: &str) -> u32 {
        let hits = self.0.iter().filter(|w| contains(name, w) || name.len() >= SHORTEST && contains(w, name));
        u32::try_from(hits.count()).unwrap_or(u32::MAX)
    }

    /// How much a dataset has to do with the question. Cheap: it is done for all of them.
    pub(super) fn of_dataset(&self, dataset: &Dataset) -> u32 {
        let columns = dataset.ready.iter().flat_map(|r| &r.columns).take(COLUMNS);
        let columns: u32 = columns.map(|c| self.of_name(&c.name).min(2)).sum();
        let described = dataset.description.as_deref().map_or(0, |d| self.of_name(d));
        self.of_name(&dataset.name)
            .saturating_mul(10)
            .saturating_add(columns.min(50) * 2)
            .saturating_add(described)
    }
}

/// Whether a text contains a word, without regard to the case of its letters where those are ASCII.
fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    !word.is_empty() && text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plurals_and_parts_of_names_count() {
        let wanted = Wanted::new("How many Flights of each airline were delayed?");
        assert_eq!(wanted.of_name("flight"), 1);
        assert_eq!(wanted.of_name("US_FLIGHTS_2013"), 1);
        assert_eq!(wanted.of_name("dep_delay"), 0);
        assert_eq!(Wanted::new("delay").of_name("dep_delay"), 1);
        assert_eq!(wanted.of_name("how many"), 0);
        assert_eq!(wanted.of_name(""), 0);
    }

    proptest! {
        #[test]
        fn any_words_and_any_name_are_compared(text in "\\PC{0,100}", name in "\\PC{0,40}") {
            prop_assert!(Wanted::new(&text).of_name(&name) <= WORDS as u32);
        }
    }
}
