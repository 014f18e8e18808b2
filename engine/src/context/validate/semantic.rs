//! What the parts of a context mean together.

use crate::context::finding::Finding;
use crate::context::model::Context;

pub(super) fn check(_context: &Context, _findings: &mut Vec<Finding>) {}
