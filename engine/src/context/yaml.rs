//! YAML as a tree of which every part knows its place.
//!
//! What comes in may be made to hurt: aliases of aliases that multiply, brackets without end. The tree
//! is built without recursion, every part of it is counted, those that an alias repeats as well, and it
//! gets no deeper than any context needs.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::finding::{Code, Finding};
use super::place::{Place, Text};

/// How many values and keys a text may have, those repeated by aliases counted each time.
pub const MAX_NODES: usize = 50_000;

/// How many bytes of text its values may have together, likewise.
const MAX_TEXT: usize = 4 << 20;

/// Nobody looks for a place within a text that begins further to the right.
const MAX_COLUMN: usize = 1_000;

/// How many keys a mapping may have. The format itself has twenty at one place.
const MAX_KEYS: usize = 200;

/// How deep lists and mappings may be nested. The format itself goes to six.
pub const MAX_DEPTH: usize = 16;

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Missing,
    /// `plain` where it was written without quotes.
    Text {
        value: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

impl Node {
    /// What it is, for a sentence.
    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Missing => "nothing",
            Kind::Text { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    fn size(&self) -> usize {
        match &self.kind {
            Kind::Missing | Kind::Text { .. } => 1,
            Kind::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Kind::Map(entries) => 1 + entries.iter().map(|e| 1 + e.value.size()).sum::<usize>(),
        }
    }

    fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Missing => 0,
            Kind::Text { value, .. } => value.len(),
            Kind::List(items) => items.iter().map(Self::bytes).sum(),
            Kind::Map(entries) => entries.iter().map(|e| e.key.len() + e.value.bytes()).sum(),
        }
    }

    fn depth(&self) -> usize {
        match &self.kind {
            Kind::Missing | Kind::Text { .. } => 0,
            Kind::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Map(entries) => 1 + entries.iter().map(|e| e.value.depth()).max().unwrap_or(0),
        }
    }
}

/// A list or a mapping that is not at its end yet.
struct Open {
    place: Place,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map(Vec<Entry>, Option<(String, Place)>),
}

/// Reads the one document of a text, of which the first line is line `first` of the file. Keys that are
/// there twice are told to `findings`, and the first of them counts.
///
/// # Errors
///
/// Where the text is no YAML, or too much of it.
pub(crate) fn read(text: &str, first: u64, findings: &mut Vec<Finding>) -> Result<Option<Node>, Finding> {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut builder = Builder {
        lines,
        first,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
        root: None,
        findings,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| {
            let place = builder.place(e.marker().line(), e.marker().col());
            let detail = format!("The YAML cannot be read: {}.", e.info());
            Finding::error(Code::InvalidSyntax, detail).at(place.line, place.column)
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.root)
}

struct Builder<'a> {
    lines: Vec<&'a str>,
    first: u64,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    bytes: usize,
    root: Option<Node>,
    findings: &'a mut Vec<Finding>,
}

