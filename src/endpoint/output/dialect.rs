//! Whose habits outputs follow.

/// Whose habits are followed where they differ.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// Ours: a chunk's number stands before all extensions, times are UTC, and a size is never exceeded.
    #[default]
    Unix,
    /// GoReplay's: the number stands before the last extension, times are local, and the record that exceeds the whole
    /// size is the last one.
    GoReplay,
}
