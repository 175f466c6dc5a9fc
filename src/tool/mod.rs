//! The tools, one file each, all in one form: `Args` has the options, `run` does what they mean.

pub mod filter;
pub mod gor;
pub mod merge;
pub mod record;
pub mod replay;
pub mod report;
pub mod rewrite;
pub mod show;
