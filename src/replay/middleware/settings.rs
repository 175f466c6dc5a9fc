//! Which child, and what is asked of it.

use crate::middleware::{Command, MiddlewareOptions};

/// Which child, and what is asked of it.
#[derive(Clone, Debug)]
pub struct MiddlewareSettings {
    /// What is run.
    pub command: Command,
    /// How long it may do nothing, what it may write, and whether it may drop records.
    pub options: MiddlewareOptions,
}
