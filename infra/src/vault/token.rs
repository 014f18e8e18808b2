//! Sealed text as it stands in events: found in JSON, opened where it stands.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use uuid::Uuid;
use weir_events::text::{TOKEN, Text, cut};

/// What stands where a text was that nobody can read any more.
pub const ERASED: &str = "[erased]";

/// What was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// The JSON form of a value. The token stands alone in a JSON string then, which it replaces.
    Json,
}

impl Kind {
    fn letter(self) -> char {
        match self {
            Self::Text => 't',
            Self::Json => 'j',
        }
    }
}

/// Sealed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// What it is sealed under.
    pub(super) key: Uuid,
    /// Nonce and ciphertext.
    pub(super) sealed: Vec<u8>,
    /// How many characters of it are wanted, if not all.
    pub(super) cut: Option<usize>,
}

impl Token {
    pub(super) fn encode(kind: Kind, key: Uuid, sealed: &[u8]) -> String {
        let bytes = [key.as_bytes(), sealed].concat();
        format!("{TOKEN}{}:{}", kind.letter(), URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The token that a text begins with, and how many bytes of the text it is.
    fn parse(text: &[u8]) -> Option<(Self, usize)> {
        let rest = text.strip_prefix(TOKEN.as_bytes())?;
        let kind = [Kind::Text, Kind::Json]
            .into_iter()
            .find(|kind| rest.starts_with(&[kind.letter() as u8, b':']))?;
        let rest = &rest[2..];
        let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
        let (encoded, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (key, sealed) = bytes.split_first_chunk::<16>()?;
        let mut used = TOKEN.len() + 2 + encoded.len();
        let mut cut = None;
        if let Some(number) = rest.strip_prefix(b";") {
            let digits = number.iter().take_while(|b| b.is_ascii_digit()).count();
            if let Some(wanted) =
                std::str::from_utf8(&number[..digits]).ok().and_then(|text| text.parse().ok())
            {
                cut = Some(wanted);
                used += 1 + digits;
            }
        }
        Some((Self { kind, key: Uuid::from_bytes(*key), sealed: sealed.to_vec(), cut }, used))
    }

    /// The one that a text of an event is, if it is one.
    pub(super) fn in_text(text: &Text<'_>) -> Option<Self> {
        match text {
            Text::Plain(text) => Self::of(text),
            Text::Json(value) => value.as_str().and_then(Self::of),
        }
    }

    /// The token that a text is, if it is one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (token, used) = Self::parse(text.as_bytes())?;
        (used == text.len()).then_some(token)
    }
}

/// The tokens in a JSON text and where they stand.
pub(super) fn find(json: &[u8]) -> Vec<(Range<usize>, Token)> {
    let finder = Finder::new(TOKEN);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = finder.find(&json[from..]).map(|at| from + at) {
        from = start + TOKEN.len();
        if let Some((token, used)) = Token::parse(&json[start..]) {
            from = start + used;
            found.push((start..from, token));
        }
    }
    found
}

/// A JSON text with its tokens replaced by what `open` makes of them, which is nothing for what was erased.
pub(super) fn replace(
    json: &[u8],
    tokens: &[(Range<usize>, Token)],
    open: impl Fn(&Token) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut from = 0;
    for (range, token) in tokens {
        let opened = open(token);
        let alone = range.start > from && json[range.start - 1] == b'"' && json.get(range.end) == Some(&b'"');
        if token.kind == Kind::Json && alone {
            out.extend_from_slice(&json[from..range.start - 1]);
            out.extend_from_slice(opened.as_deref().unwrap_or(b"null"));
            from = range.end + 1;
            continue;
        }
        out.extend_from_slice(&json[from..range.start]);
        let text = text_of(token, opened);
        // A string always has a JSON form; what is within its quotes stands in another one's.
        let quoted = serde_json::to_vec(&text).unwrap_or_default();
        out.extend_from_slice(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
        from = range.end;
    }
    out.extend_from_slice(&json[from..]);
    out
}

/// What a token of text stands for, once it is opened.
pub(super) fn text_of(token: &Token, opened: Option<Vec<u8>>) -> String {
    let text = opened.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| ERASED.to_owned());
    match token.cut {
        Some(characters) if text != ERASED => cut(&text, characters).into_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Uuid = Uuid::from_u128(7);

    fn open(token: &Token) -> Option<Vec<u8>> {
        (token.key == KEY).then(|| token.sealed.clone())
    }

    fn opened(json: &str) -> String {
        String::from_utf8(replace(json.as_bytes(), &find(json.as_bytes()), open)).unwrap()
    }

    #[test]
    fn tokens_are_replaced_wherever_they_stand() {
        let text = Token::encode(Kind::Text, KEY, "say \"hé\"\n".as_bytes());
        let json = Token::encode(Kind::Json, KEY, br#"{"mark":"bar"}"#);
        let gone = Token::encode(Kind::Text, Uuid::from_u128(8), b"x");
        let gone_json = Token::encode(Kind::Json, Uuid::from_u128(8), b"x");
        assert_eq!(
            opened(&format!(
                r#"{{"a":"{text}","b":"x {text}, {text};3","c":"{json}","d":["{gone};5","{gone_json}"]}}"#
            )),
            r#"{"a":"say \"hé\"\n","b":"x say \"hé\"\n, say…","c":{"mark":"bar"},"d":["[erased]",null]}"#
        );
        assert_eq!(
            opened(&format!("\"{json};\"")),
            "\"{\\\"mark\\\":\\\"bar\\\"};\"",
            "it does not stand alone"
        );
    }

    #[test]
    fn what_only_looks_like_a_token_stays() {
        for text in
            ["weir:sealed:", "weir:sealed:x:AAAA", "weir:sealed:t:", "weir:sealed:t:AAAA", "weir:sealed:t:!"]
        {
            let json = format!("\"{text}\"");
            assert_eq!(opened(&json), json);
        }
        let text = Token::encode(Kind::Text, KEY, b"a");
        assert_eq!(opened(&format!("\"{text};x weir:sealed:t:\"")), "\"a;x weir:sealed:t:\"");
        assert!(Token::of(&text).is_some() && Token::of(&format!("{text} ")).is_none());
    }
}
