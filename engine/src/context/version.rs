//! Versions of contexts.

use semver::{BuildMetadata, Prerelease, Version};

use super::finding::{Code, Finding};

/// Reads a semantic version, as in `1.2.3` or `2.0.0-draft.1`.
///
/// # Errors
///
/// `INVALID_VERSION` with what is wrong.
pub fn version(text: &str) -> Result<Version, Finding> {
    Version::parse(text.trim()).map_err(|e| {
        let shown = super::shape::shown(text);
        Finding::error(Code::InvalidVersion, format!("'{shown}' is no semantic version such as 1.2.3: {e}."))
    })
}

/// The next version for a small change. One that was a draft of a version becomes the version itself, as
/// semantic versioning orders them.
pub fn bump_patch(version: &Version) -> Version {
    let mut next = version.clone();
    if next.pre.is_empty() {
        next.patch = next.patch.saturating_add(1);
    }
    next.pre = Prerelease::EMPTY;
    next.build = BuildMetadata::EMPTY;
    next
}

/// The text with another version in it and every other byte as it was. Plain Markdown has no place for a
/// version, and neither has a text that says it twice or in several lines: there the answer is nothing,
/// and the caller stores what [`super::markdown`] makes of the context.
pub fn with_version(text: &str, version: &Version) -> Option<String> {
    let (start, written) = place(text)?;
    let end = start + written.len();
    Some(format!("{}{version}{}", &text[..start], &text[end..]))
}

/// Where the version's text begins, in bytes, and what it is.
fn place(text: &str) -> Option<(usize, String)> {
    let (context, _) = super::read::read(text, None);
    let context = context?;
    let (line, column) = context.places.text_of("version")?;
    // A mark of byte order is no character of the first line.
    let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let start_of_line = if line <= 1 {
        mark
    } else {
        text.match_indices('\n').nth(usize::try_from(line).ok()? - 2).map(|(i, _)| i + 1)?
    };
    let into = usize::try_from(column).ok()?.checked_sub(1)?;
    let offset = text[start_of_line..].char_indices().nth(into).map(|(i, _)| i)?;
    let start = start_of_line + offset;
    text[start..].starts_with(&context.version).then_some((start, context.version))
}
