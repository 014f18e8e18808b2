//! Names of PostgreSQL schemas.

use std::fmt;

use crate::Projections;

/// The name of a schema, safe to put into SQL: of one that holds a checkpoint. The tables of each
/// projection that it counts are in a schema of their own beside it, `read_runs` beside `read`, so
/// that they can be exchanged by renaming, which waits for no reader.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schema(pub(crate) String);

/// A schema's name is made of lower-case letters, digits and underscores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no schema name: lower-case letters, digits and underscores, at most 40")]
pub struct InvalidName(String);

impl Schema {
    /// Checks a name.
    ///
    /// # Errors
    /// When it has other characters than lower-case letters, digits and underscores.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(fine) {
            return Err(InvalidName(name));
        }
        Ok(Self(name))
    }

    /// The schema that everyone reads.
    pub fn live() -> Self {
        Self("read".to_owned())
    }

    /// Where fresh tables are built before they go live.
    pub(crate) fn next() -> Self {
        Self::live().beside("next")
    }

    /// Where tables are that were live a moment ago.
    pub(crate) fn old() -> Self {
        Self::live().beside("old")
    }

    /// Where a fresh fold is compared with the live tables.
    pub(crate) fn check() -> Self {
        Self::live().beside("check")
    }

    /// The schema of a projection's tables.
    pub(crate) fn of(&self, projection: &str) -> Self {
        self.beside(projection)
    }

    /// This schema and those of these projections, in the order in which tables are looked for.
    pub fn path(&self, projections: &Projections) -> Vec<String> {
        let own = projections.iter().map(|p| self.of(p.name()).0);
        own.chain([self.0.clone()]).collect()
    }

    /// A schema beside this one.
    fn beside(&self, suffix: &str) -> Self {
        Self(format!("{}_{suffix}", self.0))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Schema {
    /// As it stands in SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}
