//! Objects of S3 and of servers that speak its protocol, as places to read and to write.

#[cfg(feature = "s3")]
mod client;
#[cfg(feature = "s3")]
mod listing;
#[cfg(feature = "s3")]
mod location;
#[cfg(feature = "s3")]
mod reader;
#[cfg(feature = "s3")]
mod single;
#[cfg(feature = "s3")]
pub(super) mod spool;
#[cfg(feature = "s3")]
mod store;
#[cfg(feature = "s3")]
mod trouble;
#[cfg(feature = "s3")]
mod upload;
#[cfg(feature = "s3")]
pub(super) mod uploader;
#[cfg(feature = "s3")]
mod watch;

#[cfg(not(feature = "s3"))]
mod absent;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
#[cfg(feature = "s3")]
use std::sync::OnceLock;

#[cfg(not(feature = "s3"))]
pub(super) use absent::Store;
#[cfg(feature = "s3")]
pub(super) use store::Store;

/// How a name of S3 begins.
pub(super) const SCHEME: &str = "s3://";

/// How objects are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct S3Options {
    /// Most requests at a time.
    pub fetch: NonZeroUsize,
    /// Whether requests are sent without credentials.
    pub is_anonymous: bool,
}

impl Default for S3Options {
    fn default() -> Self {
        S3Options { fetch: NonZeroUsize::MIN.saturating_add(3), is_anonymous: false }
    }
}

/// An object, and what is known of it.
#[derive(Clone, Debug)]
pub struct Object {
    bucket: Arc<str>,
    key: String,
    #[cfg(feature = "s3")]
    found: OnceLock<Found>,
}

/// What the server has said of an object.
#[cfg(feature = "s3")]
#[derive(Clone, Debug, Eq, PartialEq)]
struct Found {
    size: u64,
    etag: String,
    /// Whether there is an index beside it, where that is known.
    has_index: Option<bool>,
}

impl Object {
    /// What the server calls this version of it; nothing before its size was asked for.
    pub(super) fn etag(&self) -> &str {
        #[cfg(feature = "s3")]
        return self.found.get().map_or("", |found| &found.etag);
        #[cfg(not(feature = "s3"))]
        ""
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        (&self.bucket, &self.key) == (&other.bucket, &other.key)
    }
}

impl Eq for Object {}

impl std::hash::Hash for Object {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.bucket, &self.key).hash(state);
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}
