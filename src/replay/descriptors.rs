//! How many file descriptors this process may have.

use rustix::process::{Resource, getrlimit};

/// The descriptors that this process may have; `None` where there is no limit.
pub(super) fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
