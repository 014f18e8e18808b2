//! Contexts in plain Markdown: a title, a paragraph, and lists of datasets and of what joins them.

use super::finding::{Code, Finding};
use super::model::{Condition, Context, Dataset, Relationship};
use super::place::{Place, Places};
use super::read::{MAX_PARTS, name_relationships};
use super::shape::shown;

/// So much of the first paragraph becomes the description, in characters. The whole of it stays in the
/// notes.
const MAX_DESCRIPTION: usize = 200;

/// What the lines at hand belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Title,
    Datasets,
    Relationships,
    Other,
}

struct Markdown<'a> {
    context: Context,
    places: Places,
    section: Section,
    paragraph: Vec<&'a str>,
    /// Whether the first paragraph is over.
    described: bool,
    /// For each dataset whether it says which it is.
    told: Vec<bool>,
}

/// Reads a context in plain Markdown. A dataset that does not say which it is, is the given one where it
/// is alone, and otherwise the one that bears its name.
pub(super) fn read(text: &str, dataset: Option<&str>, findings: &mut Vec<Finding>) -> Option<Context> {
    let mut it = Markdown {
        context: Context { version: "1.0.0".to_owned(), notes: text.to_owned(), ..Context::default() },
        places: Places::default(),
        section: Section::Other,
        paragraph: Vec::new(),
        described: false,
        told: Vec::new(),
    };
    let mut fenced = false;
    for (number, line) in (1_u64..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            it.described |= !it.paragraph.is_empty();
        } else if !fenced {
            it.line(number, line, findings);
        }
        if it.context.datasets.len() > MAX_PARTS || it.context.relationships.len() > MAX_PARTS {
            let detail = format!("There are at most {MAX_PARTS} datasets and {MAX_PARTS} relationships.");
            findings.push(Finding::error(Code::TooLarge, detail).at(number, 1));
            return None;
        }
    }
    it.finish(dataset);
    Some(it.context)
}

impl<'a> Markdown<'a> {
    fn line(&mut self, number: u64, line: &'a str, findings: &mut Vec<Finding>) {
        let place = Place::new(number, 1);
        let text = line.trim();
        if let Some(title) = line.strip_prefix("# ") {
            if self.context.name.is_empty() {
                title.trim().trim_end_matches('#').trim_end().clone_into(&mut self.context.name);
                self.places.put("name", Place::new(number, 3));
                self.places.put("description", place);
            }
            self.section = Section::Title;
        } else if let Some(title) = line.strip_prefix("## ") {
            self.described = true;
            let title = title.trim();
            let lower = title.to_ascii_lowercase();
            self.section = match lower.as_str() {
                "datasets" => Section::Datasets,
                "relationships" => Section::Relationships,
                _ => Section::Other,
            };
            if lower.starts_with("dataset:") {
                self.dataset(title["dataset:".len()..].trim(), Place::new(number, 4));
            }
        } else if line.starts_with('#') {
            self.described = true;
        } else if let Some(item) = ["- ", "* ", "+ "].iter().find_map(|mark| text.strip_prefix(mark)) {
            self.described |= !self.paragraph.is_empty();
            let indent = line.chars().count() - line.trim_start().chars().count();
            let place = Place::new(number, indent as u64 + 3);
            match self.section {
                Section::Datasets => self.dataset(item.trim(), place),
                Section::Relationships => self.relationship(item.trim(), place, findings),
                Section::Title | Section::Other => {}
            }
        } else if self.section == Section::Title && !self.described {
            if text.is_empty() {
                self.described = !self.paragraph.is_empty();
            } else {
                if self.paragraph.is_empty() {
                    self.places.put("description", place);
                }
                self.paragraph.push(text);
            }
        }
    }

    /// `NAME (id: uuid)`
    fn dataset(&mut self, item: &str, place: Place) {
        let (name, id) = match item.rsplit_once('(') {
            Some((name, rest)) => {
                let inner = rest.trim_end().strip_suffix(')').unwrap_or(rest).trim();
                match inner.split_once(':') {
                    Some((key, id)) if key.trim().eq_ignore_ascii_case("id") => {
                        (name.trim(), Some(id.trim()))
                    }
                    _ => (item, None),
                }
            }
            None => (item, None),
        };
        let path = format!("datasets[{}]", self.context.datasets.len());
        self.places.put(&path, place);
        self.told.push(id.is_some());
        let id = id.unwrap_or(name).to_owned();
        let taken: Vec<&str> = self.context.datasets.iter().map(|d| d.id.as_str()).collect();
        let own = slug(name, &taken);
        self.context.datasets.push(Dataset {
            id: own,
            name: name.to_owned(),
            dataset_id: id,
            ..Dataset::default()
        });
    }

