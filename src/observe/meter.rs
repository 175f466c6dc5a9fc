//! How much was read so far, counted by whoever reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that several threads add to, and one draws.
#[derive(Debug, Default)]
pub struct Meter {
    bytes: AtomicU64,
    records: AtomicU64,
    /// All the bytes there are; 0 where that is not known.
    total: AtomicU64,
}

impl Meter {
    /// Bytes read from places, as they lie there: compressed ones compressed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Records read.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Size of all places together, if each has one.
    pub fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|&total| total > 0)
    }

    /// Counts bytes that were read.
    pub fn add_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts records that were read.
    pub fn add_records(&self, count: u64) {
        self.records.fetch_add(count, Ordering::Relaxed);
    }

    /// Says how many bytes there are. None: nobody knows.
    pub fn set_total(&self, total: Option<u64>) {
        self.total.store(total.unwrap_or(0), Ordering::Relaxed);
    }
}
