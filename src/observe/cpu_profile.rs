//! Where the processor's time goes: the stacks of running threads, a hundred times a second.

use std::io;
use std::path::Path;

use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::heap_profile::write_profile;

/// Samples a second of the processor's time. Not 100, so that what happens by the clock is not always met, or never.
const FREQUENCY: i32 = 99;

/// Libraries inside which no sample is taken: to unwind the stack there is not safe.
const LEFT_OUT: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// A profile that is being made. There is one at a time.
pub struct CpuProfile(ProfilerGuard<'static>);

impl std::fmt::Debug for CpuProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CpuProfile")
    }
}

impl CpuProfile {
    /// Begins. Nothing goes on until then, and no thread is started.
    pub fn start() -> io::Result<Self> {
        let builder = ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&LEFT_OUT);
        match builder.build() {
            Ok(guard) => Ok(CpuProfile(guard)),
            Err(pprof::Error::Running) => Err(io::ErrorKind::ResourceBusy.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// The profile in the format of pprof: protocol buffers, gzipped.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        let profile = self.0.report().build().and_then(|report| report.pprof());
        write_profile(profile.map_err(io::Error::other)?)
    }
}

/// Has the files that profiles need meanwhile made in this folder, and the names of functions found before the file
/// system is given up. Called once.
pub fn prepare_profiles(folder: &Path) {
    // It fails where a folder was chosen already, which then stays.
    let _ = tempfile::env::override_temp_dir(folder);
    // A name in the program and one in the C library: each is read and kept at the first.
    for address in
        [prepare_profiles as fn(&Path) as usize, libc::getpid as unsafe extern "C" fn() -> i32 as usize]
    {
        backtrace::resolve(std::ptr::without_provenance_mut(address), |_| {});
    }
}
