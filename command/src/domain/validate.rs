//! Checks of what people type in, shared by the aggregates.

/// The longest name, in characters.
pub const NAME_MAX: usize = 128;
/// The longest description, in characters.
pub const DESCRIPTION_MAX: usize = 10_000;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Which field.
    pub field: &'static str,
    /// A stable code.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

/// Fields that are not as they should be; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|e| e.detail.as_str()).collect::<Vec<_>>().join(" "))]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    /// One wrong field.
    pub fn field(field: &'static str, code: &'static str, detail: impl Into<String>) -> Self {
        Self(vec![FieldError { field, code, detail: detail.into() }])
    }
}

/// A name: 1 to [`NAME_MAX`] characters without control characters, white space around it cut off.
///
/// # Errors
/// When it is empty, too long, or has a control character in it.
pub fn name(field: &'static str, raw: &str) -> Result<String, Invalid> {
    let name = raw.trim();
    if name.is_empty() {
        return Err(Invalid::field(field, "empty", "A name needs at least one character."));
    }
    if name.chars().count() > NAME_MAX {
        let detail = format!("A name has at most {NAME_MAX} characters.");
        return Err(Invalid::field(field, "too_long", detail));
    }
    if let Some(at) = name.chars().position(|c| c.is_control() || is_invisible(c)) {
        let detail = format!("A name has no control characters; there is one at character {}.", at + 1);
        return Err(Invalid::field(field, "control_character", detail));
    }
    Ok(name.to_owned())
}

/// The name of something that SQL reads. It does not end like `flights@3`, which is the third version
/// of `flights`, and does not begin like `weir.events`.
///
/// # Errors
/// As [`name`], and when it ends or begins so.
pub fn table_name(field: &'static str, raw: &str) -> Result<String, Invalid> {
    let name = name(field, raw)?;
    if name.to_lowercase().starts_with("weir.") {
        let detail = "A name does not begin with `weir.`: that is how the tables of the past are named.";
        return Err(Invalid::field(field, "reserved", detail));
    }
    if versioned(&name).is_some() {
        let detail = "A name does not end in @ and a number: that is how versions are named.";
        return Err(Invalid::field(field, "reserved", detail));
    }
    Ok(name)
}

/// What a name like `flights@3` is made of.
pub fn versioned(name: &str) -> Option<(&str, u32)> {
    let (name, version) = name.rsplit_once('@')?;
    let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    Some((name, version.parse().ok().filter(|_| digits)?))
}

/// The new name of such a thing, where there is to be one, or the old one.
///
/// # Errors
/// As [`table_name`].
pub fn table_name_or(new: Option<&str>, old: &str) -> Result<String, Invalid> {
    new.map_or_else(|| Ok(old.to_owned()), |raw| table_name("name", raw))
}

/// The new name, where there is to be one, or the old one.
///
/// # Errors
/// As [`name`].
pub fn name_or(new: Option<&str>, old: &str) -> Result<String, Invalid> {
    new.map_or_else(|| Ok(old.to_owned()), |raw| name("name", raw))
}

/// Characters that do not show and could make two names look alike or turn text around.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A description: at most [`DESCRIPTION_MAX`] characters, no control characters but line breaks
/// and tabs. Empty means none.
///
/// # Errors
/// When it is too long or has such a character in it.
pub fn description(raw: &str) -> Result<String, Invalid> {
    let text = raw.trim();
    if text.chars().count() > DESCRIPTION_MAX {
        let detail = format!("A description has at most {DESCRIPTION_MAX} characters.");
        return Err(Invalid::field("description", "too_long", detail));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        let detail = "A description has no control characters besides line breaks and tabs.";
        return Err(Invalid::field("description", "control_character", detail));
    }
    Ok(text.to_owned())
}

/// The new description, where there is to be one, or the old one.
///
/// # Errors
/// As [`description`].
pub fn description_or(new: Option<&str>, old: &str) -> Result<String, Invalid> {
    new.map_or_else(|| Ok(old.to_owned()), description)
}

/// SQL text: not empty. How long it may be is the engine's business.
///
/// # Errors
/// When it is empty.
pub fn sql(field: &'static str, raw: &str) -> Result<String, Invalid> {
    if raw.trim().is_empty() {
        return Err(Invalid::field(field, "empty", "There is no SQL to run."));
    }
    // Not every store of texts can hold it, and what is shown is to be what was run.
    if raw.contains('\0') {
        return Err(Invalid::field(field, "control_character", "SQL has no zero bytes in it."));
    }
    Ok(raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<String, Invalid>) -> &'static str {
        result.unwrap_err().0[0].code
    }

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(name("name", "  Flüge 2013 \n").unwrap(), "Flüge 2013");
        assert_eq!(code(name("name", " \t ")), "empty");
        assert_eq!(code(name("name", &"é".repeat(NAME_MAX + 1))), "too_long");
        assert!(name("name", &"é".repeat(NAME_MAX)).is_ok());
        assert_eq!(code(name("name", "a\0b")), "control_character");
        assert_eq!(code(name("name", "a\u{202e}b")), "control_character");
    }

    #[test]
    fn tables_are_not_named_like_versions() {
        assert_eq!(code(table_name("name", "flights@3")), "reserved");
        assert_eq!(code(table_name("name", "a@b@0")), "reserved");
        for fine in ["flights", "flights@", "me@example.org", "a@+3", "a@99999999999"] {
            assert_eq!(table_name("name", fine).unwrap(), fine);
        }
        assert_eq!(versioned("my flights@12"), Some(("my flights", 12)));
    }

    #[test]
    fn descriptions_may_have_lines() {
        assert_eq!(description(" a\nb\t").unwrap(), "a\nb");
        assert_eq!(code(description("a\u{7}")), "control_character");
        assert_eq!(code(description(&"x".repeat(DESCRIPTION_MAX + 1))), "too_long");
    }

    #[test]
    fn sql_is_there() {
        assert_eq!(code(sql("sql", "  ")), "empty");
        assert_eq!(sql("sql", " SELECT 1").unwrap(), " SELECT 1");
    }
}
