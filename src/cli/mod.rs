//! What the binaries share: exit codes, value parsers, option groups.
