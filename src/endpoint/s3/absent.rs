//! What a build without S3 says.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::index::Index;
use super::super::reading::{ReadOptions, TimeWindow};
use super::{Object, S3Options};
use crate::{Error, Result};

/// No S3.
#[derive(Debug, Default)]
pub(in super::super) struct Store;

#[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "it is called as in a build with S3")]
impl Store {
    pub(in super::super) fn new(_: S3Options, _: Option<fn(&dyn std::fmt::Display)>) -> Self {
        Store
    }

    pub(in super::super) fn leave_at(&self, _: &Arc<AtomicBool>) {}

    pub(in super::super) fn expand(&self, name: &str, _: TimeWindow) -> Result<Vec<(Arc<Object>, bool)>> {
        Err(Error::Usage(format!("{name}: this build has no S3: build with --features s3")))
    }

    pub(in super::super) fn look_for(&self, name: &str) -> Result<Option<bool>> {
        Err(Error::Usage(format!("{name}: this build has no S3: build with --features s3")))
    }

    pub(in super::super) fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.look_for(name).map(|_| None)
    }

    pub(in super::super) fn put(&self, name: &str, _: &[u8], _: &str, _: bool, _: bool) -> Result<()> {
        self.look_for(name).map(drop)
    }

    pub(in super::super) fn size(&self, object: &Object) -> Result<u64> {
        Err(Error::Usage(format!("{object}: this build has no S3: build with --features s3")))
    }

    pub(in super::super) fn index(&self, _: &Object) -> Result<Option<Index>> {
        Ok(None)
    }

    pub(in super::super) fn open(
        &self,
        object: &Arc<Object>,
        _: Option<std::ops::Range<u64>>,
        _: &ReadOptions,
    ) -> Result<std::io::Empty> {
        self.size(object).map(|_| std::io::empty())
    }
}