    /// `A -> B via column`
    fn relationship(&mut self, item: &str, place: Place, findings: &mut Vec<Finding>) {
        let Some((left, right, via)) = parts(item) else {
            let detail = format!("'{}' is no relationship: write it as 'A -> B via column'.", shown(item));
            findings.push(
                Finding::error(Code::UnknownDatasetInRelationship, detail).at(place.line, place.column),
            );
            return;
        };
        let (left_column, right_column) = match via.split_once('=') {
            Some((left, right)) => (left.trim(), right.trim()),
            None => (via, via),
        };
        self.places.put(&format!("relationships[{}]", self.context.relationships.len()), place);
        let condition = Condition {
            left_column: left_column.to_owned(),
            right_column: right_column.to_owned(),
            ..Condition::default()
        };
        self.context.relationships.push(Relationship {
            left_dataset: left.to_owned(),
            right_dataset: right.to_owned(),
            conditions: vec![condition],
            ..Relationship::default()
        });
    }

    fn finish(&mut self, dataset: Option<&str>) {
        let whole = self.paragraph.join(" ");
        self.context.description = cut(&whole);
        if let Some(given) = dataset {
            match (self.context.datasets.as_mut_slice(), self.told.as_slice()) {
                ([], _) => {
                    let id = slug(&self.context.name, &[]);
                    let name = self.context.name.clone();
                    let dataset_id = given.to_owned();
                    self.context.datasets.push(Dataset { id, name, dataset_id, ..Dataset::default() });
                }
                ([only], [false]) => given.clone_into(&mut only.dataset_id),
                _ => {}
            }
        }
        // Relationships name datasets as people do; from here on they go by their ids.
        for i in 0..self.context.relationships.len() {
            let of = |name: &str| self.context.dataset(name).map(|d| self.context.datasets[d].id.clone());
            let (left, right) = {
                let r = &self.context.relationships[i];
                (of(&r.left_dataset), of(&r.right_dataset))
            };
            let relationship = &mut self.context.relationships[i];
            relationship.left_dataset = left.unwrap_or_else(|| relationship.left_dataset.clone());
            relationship.right_dataset = right.unwrap_or_else(|| relationship.right_dataset.clone());
        }
        name_relationships(&mut self.context);
        self.context.places = std::mem::take(&mut self.places);
    }
}

fn parts(item: &str) -> Option<(&str, &str, &str)> {
    let (left, rest) = ["->", "\u{2192}"].iter().find_map(|arrow| item.split_once(arrow))?;
    // The last word that is 'via', so that a dataset may have it in its name.
    let at = rest
        .char_indices()
        .rev()
        .map(|(i, _)| i)
        .find(|i| rest.get(*i..*i + 5).is_some_and(|word| word.eq_ignore_ascii_case(" via ")))?;
    let (right, via) = (rest[..at].trim(), rest[at + 5..].trim().trim_matches('`'));
    let left = left.trim();
    (!left.is_empty() && !right.is_empty() && !via.is_empty()).then_some((left, right, via))
}

/// The beginning of a text, up to the end of a word.
fn cut(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(MAX_DESCRIPTION) else { return text.to_owned() };
    let head = &text[..end];
    let whole_words = text[end..].starts_with(' ');
    let end = if whole_words { None } else { head.rfind(' ') };
    head[..end.unwrap_or(head.len())].trim_end().to_owned()
}

/// A name as SQL could have it: small letters, digits and underscores.
pub(super) fn slug(name: &str, taken: &[&str]) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    let slug = slug.trim_end_matches('_');
    let slug = match slug.chars().next() {
        None => "dataset".to_owned(),
        Some(c) if c.is_ascii_digit() => format!("d_{slug}"),
        Some(_) => slug.to_owned(),
    };
    let mut id = slug.clone();
    let mut next = 2;
    while taken.contains(&id.as_str()) {
        id = format!("{slug}_{next}");
        next += 1;
    }
    id
}
