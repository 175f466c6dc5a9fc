//! HTTP/1 as bytes, without I/O: head views and framing (RFC 9112).
