//! Whether what a context speaks of is there.

use crate::context::catalog::Catalog;
use crate::context::finding::Finding;
use crate::context::model::Context;

pub(super) fn check(_context: &Context, _catalog: &Catalog, _findings: &mut Vec<Finding>) {}
