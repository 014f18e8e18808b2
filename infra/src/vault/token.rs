//! Sealed text as it stands in events: found in JSON, opened where it stands.
//!
//! Names and columns stand in events beside sealed text and are whatever people write, also what looks like sealed text.
//! So each token carries a code that only the installation can make, over the workspace it was made in: what does not is
//! text like any other.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use memchr::memmem::Finder;
use sha2::Sha256;
use uuid::Uuid;
use weir_events::{
    WorkspaceId,
    text::{TOKEN, Text, cut},
};

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

/// Makes tokens, and knows its own.
pub(super) struct Mint(Hmac<Sha256>);

impl Mint {
    /// Bytes of a code.
    const CODE: usize = 16;

    pub(super) fn new(key: &[u8; 32]) -> Self {
        // A key that is shorter than a block is filled up with zeros: see HMAC.
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        Self(Hmac::new(&block.into()))
    }

    pub(super) fn encode(&self, workspace: WorkspaceId, kind: Kind, key: Uuid, sealed: &[u8]) -> String {
        let code = self.code(workspace, kind, key.as_bytes(), sealed);
        let bytes = [&code[..], key.as_bytes(), sealed].concat();
        format!("{TOKEN}{}:{}", kind.letter(), URL_SAFE_NO_PAD.encode(bytes))
    }

    fn code(&self, workspace: WorkspaceId, kind: Kind, key: &[u8; 16], sealed: &[u8]) -> [u8; Self::CODE] {
        let mut code = self.0.clone();
        code.update(workspace.0.as_bytes());
        code.update(&[kind.letter() as u8]);
        code.update(key);
        code.update(sealed);
        code.finalize().into_bytes().first_chunk().copied().unwrap_or_default()
    }

    /// The token that a text begins with, and how many bytes of the text it is.
    fn parse(&self, workspace: WorkspaceId, text: &[u8]) -> Option<(Token, usize)> {
        let rest = text.strip_prefix(TOKEN.as_bytes())?;
        let kind = [Kind::Text, Kind::Json]
            .into_iter()
            .find(|kind| rest.starts_with(&[kind.letter() as u8, b':']))?;
        let rest = &rest[2..];
        let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
        let (encoded, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (code, bytes) = bytes.split_first_chunk::<{ Self::CODE }>()?;
        let (key, sealed) = bytes.split_first_chunk::<16>()?;
        // Told byte by byte it would take as long as it is right; nobody learns more from that than from the answer.
        if *code != self.code(workspace, kind, key, sealed) {
            return None;
        }
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
        Some((Token { kind, key: Uuid::from_bytes(*key), sealed: sealed.to_vec(), cut }, used))
    }

    /// The one that a text of an event is, if it is one.
    pub(super) fn in_text(&self, workspace: WorkspaceId, text: &Text<'_>) -> Option<Token> {
        match text {
            Text::Plain(text) => self.of(workspace, text),
            Text::Json(value) => self.of(workspace, value.as_str()?),
        }
    }

    /// The token that a text is, if it is one.
    pub(super) fn of(&self, workspace: WorkspaceId, text: &str) -> Option<Token> {
        let (token, used) = self.parse(workspace, text.as_bytes())?;
        (used == text.len()).then_some(token)
    }

    /// The tokens in a JSON text and where they stand. Keys of objects are never sealed.
    pub(super) fn find(&self, workspace: WorkspaceId, json: &[u8]) -> Vec<(Range<usize>, Token)> {
        let finder = Finder::new(TOKEN);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(start) = finder.find(&json[from..]).map(|at| from + at) {
            from = start + TOKEN.len();
            if let Some((token, used)) = self.parse(workspace, &json[start..]) {
                from = start + used;
                if !ends_key(&json[from..]) {
                    found.push((start..from, token));
                }
            }
        }
        found
    }
}

/// Whether the JSON string that ends in `rest` is a key, so far as it ends at once.
fn ends_key(rest: &[u8]) -> bool {
    let after = rest.strip_prefix(b"\"").unwrap_or_default();
    after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Whether a JSON string begins right after `before`: a quote that stands in one has an odd number of backslashes.
fn begins_string(before: &[u8]) -> bool {
    let Some((b'"', before)) = before.split_last() else { return false };
    before.iter().rev().take_while(|&&byte| byte == b'\\').count().is_multiple_of(2)
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
        let alone = begins_string(&json[from..range.start]) && json.get(range.end) == Some(&b'"');
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
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const KEY: Uuid = Uuid::from_u128(7);
    const TEAM: WorkspaceId = WorkspaceId(Uuid::from_u128(1));

    fn mint() -> Mint {
        Mint::new(&[3; 32])
    }

    fn open(token: &Token) -> Option<Vec<u8>> {
        (token.key == KEY).then(|| token.sealed.clone())
    }

    fn opened(json: &str) -> String {
        let found = mint().find(TEAM, json.as_bytes());
        String::from_utf8(replace(json.as_bytes(), &found, open)).unwrap()
    }

    fn token(kind: Kind, key: u128, text: &str) -> String {
        mint().encode(TEAM, kind, Uuid::from_u128(key), text.as_bytes())
    }

    #[test]
    fn tokens_are_replaced_wherever_they_stand() {
        let text = token(Kind::Text, 7, "say \"hé\"\n");
        let json = token(Kind::Json, 7, r#"{"mark":"bar"}"#);
        let gone = token(Kind::Text, 8, "x");
        let gone_json = token(Kind::Json, 8, "x");
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
        let text = token(Kind::Text, 7, "a");
        let elsewhere = mint().encode(WorkspaceId(Uuid::nil()), Kind::Text, KEY, b"a");
        let forged = Mint::new(&[4; 32]).encode(TEAM, Kind::Json, KEY, b"a");
        let other_kind = text.replacen(":t:", ":j:", 1);
        for text in [
            "weir:sealed:",
            "weir:sealed:x:AAAA",
            "weir:sealed:t:",
            "weir:sealed:t:AAAA",
            "weir:sealed:t:!",
            &format!("weir:sealed:j:{}", "A".repeat(86)),
            &elsewhere,
            &forged,
            &other_kind,
        ] {
            let json = format!("\"{text}\"");
            assert_eq!(opened(&json), json);
        }
        assert_eq!(opened(&format!("\"{text};x weir:sealed:t:\"")), "\"a;x weir:sealed:t:\"");
        let of = |text: &str| mint().of(TEAM, text);
        assert!(of(&text).is_some() && of(&format!("{text} ")).is_none());
    }

    /// Texts in which tokens stand between quotes and backslashes.
    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just(": ".to_owned()),
            Just(token(Kind::Text, 7, "o\"n\\e")),
            Just(token(Kind::Json, 7, r#"["o\"ne"]"#)),
            Just(token(Kind::Json, 8, "")),
            Just("weir:sealed:j:AAAA".to_owned()),
            ".{0,3}",
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_opened_stays_json_with_its_keys(texts in proptest::collection::vec((texts(), texts()), 1..4)) {
            let object: serde_json::Map<_, _> = texts.into_iter().map(|(key, text)| (key, json!([text]))).collect();
            let sealed = serde_json::to_string(&object).unwrap();
            let opened: serde_json::Map<String, Value> = serde_json::from_str(&opened(&sealed)).unwrap();
            prop_assert!(opened.values().all(|value| value.as_array().is_some_and(|items| items.len() == 1)));
            let alone = |key: &String| mint().of(TEAM, key).is_some() || !key.contains(TOKEN);
            for key in object.keys().filter(|key| alone(key)) {
                prop_assert!(opened.contains_key(key), "{key}");
            }
        }
    }
}
