//! What is asked and done, in which order: the same for the same seed, on every machine.

use std::fmt;

/// The tables, each with columns `id`, `place` and `amount`. All numbers are whole, so that no answer depends on the
/// order in which they are added up.
pub(super) const TABLES: [&str; 4] = ["sales", "stock", "visits", "staff"];
/// Patterns that there are.
pub(super) const PATTERNS: usize = 50;
/// Rows of a table.
const ROWS: u64 = 400;
/// What a pattern's literal may be.
const LITERALS: [u32; 2] = [10, 400];

/// Over a table, another one, and a literal. Each has an order, so that equal answers are equal.
const SHAPES: [&str; 13] = [
    "SELECT place, count(*) AS n FROM {t} WHERE amount > {n} GROUP BY place ORDER BY place",
    "SELECT place, sum(amount) AS total FROM {t} WHERE amount > {n} GROUP BY place ORDER BY total DESC, place",
    "SELECT count(*) AS n, avg(amount) AS mean FROM {t} WHERE amount > {n}",
    "SELECT place, min(amount) AS least, max(amount) AS most FROM {t} WHERE id > {n} GROUP BY place ORDER BY place",
    "SELECT id, amount FROM {t} WHERE amount > {n} ORDER BY amount DESC, id LIMIT 20",
    "SELECT count(DISTINCT place) AS places FROM {t} WHERE amount > {n}",
    "SELECT a.place, count(*) AS n FROM {t} a JOIN {u} b ON a.id = b.id WHERE b.amount > {n} GROUP BY a.place ORDER BY a.place",
    "SELECT id, sum(amount) OVER (ORDER BY id) AS total FROM {t} WHERE id <= {n} ORDER BY id LIMIT 50",
    "SELECT amount / 100 AS band, count(*) AS n FROM {t} WHERE id > {n} GROUP BY band ORDER BY band",
    "SELECT place, count(*) AS n FROM {t} GROUP BY place HAVING count(*) > {n} ORDER BY place",
    "SELECT upper(place) AS name, sum(id) AS ids FROM {t} WHERE amount > {n} GROUP BY name ORDER BY name",
    "SELECT id, place FROM {t} WHERE amount = (SELECT max(amount) FROM {t} WHERE id <= {n}) ORDER BY id LIMIT 20",
    "SELECT place, count(*) FILTER (WHERE amount > {n}) AS n FROM {t} GROUP BY place ORDER BY place",
];

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The process of this number is asked.
    Ask { process: usize, sql: String },
    /// A table gets a new version.
    Upload { table: usize },
    /// A second process begins to serve.
    Join,
    /// All processes start anew.
    Restart,
    /// The shared cache loses everything.
    Flush,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask { process, sql } => write!(f, "ask {process}: {sql}"),
            Self::Upload { table } => write!(f, "upload {}", TABLES[*table]),
            Self::Join => f.write_str("a second process joins"),
            Self::Restart => f.write_str("all processes start anew"),
            Self::Flush => f.write_str("the shared cache is emptied"),
        }
    }
}

/// Numbers by chance, the same for the same seed (splitmix64, so that no library can change them).
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of so many, all as likely.
    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).unwrap_or_default()
    }

    /// One of so many by Zipf's law: the second is half as likely as the first, the third a third.
    fn zipf(&mut self, count: usize) -> usize {
        let total: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
        let mut left = (self.next() >> 11) as f64 / (1_u64 << 53) as f64 * total;
        (1..count)
            .find(|rank| {
                left -= 1.0 / *rank as f64;
                left < 0.0
            })
            .map_or(count - 1, |rank| rank - 1)
    }
}

/// The whole of it: questions by Zipf's law, and new versions at even distances. After a quarter of the questions a
/// second process joins, after a half both start anew, after three quarters once more, with nothing in the shared cache.
pub(super) fn trace(seed: u64, questions: usize, uploads: usize) -> Vec<Step> {
    let mut chance = Chance::new(seed);
    let mut steps = Vec::new();
    let (mut processes, mut uploaded) = (1, 0);
    for n in 0..questions {
        if n == questions / 4 {
            steps.push(Step::Join);
            processes = 2;
        } else if n == questions / 2 {
            steps.push(Step::Restart);
        } else if n == questions * 3 / 4 {
            steps.extend([Step::Flush, Step::Restart]);
        }
        if uploaded < uploads && n >= (uploaded + 1) * questions / (uploads + 1) {
            steps.push(Step::Upload { table: chance.below(TABLES.len()) });
            uploaded += 1;
        }
        let pattern = chance.zipf(PATTERNS);
        let sql = question(pattern, LITERALS[chance.below(LITERALS.len())]);
        steps.push(Step::Ask { process: chance.below(processes), sql });
    }
    steps
}

fn question(pattern: usize, literal: u32) -> String {
    let table = pattern % TABLES.len();
    let shape = SHAPES[pattern / TABLES.len() % SHAPES.len()];
    let other = TABLES[(table + 1) % TABLES.len()];
    shape.replace("{t}", TABLES[table]).replace("{u}", other).replace("{n}", &literal.to_string())
}

/// A version of a table, as CSV.
pub(super) fn table(seed: u64, table: usize, version: u32) -> String {
    let mut chance = Chance::new(seed ^ (table as u64) << 40 ^ u64::from(version) << 48);
    let mut text = String::from("id,place,amount\n");
    for id in 0..ROWS {
        let place = ["north", "south", "east", "west", "here", "there"][chance.below(6)];
        text.push_str(&format!("{id},{place},{}\n", chance.below(1_000)));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn patterns_follow_zipf() {
        let mut chance = Chance::new(1);
        let mut counts = HashMap::<usize, u32>::new();
        for _ in 0..45_000 {
            *counts.entry(chance.zipf(PATTERNS)).or_default() += 1;
        }
        assert!(counts.keys().all(|pattern| *pattern < PATTERNS));
        // 45,000 over the 50th harmonic number, 4.5, are 10,000 for the first.
        for (rank, about) in [(0, 10_000), (1, 5_000), (9, 1_000)] {
            let found = counts[&rank];
            assert!(found.abs_diff(about) < about / 5, "{rank}: {found}");
        }
    }

    #[test]
    fn the_same_seed_is_the_same_trace() {
        assert_eq!(trace(7, 500, 5), trace(7, 500, 5));
        assert_ne!(trace(7, 500, 5), trace(8, 500, 5));
        let steps = trace(7, 500, 5);
        let uploads = steps.iter().filter(|step| matches!(step, Step::Upload { .. })).count();
        let asked = steps.iter().filter(|step| matches!(step, Step::Ask { .. })).count();
        assert_eq!((asked, uploads), (500, 5));
        assert_ne!(table(7, 0, 1), table(7, 0, 2));
    }

    #[test]
    fn there_are_fifty_patterns() {
        let all: HashSet<String> = (0..PATTERNS).map(|pattern| question(pattern, 10)).collect();
        assert_eq!(all.len(), PATTERNS);
        assert!(all.iter().all(|sql| !sql.contains('{')));
    }
}
