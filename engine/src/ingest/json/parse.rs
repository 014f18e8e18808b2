//! One JSON value in memory, walked through.

use std::borrow::Cow;

use super::{DEPTH, Fault};

/// What a value begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

/// Walks through the text of one value, which is UTF-8.
pub(super) struct Parser<'a> {
    data: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, depth: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.data.get(self.at) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Option<u8> {
        self.blank();
        self.data.get(self.at).copied()
    }

    /// What is wrong here, in the sense of 'there should be'.
    fn wanted(&self, what: &str) -> Fault {
        let found = match std::str::from_utf8(&self.data[self.at..]).ok().and_then(|t| t.chars().next()) {
            Some(c) if !c.is_control() => format!("'{c}'"),
            Some(c) => format!("the character U+{:04X}", u32::from(c)),
            None => "the end".to_owned(),
        };
        Fault::invalid(self.at, format!("There should be {what}, and there is {found}."))
    }

    /// What the next value is; nothing of it is taken.
    pub(super) fn start(&mut self) -> Result<Start, Fault> {
        Ok(match self.next() {
            Some(b'{') => Start::Object,
            Some(b'[') => Start::Array,
            Some(b'"') => Start::Text,
            Some(b'0'..=b'9' | b'-' | b'N' | b'I') => Start::Number,
            Some(b't') => Start::True,
            Some(b'f') => Start::False,
            Some(b'n') => Start::Null,
            _ => return Err(self.wanted("a value")),
        })
    }

    /// Takes a value that is one word.
    pub(super) fn word(&mut self, start: Start) -> Result<&'static str, Fault> {
        let word = match start {
            Start::True => "true",
            Start::False => "false",
            _ => "null",
        };
        if !self.data[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wanted(word));
        }
        self.at += word.len();
        self.ended()?;
        Ok(word)
    }

    /// That a number or word is not run on.
    fn ended(&self) -> Result<(), Fault> {
        match self.data.get(self.at) {
            None | Some(b' ' | b'\n' | b'\r' | b'\t' | b',' | b']' | b'}') => Ok(()),
            _ => Err(self.wanted("a comma or the end of the value")),
        }
    }

    /// Goes into an object or array.
    pub(super) fn enter(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            let detail = format!("Values are nested deeper than {DEPTH} levels.");
            return Err(Fault { at: self.at, code: "too_deep", detail, column: None });
        }
        self.at += 1;
        Ok(())
    }

    /// The next key of the object that is being walked through, `first` being whether none came before;
    /// nothing at its end.
    pub(super) fn key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Fault> {
        match self.next() {
            Some(b'}') => {
                self.at += 1;
                self.depth -= 1;
                return Ok(None);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.blank();
            }
            _ if first => {}
            _ => return Err(self.wanted("a comma or the end of the object")),
        }
        if self.data.get(self.at) != Some(&b'"') {
            return Err(self.wanted("a key in double quotes"));
        }
        let key = self.text()?;
        if self.next() != Some(b':') {
            return Err(self.wanted("a colon behind the key"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the array that is being walked through has another element.
    pub(super) fn element(&mut self, first: bool) -> Result<bool, Fault> {
        match self.next() {
            Some(b']') => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            _ if first => Ok(true),
            _ => Err(self.wanted("a comma or the end of the array")),
        }
    }

    /// Takes a text.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        let begin = self.at + 1;
        let mut at = begin;
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', &self.data[at.min(self.data.len())..]) else {
                self.at = self.data.len();
                return Err(self.wanted("a closing quote"));
            };
            at += found;
            if self.data[at] == b'"' {
                break;
            }
            at += 2;
        }
        let raw = &self.data[begin..at];
        if let Some(control) = raw.iter().position(|b| *b < 0x20) {
            self.at = begin + control;
            return Err(Fault::invalid(
                self.at,
                "A text holds a line end or another control character that is not written with a backslash.",
            ));
        }
        let text = std::str::from_utf8(raw).map_err(|_| Fault::invalid(begin, "A text is not UTF-8."))?;
        let text = if memchr::memchr(b'\\', raw).is_none() {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(unescape(text).map_err(|within| {
                Fault::invalid(
                    begin + within,
                    "A text has a backslash with something behind it that means nothing.",
                )
            })?)
        };
        self.at = at + 1;
        Ok(text)
    }

    /// Takes a number, and with it what some write for those that are none: `NaN`, `Infinity`.
    pub(super) fn number(&mut self) -> Result<&'a [u8], Fault> {
        let begin = self.at;
        let rest = &self.data[begin..];
        for word in ["NaN", "Infinity", "-Infinity"] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                self.ended()?;
                return Ok(&self.data[begin..self.at]);
            }
        }
        if rest.first() == Some(&b'-') {
            self.at += 1;
        }
        match self.digits() {
            0 => return Err(self.wanted("a number")),
            1 => {}
            n if self.data[self.at - n] == b'0' => {
                self.at -= n;
                return Err(Fault::invalid(self.at, "A number begins with a zero that should not be there."));
            }
            _ => {}
        }
        if self.data.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.wanted("a digit"));
            }
        }
        if let Some(b'e' | b'E') = self.data.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.data.get(self.at) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.wanted("a digit"));
            }
        }
        self.ended()?;
        Ok(&self.data[begin..self.at])
    }

    fn digits(&mut self) -> usize {
        let count = self.data[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// Takes a value of any kind, and gives its source.
    pub(super) fn source(&mut self) -> Result<&'a str, Fault> {
        self.blank();
        let begin = self.at;
        self.skip()?;
        std::str::from_utf8(&self.data[begin..self.at])
            .map_err(|_| Fault::invalid(begin, "A value is not UTF-8."))
    }

    fn skip(&mut self) -> Result<(), Fault> {
        match self.start()? {
            Start::Object => {
                self.enter()?;
                let mut first = true;
                while self.key(first)?.is_some() {
                    first = false;
                    self.skip()?;
                }
            }
            Start::Array => {
                self.enter()?;
                let mut first = true;
                while self.element(first)? {
                    first = false;
                    self.skip()?;
                }
            }
            Start::Text => drop(self.text()?),
            Start::Number => drop(self.number()?),
            word => drop(self.word(word)?),
        }
        Ok(())
    }

    /// That nothing follows.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.next() {
            None => Ok(()),
            Some(_) => Err(self.wanted("the end of the value")),
        }
    }
}

