//! Whose habits are followed.

/// Whose habits are followed where they differ.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// Ours. A chunk's number stands before all extensions, times are UTC, and a size is never exceeded. Rules treat all
    /// lines of a header alike, write names as they were given, and keep queries tidy.
    #[default]
    Unix,
    /// GoReplay's. The number stands before the last extension, times are local, and the record that exceeds the whole
    /// size is the last one. A header that is set keeps the name and the white space it has, of several lines the first
    /// is rewritten, an empty header is no value to limit by, and a parameter is one that has a `=`.
    GoReplay,
}
