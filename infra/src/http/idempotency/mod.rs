//! `Idempotency-Key`: a repeated request gets the first one's answer.

mod key;

pub use key::IdempotencyKey;
