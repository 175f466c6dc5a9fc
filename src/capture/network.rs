//! What is recorded from the network, by one thread or by several.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::live::{Live, Setup, Watch};
use super::recorder_pool::RecorderPool;
use super::{CaptureLedger, CaptureOptions};
use crate::Result;
use crate::packet::PacketBatch;
use crate::packet::live::{TapShare, Wire};
use crate::record::{Block, Intake};

/// A recording of the network that is going on.
pub struct NetworkRecording {
    scope: String,
    warnings: Vec<String>,
    intake: Intake,
    threads: Threads,
}

enum Threads {
    /// The one that asks.
    Own(Box<Live>),
    Several(Box<RecorderPool>),
}

impl NetworkRecording {
    /// Begins to record, at `options.addresses`, by this many threads. Several share the connections.
    pub fn open(
        options: CaptureOptions,
        watch: &Watch,
        threads: usize,
        is_stopping: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let (setup, taps) = Setup::new(options, watch.clone(), Arc::clone(is_stopping))?;
        let scope = setup.scope();
        let mut warnings = Vec::new();
        let threads = if threads <= 1 {
            let live = setup.begin(Wire::open(taps, &watch.wire)?)?;
            warnings.extend_from_slice(live.warnings());
            Threads::Own(Box::new(live))
        } else {
            let shares = TapShare::open(&taps, &watch.wire, threads)?;
            Threads::Several(Box::new(RecorderPool::new(setup, shares, watch.wire.clone())))
        };
        Ok(NetworkRecording { scope, warnings, intake: Intake::default(), threads })
    }

    /// Whose traffic it records, in one line.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// What is not as it was asked for, though it records.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Takes the records that packets have completed, and waits for packets if there are none: at most for
    /// [`live::Options::buffer_timeout`](crate::packet::live::LiveOptions). False: it has ended. The block may be empty
    /// meanwhile.
    ///
    /// After an error the block holds what was seen just before, and the next calls give what was under way.
    pub fn poll(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        let polled = match &mut self.threads {
            Threads::Own(live) => live.poll(block),
            Threads::Several(pool) => pool.poll(block),
        };
        block.continue_after(self.intake.records, self.intake.bytes);
        self.intake.records += block.len() as u64;
        self.intake.bytes += block.bytes().len() as u64;
        polled
    }

    /// The packets at the addresses to record at, and fragments that may be of them, that came since this was emptied:
    /// none unless [`Watch::keeps_packets`].
    pub fn kept(&mut self) -> &mut PacketBatch {
        match &mut self.threads {
            Threads::Own(live) => live.kept(),
            Threads::Several(pool) => pool.kept(),
        }
    }

    /// What was recorded so far.
    pub fn intake(&self) -> Intake {
        self.intake
    }

    /// What the user should know at once, when there is something.
    pub fn warning(&mut self) -> Option<String> {
        match &mut self.threads {
            Threads::Own(live) => live.warning(),
            Threads::Several(pool) => pool.warning(),
        }
    }

    /// How long ago the latest packet looked at was seen by the kernel, if more may wait; else nothing.
    pub fn lag(&self) -> Duration {
        match &self.threads {
            Threads::Own(live) => live.lag(),
            Threads::Several(pool) => pool.lag(),
        }
    }

    /// What became of everything so far; of several threads, as of half a second ago while they run.
    pub fn ledger(&mut self) -> Result<CaptureLedger> {
        match &mut self.threads {
            Threads::Own(live) => live.ledger(),
            Threads::Several(pool) => Ok(pool.ledger()),
        }
    }
}
