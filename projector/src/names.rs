//! Names of PostgreSQL schemas.

use std::fmt;

/// The name of a schema, safe to put into SQL.
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

    /// A schema beside this one.
    pub(crate) fn beside(&self, suffix: &str) -> Self {
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
