//! The format, from outside.

mod meaning;
mod parse;

use super::*;

/// One valid context with something of everything.
pub(super) const EXAMPLE: &str = include_str!("example.md");

pub(super) fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|f| f.code.as_str()).collect()
}

pub(super) fn refused(text: &str) -> Vec<Finding> {
    parse(text).expect_err(text)
}
