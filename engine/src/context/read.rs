//! From the text of a file to a context.

use std::collections::HashSet;

use super::finding::{Code, Finding, ordered};
use super::model::{Cardinality, Context, JoinType};
use super::place::Places;
use super::shape::{Reader, Shape, shown};
use super::yaml::{self, Entry, Kind, Node};
use super::{markdown, validate};

/// Longer texts are no contexts.
pub const MAX_BYTES: usize = 1 << 20;

/// How many datasets, relationships, metrics, rules, filters or terms a context may have, of each.
pub const MAX_PARTS: usize = 1_000;

/// Reads a context: YAML between two lines `---` with Markdown behind it, YAML alone, or plain Markdown.
///
/// # Errors
///
/// All that is wrong with it as a text and in its form, in the order of the file. What its parts mean
/// together, and whether the datasets are there, [`Context::validate`] finds out.
pub fn parse(text: &str) -> Result<Context, Vec<Finding>> {
    parse_for(text, None)
}

/// The same for plain Markdown that names no dataset: it is about the given one, a UUID or a name.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_for(text: &str, dataset: Option<&str>) -> Result<Context, Vec<Finding>> {
    let (context, mut findings) = read(text, dataset);
    match context {
        Some(context) => {
            validate::schema::check(&context, &mut findings);
            if findings.iter().any(Finding::is_error) { Err(ordered(findings)) } else { Ok(context) }
        }
        None => Err(ordered(findings)),
    }
}

/// Reads what can be read, and tells what cannot.
pub(super) fn read(text: &str, dataset: Option<&str>) -> (Option<Context>, Vec<Finding>) {
    let mut findings = Vec::new();
    if text.len() > MAX_BYTES {
        let detail = format!("A context has at most {MAX_BYTES} bytes; this has {}.", text.len());
        return (None, vec![Finding::error(Code::TooLarge, detail)]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let context = match container(text) {
        Container::Yaml { yaml, first, notes } => from_yaml(yaml, first, notes, &mut findings),
        Container::Markdown => markdown::read(text, dataset, &mut findings),
    };
    (context, findings)
}

/// What kind of file it is.
enum Container<'a> {
    /// YAML, of which the first line is line `first` of the file, and what follows it.
    Yaml { yaml: &'a str, first: u64, notes: &'a str },
    /// Plain Markdown.
    Markdown,
}

fn is_fence(line: &str) -> bool {
    line.trim_end() == "---"
}

fn container(text: &str) -> Container<'_> {
    let mut start = 0;
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        if !line.trim().is_empty() {
            break;
        }
        start += line.len();
        lines += 1;
    }
    let body = &text[start..];
    let first_line = body.split_inclusive('\n').next().unwrap_or_default();
    if is_fence(first_line) {
        let yaml = &body[first_line.len()..];
        let mut end = 0;
        for line in yaml.split_inclusive('\n') {
            if is_fence(line) {
                let notes = &yaml[end + line.len()..];
                return Container::Yaml { yaml: &yaml[..end], first: lines + 2, notes };
            }
            end += line.len();
        }
        return Container::Yaml { yaml, first: lines + 2, notes: "" };
    }
    if first_line.starts_with("# ") && !body.lines().any(is_key) {
        return Container::Markdown;
    }
    Container::Yaml { yaml: body, first: lines + 1, notes: "" }
}

/// Whether a line can only be YAML: after all, a title in Markdown may be a remark in YAML.
fn is_key(line: &str) -> bool {
    let keys = ["name", "version", "description", "datasets"];
    line.split_once(':').is_some_and(|(key, _)| keys.contains(&key.trim_end()))
}

