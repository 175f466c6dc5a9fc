//! How large each part of a message may be that has no length of its own.

/// The largest head, from the start line to the empty line, in bytes.
pub const MAX_HEAD: usize = 1 << 20;
/// The longest method, in bytes.
pub const MAX_METHOD: usize = 64;
/// The longest line of a chunk's size and extensions, its line end included, in bytes.
pub const MAX_CHUNK_LINE: usize = 16 << 10;
/// The largest trailer section, its last empty line included, in bytes.
pub const MAX_TRAILERS: usize = 64 << 10;
