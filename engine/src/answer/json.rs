//! Rows as JSON.

use serde_json::Value;

use super::{Answer, EncodeError};

impl Answer {
    /// The rows, each an array of values in column order.
    ///
    /// Integers and floats are numbers (`NaN` and infinities are null), decimals are strings so that
    /// no digit is lost, dates are `2013-01-31`, timestamps `2013-01-31T05:00:00`, with zone in UTC
    /// with a `Z`; binary is base64, lists are arrays, structs objects.
    ///
    /// # Errors
    ///
    /// When a value has no text form.
    pub fn to_json_rows(&self) -> Result<Vec<Vec<Value>>, EncodeError> {
        Err(EncodeError("not wired up yet".into()))
    }
}
