//! Rows as delimited text.

use std::io::Write;

use super::{Answer, EncodeError};

impl Answer {
    /// The rows as CSV with a header, in UTF-8.
    ///
    /// # Errors
    ///
    /// When a value has no text form.
    pub fn to_csv(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        self.write_csv(&mut out)?;
        Ok(out)
    }

    /// The same, written as it comes: a missing value is nothing between two commas, an empty text `""`.
    ///
    /// # Errors
    ///
    /// When a value has no text form or `out` fails.
    pub fn write_csv(&self, out: &mut dyn Write) -> Result<(), EncodeError> {
        let _ = out;
        Err(EncodeError("not wired up yet".into()))
    }
}
