//! What the tests of all tools share.

pub(crate) mod program;
