//! Whether a context can be used.

mod expressions;
pub(super) mod full;
pub(super) mod schema;
pub(super) mod semantic;

use super::catalog::Catalog;
use super::finding::{Finding, ordered};
use super::model::Context;
use super::{on_stack, read};

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The form alone: names, versions, lengths, ids.
    Schema,
    /// And what its parts mean together: relationships, expressions, circles.
    Semantic,
    /// And whether the datasets and their columns are there.
    Full,
}

impl Level {
    /// The level that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "schema" => Some(Self::Schema),
            "semantic" => Some(Self::Semantic),
            "full" => Some(Self::Full),
            _ => None,
        }
    }
}

impl Context {
    /// All that is wrong with it up to a level, warnings too, in the order of its file. The catalog is
    /// asked at the level full alone.
    pub fn validate(&self, level: Level, catalog: &Catalog) -> Vec<Finding> {
        let mut findings = Vec::new();
        schema::check(self, &mut findings);
        deeper(self, level, catalog, &mut findings);
        ordered(findings)
    }
}

/// All that is wrong with a text up to a level, warnings too, in its order. It goes on as far as what
/// could be read allows.
pub fn check(text: &str, dataset: Option<&str>, level: Level, catalog: &Catalog) -> Vec<Finding> {
    let (context, mut findings) = read::read(text, dataset);
    if let Some(context) = context {
        schema::check(&context, &mut findings);
        deeper(&context, level, catalog, &mut findings);
    }
    ordered(findings)
}

fn deeper(context: &Context, level: Level, catalog: &Catalog, findings: &mut Vec<Finding>) {
    if level >= Level::Semantic {
        semantic::check(context, findings);
    }
    if level >= Level::Full {
        full::check(context, catalog, findings);
    }
    if level >= Level::Semantic {
        let known = (level >= Level::Full).then_some(catalog);
        let told = on_stack(|| {
            let mut told = findings.clone();
            expressions::check(context, known, &mut told);
            told
        });
        match told {
            Ok(told) => *findings = told,
            Err(finding) => findings.push(finding),
        }
    }
}
