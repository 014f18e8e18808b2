//! Answers as Arrow and Parquet.

use super::{Answer, EncodeError};

impl Answer {
    /// The rows as a Parquet file.
    ///
    /// # Errors
    ///
    /// When a type has no Parquet form.
    pub fn to_parquet(&self) -> Result<Vec<u8>, EncodeError> {
        Err(EncodeError("not wired up yet".into()))
    }

    /// The whole answer as an Arrow IPC stream, which [`Answer::from_arrow_stream`] reads back.
    ///
    /// # Errors
    ///
    /// When a type has no Arrow IPC form.
    pub fn to_arrow_stream(&self) -> Result<Vec<u8>, EncodeError> {
        Err(EncodeError("not wired up yet".into()))
    }

    /// Reads back what [`Answer::to_arrow_stream`] wrote.
    ///
    /// # Errors
    ///
    /// When the bytes are something else.
    pub fn from_arrow_stream(bytes: &[u8]) -> Result<Self, EncodeError> {
        let _ = bytes;
        Err(EncodeError("not wired up yet".into()))
    }
}
