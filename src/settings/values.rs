//! How values of options are written: sizes, times, addresses; and how addresses are shown.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer};
use weir_infra::{llm, telemetry};

/// A value that is never printed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A number of bytes: `512MiB`, `2GB`, `1000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(super) u64);

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size such as 512MiB, 2GB or 1000");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let factor = match unit {
            "" | "B" => 1,
            "KiB" | "K" => 1 << 10,
            "MiB" | "M" => 1 << 20,
            "GiB" | "G" => 1 << 30,
            "TiB" | "T" => 1 << 40,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

/// A span of time: `30s`, `500ms`, `5m`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(pub(super) Duration);

impl FromStr for Period {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a time such as 30s, 500ms or 5m");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(factor).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(wrong)
    }
}

/// A number and its unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// IP addresses with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses(pub(super) Vec<IpAddr>);

impl FromStr for Addresses {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |one: &str| one.parse().map_err(|_| format!("`{one}` is not an IP address"));
        text.split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogFormat(pub(super) telemetry::Format);

impl FromStr for LogFormat {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

/// How a language model is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelDialect(pub(super) llm::Dialect);

impl FromStr for ModelDialect {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

/// `true` or `false`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct YesOrNo(pub(super) bool);

impl FromStr for YesOrNo {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is neither true nor false"))
    }
}

/// In the file a size or time is text, and a size may be a plain number.
macro_rules! deserialize_from_text {
    ($($kind:ty),*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum Given { Flag(bool), Number(u64), Text(String) }
                let text = match Given::deserialize(deserializer)? {
                    Given::Flag(flag) => flag.to_string(),
                    Given::Number(number) => number.to_string(),
                    Given::Text(text) => text,
                };
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
deserialize_from_text!(Bytes, Period, Addresses, LogFormat, ModelDialect, YesOrNo);

/// An address, or several with commas between, with passwords and tokens masked, for people to read.
pub(crate) fn masked(urls: &str) -> String {
    urls.split(',').map(masked_one).collect::<Vec<_>>().join(",")
}

fn masked_one(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    // A query may hold a password as well.
    let path = path.split('?').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        None => format!("{scheme}://{authority}{path}"),
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:***@{host}{path}"),
            None => format!("{scheme}://***@{host}{path}"),
        },
    }
}
