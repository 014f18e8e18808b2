//! The contract suite for event logs.
