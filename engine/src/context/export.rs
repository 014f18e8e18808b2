//! From a context to text: Markdown, YAML or JSON, always the same for the same context.

use std::fmt::Write as _;

use super::model::Context;
use super::shape::{Shape, Tree};

/// The context as a file: its YAML between two lines `---`, then its notes. Read again, it is equal.
pub fn markdown(context: &Context) -> String {
    format!("---\n{}---\n{}", yaml(context), context.notes)
}

/// The context as YAML, without its notes.
pub fn yaml(context: &Context) -> String {
    let mut out = String::new();
    if let Some(Tree::Map(entries)) = context.write() {
        map(&mut out, &entries, 0);
    }
    out
}

/// The context as JSON, without its notes. JSON is YAML too, so it can be read again as it is.
pub fn json(context: &Context) -> String {
    context.write().map(|tree| to_json(&tree)).unwrap_or_else(|| "{}\n".to_owned())
}

pub(super) fn to_json(tree: &Tree) -> String {
    let mut out = String::new();
    json_value(&mut out, tree, 0);
    out.push('\n');
    out
}

pub(super) fn to_yaml(tree: &Tree) -> String {
    let mut out = String::new();
    if let Tree::Map(entries) = tree {
        map(&mut out, entries, 0);
    }
    out
}

fn indented(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}

fn map(out: &mut String, entries: &[(&'static str, Tree)], level: usize) {
    for (i, (key, tree)) in entries.iter().enumerate() {
        // The first key of a list's item follows its dash.
        if i > 0 || !out.ends_with("- ") {
            indented(out, level);
        }
        out.push_str(key);
        out.push(':');
        value(out, tree, level);
    }
}

fn value(out: &mut String, tree: &Tree, level: usize) {
    match tree {
        Tree::Text(text) => {
            out.push(' ');
            scalar(out, text, level + 1);
        }
        Tree::Bare(word) => {
            let _ = writeln!(out, " {}", bare(word));
        }
        Tree::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Tree::List(items) if items.is_empty() => out.push_str(" []\n"),
        Tree::Map(entries) => {
            out.push('\n');
            map(out, entries, level + 1);
        }
        Tree::List(items) => {
            out.push('\n');
            for item in items {
                indented(out, level + 1);
                out.push_str("- ");
                match item {
                    Tree::Map(entries) if entries.is_empty() => out.push_str("{}\n"),
                    Tree::Map(entries) => map(out, entries, level + 2),
                    Tree::Text(text) => scalar(out, text, level + 2),
                    Tree::Bare(word) => {
                        let _ = writeln!(out, "{}", bare(word));
                    }
                    Tree::List(_) => out.push_str("[]\n"),
                }
            }
        }
    }
}

/// A word of the format, in quotes where YAML would take it for something else: `>` opens a text.
fn bare(word: &str) -> String {
    if word.starts_with(|c: char| c.is_ascii_alphanumeric()) { word.to_owned() } else { quoted(word) }
}

fn scalar(out: &mut String, text: &str, level: usize) {
    if is_plain(text) {
        let _ = writeln!(out, "{text}");
    } else if is_block(text) {
        out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
        for line in text.trim_end_matches('\n').split('\n') {
            if !line.is_empty() {
                indented(out, level);
                out.push_str(line);
            }
            out.push('\n');
        }
    } else {
        let _ = writeln!(out, "{}", quoted(text));
    }
}

/// Whether any reader of YAML takes it for the text that it is, without quotes.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || " _-./()*+=%,;<>!'$".contains(c))
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

/// Whether it can stand in lines of its own below a bar.
fn is_block(text: &str) -> bool {
    let printable = |c: char| c == '\n' || c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation();
    text.trim_end_matches('\n').contains('\n')
        && text.chars().all(printable)
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && text.lines().all(|l| !l.ends_with(' '))
}

/// In double quotes, with what has to be escaped escaped as JSON and YAML both read it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Line ends of their own in YAML, a mark of byte order, and what is no character for it.
            '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn json_value(out: &mut String, tree: &Tree, level: usize) {
    match tree {
        Tree::Text(text) => out.push_str(&quoted(text)),
        Tree::Bare(word) => {
            let is_json = matches!(word.as_str(), "true" | "false") || word.parse::<u64>().is_ok();
            if is_json { out.push_str(word) } else { out.push_str(&quoted(word)) }
        }
        Tree::List(items) if items.is_empty() => out.push_str("[]"),
        Tree::Map(entries) if entries.is_empty() => out.push_str("{}"),
        Tree::List(items) => {
            out.push_str("[\n");
            for (i, item) in items.iter().enumerate() {
                indented(out, level + 1);
                json_value(out, item, level + 1);
                out.push_str(if i + 1 < items.len() { ",\n" } else { "\n" });
            }
            indented(out, level);
            out.push(']');
        }
        Tree::Map(entries) => {
            out.push_str("{\n");
            for (i, (key, item)) in entries.iter().enumerate() {
                indented(out, level + 1);
                let _ = write!(out, "\"{key}\": ");
                json_value(out, item, level + 1);
                out.push_str(if i + 1 < entries.len() { ",\n" } else { "\n" });
            }
            indented(out, level);
            out.push('}');
        }
    }
}
