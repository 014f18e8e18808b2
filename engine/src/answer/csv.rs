//! Rows as delimited text.

use std::io::Write;

use serde_json::Value;

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

    /// The same, written as it comes: a missing value is nothing between two commas, an empty text is
    /// `""`, floats may be `NaN`, `Infinity` and `-Infinity`, lists and structs are JSON.
    ///
    /// # Errors
    ///
    /// When a value has no text form or `out` fails.
    pub fn write_csv(&self, out: &mut dyn Write) -> Result<(), EncodeError> {
        let mut line = Vec::new();
        for (i, field) in self.schema.fields().iter().enumerate() {
            if i > 0 {
                line.push(b',');
            }
            push_text(&mut line, field.name());
        }
        line.push(b'\n');
        out.write_all(&line)?;
        self.each_row(|row| {
            line.clear();
            for (i, value) in row.iter().enumerate() {
                if i > 0 {
                    line.push(b',');
                }
                match value {
                    Value::Null => {}
                    Value::String(text) => push_text(&mut line, text),
                    Value::Array(_) | Value::Object(_) => push_text(&mut line, &value.to_string()),
                    other => line.extend_from_slice(other.to_string().as_bytes()),
                }
            }
            line.push(b'\n');
            Ok(out.write_all(&line)?)
        })
    }
}

/// Quoted where it would be read as something else otherwise.
fn push_text(line: &mut Vec<u8>, text: &str) {
    let special = |b: u8| matches!(b, b',' | b'"' | b'\n' | b'\r');
    let blank = |c: char| c == ' ' || c == '\t';
    if text.is_empty() || text.bytes().any(special) || text.starts_with(blank) || text.ends_with(blank) {
        line.push(b'"');
        line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        line.push(b'"');
    } else {
        line.extend_from_slice(text.as_bytes());
    }
}
