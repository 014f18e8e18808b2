//! The engine over a real blob store in a folder.

mod checking;
mod columnar;
mod contexts;
mod corpus;
mod excel;
mod files;
mod growth_and_overflow;
mod hostile;
mod json;
mod limits;
mod memberships;
mod queries;
mod roundtrip;
mod sandbox;
mod support;
mod types;