/// Puts the characters in that a text names. Half of a pair that has lost its other half is put as the
/// sign for an unknown character. The error is where it cannot be told what is meant.
fn unescape(text: &str) -> Result<String, usize> {
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[from..]) {
        let at = from + found;
        out.push_str(&text[from..at]);
        let (c, length) = match bytes.get(at + 1) {
            Some(b'"') => ('"', 2),
            Some(b'\\') => ('\\', 2),
            Some(b'/') => ('/', 2),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => match unit(bytes, at).ok_or(at)? {
                high @ 0xd800..=0xdbff => match unit(bytes, at + 6) {
                    Some(low @ 0xdc00..=0xdfff) => {
                        let c = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
                    }
                    _ => (char::REPLACEMENT_CHARACTER, 6),
                },
                c => (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            },
            _ => return Err(at),
        };
        out.push(c);
        from = at + length;
    }
    out.push_str(&text[from..]);
    Ok(out)
}

/// The `\u` that begins here.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |n, b| Some(n * 16 + char::from(*b).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), Fault> {
        let mut parser = Parser::new(text.as_bytes());
        parser.source()?;
        parser.end()
    }

    #[test]
    fn valid_and_invalid() {
        for text in [
            "0",
            "-1.5e+3",
            "\"\"",
            "[]",
            "{}",
            " [ 1 , {\"a\" : null} ] ",
            "true",
            "NaN",
            "-Infinity",
            "\"\\u00fc\\n\"",
            "{\"a\":{\"a\":[[]]}}",
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "01",
            "-",
            "1.",
            "1e",
            ".5",
            "+1",
            "tru",
            "truex",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12\"",
            "[1,]",
            "[1 2]",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "{\"a\":}",
            "[",
            "{\"a\":1",
            "'a'",
            "1 2",
            "\"a\nb\"",
            "nulll",
            "[1]]",
            "NaNs",
        ] {
            assert_eq!(check(text).unwrap_err().code, "invalid_json", "{text}");
        }
        assert!(check(&format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH))).is_ok());
        let deep = format!("{}{}", "[".repeat(DEPTH + 1), "]".repeat(DEPTH + 1));
        assert_eq!(check(&deep).unwrap_err().code, "too_deep");
    }

    #[test]
    fn texts_are_unescaped() {
        let text = |t: &str| Parser::new(t.as_bytes()).text().unwrap().into_owned();
        assert_eq!(text(r#""a\"\\\/\b\f\n\r\t""#), "a\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(text(r#""\u00fc\ud83d\ude00\ud83dx""#), "ü😀\u{fffd}x");
    }
}
