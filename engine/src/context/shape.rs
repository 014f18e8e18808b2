//! How the parts of a context are read from a tree and written into one.
//!
//! Each kind of part is declared once, with its keys: from that come the type, its reading with all its
//! findings, and its writing. So a key can be neither forgotten in one of them nor spelt differently.

use super::finding::{Code, Finding};
use super::place::Places;
use super::yaml::{Entry, Kind, Node};

/// What is found while a tree is read.
pub(crate) struct Reader<'a> {
    pub(crate) findings: &'a mut Vec<Finding>,
    pub(crate) places: &'a mut Places,
}

/// What is written: as YAML or as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    /// A text of any kind.
    Text(String),
    /// A word or a number of the format's own that needs no quotes.
    Bare(String),
    List(Vec<Tree>),
    Map(Vec<(&'static str, Tree)>),
}

/// Something that stands at a key.
pub(crate) trait Shape: Sized {
    /// Reads it; where it is something else, that is a finding and nothing is read.
    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self>;
    /// Writes it; nothing where there is nothing to say.
    fn write(&self) -> Option<Tree>;
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Reader<'_> {
    /// Too many are not kept; what comes later in the file is told once these are mended.
    pub(crate) fn add(&mut self, finding: Finding) {
        if self.findings.len() < 2 * super::finding::MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    pub(crate) fn wrong(&mut self, node: &Node, path: &str, wanted: &str) {
        let key = path.rsplit('.').next().unwrap_or(path);
        let detail = format!("'{key}' must be {wanted}; here it is {}.", node.what());
        self.add(
            Finding::error(Code::InvalidValue, detail).path(path).at(node.place.line, node.place.column),
        );
    }

    pub(crate) fn unknown(&mut self, entry: &Entry, path: &str, keys: &[&str]) {
        let here = if path.is_empty() { "a context".to_owned() } else { format!("'{path}'") };
        let detail = format!("'{}' is no key of {here}.", shown(&entry.key));
        let finding = Finding::error(Code::UnknownKey, detail).near(&entry.key, keys.iter().copied());
        self.add(finding.path(join(path, &shown(&entry.key))).at(entry.place.line, entry.place.column));
    }

    pub(crate) fn missing(&mut self, node: &Node, path: &str, key: &str, code: Code) {
        let here = if path.is_empty() { "The context".to_owned() } else { format!("'{path}'") };
        let finding = Finding::error(code, format!("{here} needs '{key}'."));
        self.add(finding.path(join(path, key)).at(node.place.line, node.place.column));
    }
}

/// A text from outside, cut to what fits into a sentence.
pub(crate) fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
    if text.chars().nth(80).is_some() { format!("{line}...") } else { line }
}

impl Shape for String {
    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Text { value, .. } => Some(value.clone()),
            Kind::Missing => None,
            Kind::List(_) | Kind::Map(_) => {
                reader.wrong(node, path, "a text");
                None
            }
        }
    }

    fn write(&self) -> Option<Tree> {
        Some(Tree::Text(self.clone()))
    }
}

impl Shape for bool {
    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Missing => None,
            Kind::Text { value, plain: true } if value.eq_ignore_ascii_case("true") => Some(true),
            Kind::Text { value, plain: true } if value.eq_ignore_ascii_case("false") => Some(false),
            _ => {
                reader.wrong(node, path, "true or false");
                None
            }
        }
    }

    fn write(&self) -> Option<Tree> {
        Some(Tree::Bare(self.to_string()))
    }
}

impl Shape for u64 {
    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Missing => None,
            Kind::Text { value, plain: true } if value.parse::<Self>().is_ok() => value.parse().ok(),
            _ => {
                reader.wrong(node, path, "a whole number");
                None
            }
        }
    }

    fn write(&self) -> Option<Tree> {
        Some(Tree::Bare(self.to_string()))
    }
}

