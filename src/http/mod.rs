//! HTTP/1 on bytes, without I/O: views of heads, incremental framing, and what else the bytes may be.
//!
//! Everything here takes slices and returns values, so that capture, filters and replay read HTTP with one
//! set of rules (RFC 9110, RFC 9112). Nothing is re-serialised: views keep the case, the order and the odd
//! bytes that were on the wire.

pub mod auth;
pub mod body;
mod bounds;
pub mod chunked;
pub mod coding;
pub mod edit;
mod fault;
pub mod framing;
pub mod head;
pub mod message;
pub mod query;
pub mod recognise;
pub mod resync;
mod token;

pub use fault::FramingFault;
pub use framing::{BodyLength, Framer, RequestContext, Step};
pub use head::{Field, Head, HeadPart, HeadShape, RequestLine, StatusLine, request_line, status_line};
pub use recognise::{Recognised, recognise};
pub use resync::{starts_request, starts_response};
pub use token::{is_token, is_token_byte};
