//! Numbers that may be none, written as answers write them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use crate::answer::number;

pub(super) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(number).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        // What Rust reads as a number holds the names of those that are none.
        Some(Value::String(name)) => name.parse().map(Some).map_err(D::Error::custom),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| D::Error::custom("not a number")),
    }
}
