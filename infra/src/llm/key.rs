//! Keys of providers.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error as _};

/// The shortest and the longest key, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=1_024;

/// What opens a provider's door. Neither `Debug` nor any error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// What is given is no key. It is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is text of 8 to 1,024 letters, digits and signs, without spaces")]
pub struct InvalidKey;

impl Key {
    /// A key, without the white space that comes along with copying.
    ///
    /// # Errors
    /// When it could not stand in a header, or is too short or too long to be one.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        let text = text.trim();
        if !LENGTH.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidKey);
        }
        Ok(Self(text.to_owned()))
    }

    /// The key itself, to be sent or sealed.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its last four characters, by which its owner knows it again.
    pub fn ending(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// From text. What is no key is refused without being shown, as the usual errors would.
impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer).map_err(|_| D::Error::custom(InvalidKey))?;
        value.as_str().and_then(|text| Self::new(text).ok()).ok_or_else(|| D::Error::custom(InvalidKey))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_trimmed_and_bounded() {
        let key = Key::new(" sk-abcdef1234\n").unwrap();
        assert_eq!((key.reveal(), key.ending()), ("sk-abcdef1234", "1234"));
        for bad in ["", "short", "sk-abc def-1234", "sk-äöü-12345", &"x".repeat(1_025)] {
            assert_eq!(Key::new(bad), Err(InvalidKey), "{bad}");
        }
    }

    #[test]
    fn is_shown_nowhere() {
        assert_eq!(format!("{:?}", Key::new("sk-abcdef1234").unwrap()), "Key(..)");
        for text in ["12345678901", "[\"sk-abcdef1234\"]", "\"sk abcdef1234\"", "{\"sk-abcdef1234\": 1}"] {
            let error = serde_json::from_str::<Key>(text).unwrap_err().to_string();
            assert!(!error.contains("123456") && !error.contains("abcdef"), "{error}");
        }
        assert!(serde_json::from_str::<Key>("\"sk-abcdef1234\"").is_ok());
    }
}
