//! How many file descriptors this process may have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process open as many descriptors as it is allowed to. Where
/// that is refused, the limit in force holds, and is counted when reached.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        // As said above.
    }
}

/// The descriptors that this process may have; `None` where there is no limit.
pub(super) fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