impl Builder<'_> {
    fn place(&self, line: usize, column: usize) -> Place {
        // Where something is missing at the end, it is missing on the last line that there is.
        let (line, column) = match self.lines.len() {
            last if line > last => (last, self.lines[last - 1].trim_end().chars().count()),
            _ => (line, column),
        };
        Place::new(line as u64 + self.first - 1, column as u64 + 1)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Finding> {
        let place = self.place(span.start.line(), span.start.col());
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                let detail = "A context is one document; here a second one begins.";
                return Err(Finding::error(Code::InvalidSyntax, detail).at(place.line, place.column));
            }
            Event::Scalar(value, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let missing =
                    plain && tag.is_none() && matches!(&*value, "" | "~" | "null" | "Null" | "NULL");
                let kind =
                    if missing { Kind::Missing } else { Kind::Text { value: value.into_owned(), plain } };
                let place = Place { text: self.text(&kind, style, span), ..place };
                self.add(Node { place, kind }, anchor)?;
            }
            Event::SequenceStart(anchor, _) => self.begin(place, anchor, Items::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => self.begin(place, anchor, Items::Map(Vec::new(), None))?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { place, anchor, items }) = self.open.pop() {
                    let kind = match items {
                        Items::List(items) => Kind::List(items),
                        Items::Map(entries, _) => Kind::Map(entries),
                    };
                    self.add(Node { place, kind }, anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    let detail = "An alias stands inside of what it repeats.";
                    return Err(Finding::error(Code::InvalidSyntax, detail).at(place.line, place.column));
                };
                let (size, bytes, depth) = (node.size(), node.bytes(), node.depth());
                if depth + self.open.len() > MAX_DEPTH {
                    return Err(too_deep(place));
                }
                // Counted before it is copied.
                self.count(size, bytes, place)?;
                if let Some(node) = self.anchors.get(&anchor) {
                    let node = Node { place, ..node.clone() };
                    self.add(node, 0)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, bytes: usize, place: Place) -> Result<(), Finding> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > MAX_NODES || self.bytes > MAX_TEXT {
            let detail = format!(
                "A context has at most {MAX_NODES} values and {MAX_TEXT} bytes of text; what aliases repeat counts each time."
            );
            return Err(Finding::error(Code::TooLarge, detail).at(place.line, place.column));
        }
        Ok(())
    }

    fn begin(&mut self, place: Place, anchor: usize, items: Items) -> Result<(), Finding> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(place));
        }
        self.open.push(Open { place, anchor, items });
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Finding> {
        let bytes = if let Kind::Text { value, .. } = &node.kind { value.len() } else { 0 };
        self.count(1, bytes, node.place)?;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map(entries, key)) => match key.take() {
                None => {
                    let name = match node.kind {
                        Kind::Text { value, .. } => value,
                        Kind::Missing => String::new(),
                        Kind::List(_) | Kind::Map(_) => {
                            let detail = "A key is a single word; here it is a list or a mapping.";
                            let finding = Finding::error(Code::InvalidSyntax, detail);
                            return Err(finding.at(node.place.line, node.place.column));
                        }
                    };
                    *key = Some((name, node.place));
                }
                Some((key, place)) => {
                    if entries.iter().any(|e| e.key == key) {
                        let finding =
                            Finding::error(Code::InvalidSyntax, format!("The key '{key}' is there twice."));
                        self.findings.push(finding.at(place.line, place.column));
                    } else if entries.len() >= MAX_KEYS {
                        let detail = format!("A mapping has at most {MAX_KEYS} keys.");
                        return Err(Finding::error(Code::TooLarge, detail).at(place.line, place.column));
                    } else {
                        entries.push(Entry { key, place, value: node });
                    }
                }
            },
        }
        Ok(())
    }

    /// Where the lines of a text begin, where they are in the file as they are in the value.
    fn text(&self, kind: &Kind, style: ScalarStyle, span: Span) -> Text {
        let Kind::Text { value, .. } = kind else { return Text::Unknown };
        let (line, column) = (span.start.line(), span.start.col());
        let at = |line: usize, column: usize| Text::Lines {
            line: line as u64 + self.first - 1,
            column: column as u64 + 1,
        };
        // Looking so far into a line for each of its values would take longer than reading them.
        if column > MAX_COLUMN {
            return Text::Unknown;
        }
        let quote = match style {
            ScalarStyle::Plain => 0,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
            ScalarStyle::Literal => {
                // The text begins on the line below the bar, as far in as its first line does.
                let start = self.lines.iter().enumerate().skip(line).find(|(_, l)| !l.trim().is_empty());
                let head = value.split('\n').next().unwrap_or_default();
                return match start {
                    Some((at_line, found)) if found.trim() == head.trim() && !head.trim().is_empty() => {
                        let indent = found.chars().count() - found.trim_start().chars().count();
                        let inner = head.chars().count() - head.trim_start().chars().count();
                        at(at_line + 1, indent.saturating_sub(inner))
                    }
                    _ => Text::Unknown,
                };
            }
            ScalarStyle::Folded => return Text::Unknown,
        };
        let written = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let mut rest = written.chars().skip(column + quote);
        if value.chars().all(|c| rest.next() == Some(c)) { at(line, column + quote) } else { Text::Unknown }
    }
}

fn too_deep(place: Place) -> Finding {
    let detail = format!("Lists and mappings are nested at most {MAX_DEPTH} levels deep.");
    Finding::error(Code::TooLarge, detail).at(place.line, place.column)
}
