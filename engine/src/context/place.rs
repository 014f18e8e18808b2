//! Where in its file each value of a context stands.

use std::collections::BTreeMap;

use super::finding::Finding;

/// Where a value begins, and where its text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line, the first being 1.
    pub(crate) line: u64,
    /// The character in the line, the first being 1.
    pub(crate) column: u64,
    /// What is known of the text's own lines.
    pub(crate) text: Text,
}

/// How the lines of a value's text lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// As they are written, each beginning at the column; the first on this line.
    Lines { line: u64, column: u64 },
    /// Otherwise: escaped, folded, or no text.
    Unknown,
}

impl Place {
    pub(crate) fn new(line: u64, column: u64) -> Self {
        Self { line, column, text: Text::Unknown }
    }
}

/// The places of a context, by path. They are no part of what it says: two contexts that say the same
/// are equal wherever they say it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(BTreeMap<String, Place>);

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Places {
    pub(crate) fn put(&mut self, path: &str, place: Place) {
        self.0.insert(path.to_owned(), place);
    }

    /// The finding at a path, or at the nearest thing around it that stands in the file.
    pub(crate) fn put_on(&self, finding: Finding, path: &str) -> Finding {
        match self.around(path) {
            Some(place) => finding.path(path).at(place.line, place.column),
            None => finding.path(path),
        }
    }

    /// The same, at a line and a column of the text that stands there.
    pub(crate) fn put_inside(&self, finding: Finding, path: &str, line: u64, column: u64) -> Finding {
        let Some(Place { text: Text::Lines { line: first, column: left }, .. }) = self.0.get(path) else {
            return self.put_on(finding, path);
        };
        if line == 0 || column == 0 {
            return self.put_on(finding, path);
        }
        finding.path(path).at(first + line - 1, left + column - 1)
    }

    /// Where the text at a path begins, as it is.
    pub(crate) fn text_of(&self, path: &str) -> Option<(u64, u64)> {
        match self.0.get(path)?.text {
            Text::Lines { line, column } => Some((line, column)),
            Text::Unknown => None,
        }
    }

    fn around(&self, path: &str) -> Option<Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(*place);
            }
            let end = path.rfind(['.', '['])?;
            path = &path[..end];
        }
    }
}
