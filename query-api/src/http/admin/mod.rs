//! What the owner of the installation sees of it. Nothing here belongs to a workspace.

pub(crate) mod dead_letters;
pub(crate) mod projections;