impl<T: Shape> Shape for Option<T> {
    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, path, reader).map(Some)
    }

    fn write(&self) -> Option<Tree> {
        self.as_ref().and_then(T::write)
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Missing => None,
            Kind::List(items) => {
                let read = |(i, item): (usize, &Node)| {
                    let path = format!("{path}[{i}]");
                    reader.places.put(&path, item.place);
                    if matches!(item.kind, Kind::Missing) {
                        reader.wrong(item, &path, "filled in");
                    }
                    T::read(item, &path, reader)
                };
                Some(items.iter().enumerate().filter_map(read).collect())
            }
            Kind::Text { .. } | Kind::Map(_) => {
                reader.wrong(node, path, "a list");
                None
            }
        }
    }

    fn write(&self) -> Option<Tree> {
        if self.is_empty() { None } else { Some(Tree::List(self.iter().filter_map(T::write).collect())) }
    }
}

/// A type whose values are a few words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $code:ident, { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// The words that there are.
            pub const WORDS: &'static [&'static str] = &[$($word,)*];

            /// The word in a context.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What a word means, whatever its case, and with `_` for `-` too.
            pub fn from_word(word: &str) -> Option<Self> {
                let word = word.trim().to_ascii_lowercase().replace('_', "-");
                match word { $(w if w == $word.replace('_', "-") => Some(Self::$variant),)* _ => None }
            }
        }

        impl Shape for $name {
            fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
                let written = match &node.kind {
                    Kind::Missing => return None,
                    Kind::Text { value, .. } => value,
                    _ => {
                        reader.wrong(node, path, "a single word");
                        return None;
                    }
                };
                let word = Self::from_word(written);
                if word.is_none() {
                    let key = path.rsplit('.').next().unwrap_or(path);
                    let detail = format!(
                        "'{}' is no {key}: it is one of {}.", $crate::context::shape::shown(written), Self::WORDS.join(", ")
                    );
                    let mut finding = Finding::error(Code::$code, detail).path(path).at(node.place.line, node.place.column);
                    let near = $crate::near::near(written, Self::WORDS.iter().copied());
                    finding.near = near.first().map(|n| (*n).to_owned());
                    reader.add(finding);
                }
                word
            }

            fn write(&self) -> Option<Tree> {
                Some(Tree::Bare(self.as_str().to_owned()))
            }
        }
    };
}

/// A type with a field for each key, in the order in which they are written. A code behind the type
/// says what it is when the key is missing; `as` gives the key another name than the field. Fields
/// `beside` are no keys.
macro_rules! record {
    (
        $(#[$meta:meta])* $name:ident {
            $($(#[$doc:meta])* $field:ident: $type:ty $(, as $key:literal)? $(, or $code:ident)?;)*
        }
        $(beside { $($(#[$hidden_doc:meta])* $hidden_vis:vis $hidden:ident: $hidden_type:ty;)* })?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
            $($($(#[$hidden_doc])* $hidden_vis $hidden: $hidden_type,)*)?
        }

        impl Shape for $name {
            fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
                let entries = match &node.kind {
                    Kind::Map(entries) => entries,
                    Kind::Missing => return None,
                    _ => {
                        reader.wrong(node, path, "a mapping of keys to values");
                        return None;
                    }
                };
                let mut it = Self::default();
                $(
                    let key = record!(@key $field $($key)?);
                    let path_of = $crate::context::shape::join(path, key);
                    let entry = entries.iter().find(|e| e.key == key);
                    if let Some(entry) = entry {
                        reader.places.put(&path_of, entry.value.place);
                        if let Some(value) = <$type as Shape>::read(&entry.value, &path_of, reader) {
                            it.$field = value;
                        }
                    }
                    $(
                        if entry.is_none_or(|e| matches!(e.value.kind, Kind::Missing)) {
                            reader.missing(node, path, key, Code::$code);
                        }
                    )?
                )*
                let keys: &[&str] = &[$(record!(@key $field $($key)?),)*];
                for entry in entries.iter().filter(|e| !keys.contains(&e.key.as_str())) {
                    reader.unknown(entry, path, keys);
                }
                Some(it)
            }

            fn write(&self) -> Option<Tree> {
                let mut entries = Vec::new();
                $(
                    if let Some(tree) = Shape::write(&self.$field) {
                        entries.push((record!(@key $field $($key)?), tree));
                    }
                )*
                if entries.is_empty() { None } else { Some(Tree::Map(entries)) }
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}

pub(crate) use {record, words};
