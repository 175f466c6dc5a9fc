//! Tests that cannot run on this machine: what they lack is said, or is a failure where nothing may be lacking.

/// Says what a test lacks, that its caller then leaves out. With `GOR_TEST_NO_SKIP` set, as `.ci/run` does, it fails.
#[track_caller]
pub(crate) fn skip(lacking: impl std::fmt::Display) {
    let may_skip = std::env::var_os("GOR_TEST_NO_SKIP").is_none_or(|value| value.is_empty());
    assert!(may_skip, "GOR_TEST_NO_SKIP is set, and this test cannot run: {lacking}");
    eprintln!("skipped: {lacking}");
}

/// Says what this machine's kernel lacks, which nobody can install.
pub(crate) fn skip_for_kernel(lacking: impl std::fmt::Display) {
    eprintln!("skipped: {lacking}");
}
