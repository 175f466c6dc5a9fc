//! How many file descriptors this process may have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process open as many descriptors as it is allowed to, and tells how many; `None` where there is no limit.
/// Where raising the limit is refused, the one in force holds.
pub fn raise_descriptor_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What is in force then is asked below.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}
