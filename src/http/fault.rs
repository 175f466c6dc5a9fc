//! Which rule of HTTP/1 a message breaks so badly that its end cannot be known.

use std::fmt;

use super::bounds::{MAX_CHUNK_LINE, MAX_HEAD, MAX_METHOD, MAX_TRAILERS};

/// Why framing stopped. Its text is lower case and names the rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FramingFault {
    /// RFC 9110 §9.1: the method is a token. Ours is also at most [`MAX_METHOD`] bytes long.
    Method,
    /// RFC 9112 §3: method, target, and a version that is HTTP/1.x. An HTTP/0.9 request lacks the version.
    RequestLine,
    /// RFC 9112 §4: a version that is HTTP/1.x, and three digits.
    StatusLine,
    /// The head does not end within [`MAX_HEAD`] bytes.
    HeadTooLarge,
    /// RFC 9112 §6.3, rule 5: a Content-Length that is not a number, or one beyond 64 bits.
    ContentLength,
    /// RFC 9112 §6.3, rule 4: a request whose last transfer coding is not chunked has no end.
    TransferCoding,
    /// RFC 9112 §7.1: a chunk begins with its size in hexadecimal digits.
    ChunkSize,
    /// RFC 9112 §7.1: a chunk size beyond 64 bits.
    ChunkSizeOverflow,
    /// The line of a chunk's size and extensions is longer than [`MAX_CHUNK_LINE`].
    ChunkLineTooLong,
    /// RFC 9112 §7.1: a line end follows the data of a chunk.
    ChunkEnd,
    /// The trailer section is larger than [`MAX_TRAILERS`].
    TrailersTooLarge,
}

impl fmt::Display for FramingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FramingFault::Method => write!(f, "the method is not a token of at most {MAX_METHOD} bytes"),
            FramingFault::RequestLine => {
                f.write_str("the request line is not a method, a target and HTTP/1.x")
            }
            FramingFault::StatusLine => f.write_str("the status line is not HTTP/1.x and three digits"),
            FramingFault::HeadTooLarge => write!(f, "the head is larger than {MAX_HEAD} bytes"),
            FramingFault::ContentLength => f.write_str("the content-length is not a number of 64 bits"),
            FramingFault::TransferCoding => {
                f.write_str("the last transfer coding of a request is not chunked")
            }
            FramingFault::ChunkSize => f.write_str("a chunk size is not hexadecimal digits"),
            FramingFault::ChunkSizeOverflow => f.write_str("a chunk size does not fit 64 bits"),
            FramingFault::ChunkLineTooLong => {
                write!(f, "a chunk size line is longer than {MAX_CHUNK_LINE} bytes")
            }
            FramingFault::ChunkEnd => f.write_str("no line end follows the data of a chunk"),
            FramingFault::TrailersTooLarge => {
                write!(f, "the trailer section is larger than {MAX_TRAILERS} bytes")
            }
        }
    }
}

impl std::error::Error for FramingFault {}