pub(super) fn from_yaml(yaml: &str, first: u64, notes: &str, findings: &mut Vec<Finding>) -> Option<Context> {
    let mut root = match yaml::read(yaml, first, findings) {
        Ok(Some(root)) => root,
        Ok(None) => {
            findings.push(Finding::error(Code::InvalidSyntax, "There is nothing in the file.").at(1, 1));
            return None;
        }
        Err(finding) => {
            findings.push(finding);
            return None;
        }
    };
    let Kind::Map(_) = &root.kind else {
        let detail = format!(
            "A context is a mapping of keys such as 'name' and 'datasets'; here is {}. Plain Markdown begins with a title, '# Name'.",
            root.what()
        );
        let (line, column) = (root.place.line, root.place.column);
        findings.push(Finding::error(Code::InvalidSyntax, detail).at(line, column));
        return None;
    };
    lengthen(&mut root, findings);
    let mut places = Places::default();
    let mut context = Context::read(&root, "", &mut Reader { findings, places: &mut places })?;
    notes.clone_into(&mut context.notes);
    name_relationships(&mut context);
    context.places = places;
    let counts = [
        ("datasets", context.datasets.len()),
        ("relationships", context.relationships.len()),
        ("metrics", context.metrics.len()),
        ("business_rules", context.business_rules.len()),
        ("filters", context.filters.len()),
        ("glossary", context.glossary.len()),
    ];
    for (key, count) in counts {
        if count > MAX_PARTS {
            let detail = format!("There are at most {MAX_PARTS} {key}; here are {count}.");
            findings.push(context.places.put_on(Finding::error(Code::TooLarge, detail), key));
        }
    }
    findings.iter().all(|f| f.code != Code::TooLarge).then_some(context)
}

/// Puts relationships of the short form into the long one, in place.
fn lengthen(root: &mut Node, findings: &mut Vec<Finding>) {
    let Kind::Map(entries) = &mut root.kind else { return };
    let Some(entry) = entries.iter_mut().find(|e| e.key == "relationships") else { return };
    let Kind::List(items) = &mut entry.value.kind else { return };
    for item in items {
        let Kind::Map(entries) = &mut item.kind else { continue };
        let short = ["from_dataset", "from_column", "to_dataset", "to_column"];
        if !entries.iter().any(|e| short.contains(&e.key.as_str())) {
            continue;
        }
        let (mut kept, mut condition) = (Vec::new(), Vec::new());
        for mut entry in std::mem::take(entries) {
            match entry.key.as_str() {
                "from_dataset" => "left_dataset".clone_into(&mut entry.key),
                "to_dataset" => "right_dataset".clone_into(&mut entry.key),
                "from_column" => "left_column".clone_into(&mut entry.key),
                "to_column" => "right_column".clone_into(&mut entry.key),
                "type" => kind(&mut entry, findings),
                _ => {}
            }
            let columns = ["left_column", "right_column"];
            if columns.contains(&entry.key.as_str()) { condition.push(entry) } else { kept.push(entry) }
        }
        if let Some(first) = condition.first() {
            let place = first.place;
            if kept.iter().any(|e| e.key == "conditions") {
                let detail = "A relationship has either 'from_column' and 'to_column' or 'conditions'.";
                findings.push(Finding::error(Code::InvalidValue, detail).at(place.line, place.column));
            } else {
                let node = |kind| Node { place, kind };
                let value = node(Kind::List(vec![node(Kind::Map(condition))]));
                kept.push(Entry { key: "conditions".to_owned(), place, value });
            }
        }
        *entries = kept;
    }
}

/// The short form's type is either a cardinality or a way to join.
fn kind(entry: &mut Entry, findings: &mut Vec<Finding>) {
    let Kind::Text { value, .. } = &entry.value.kind else { return };
    if Cardinality::from_word(value).is_some() {
        "cardinality".clone_into(&mut entry.key);
    } else if JoinType::from_word(value).is_some() {
        "join_type".clone_into(&mut entry.key);
    } else {
        let words: Vec<&str> = Cardinality::WORDS.iter().chain(JoinType::WORDS).copied().collect();
        let detail =
            format!("'{}' is no type of a relationship: it is one of {}.", shown(value), words.join(", "));
        let mut finding = Finding::error(Code::InvalidJoinType, detail);
        finding.near = crate::near::near(value, words).first().map(|n| (*n).to_owned());
        findings.push(finding.at(entry.value.place.line, entry.value.place.column));
        // Told once is enough.
        entry.value.kind = Kind::Missing;
        "join_type".clone_into(&mut entry.key);
    }
}

/// Gives an id to each relationship that has none, after its datasets.
pub(super) fn name_relationships(context: &mut Context) {
    let mut taken: HashSet<String> = context.relationships.iter().map(|r| r.id.clone()).collect();
    for relationship in context.relationships.iter_mut().filter(|r| r.id.is_empty()) {
        let base = format!("{}_{}", relationship.left_dataset, relationship.right_dataset);
        let mut id = base.clone();
        let mut next = 2;
        while !taken.insert(id.clone()) {
            id = format!("{base}_{next}");
            next += 1;
        }
        relationship.id = id;
    }
}
