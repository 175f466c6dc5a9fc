//! What a transform is to the copy loop: work on any thread, between steps in order.
//!
//! ```text
//! Worker::work ─► Stage::emit … Stage::finish
//! any thread      writing thread
//! in any order    in order
//! ```
//!
//! A block's notes go with it all the way: what one step finds out, the next
//! reads there. Blocks and notes are used again, so each step replaces what
//! an earlier block left in them.

use crate::Result;
use crate::record::{Block, Sink};

/// A transform of a stream of blocks: its part on the writing thread, which
/// makes the workers.
pub trait Stage {
    /// What the steps find out about one block, handed from one to the next.
    type Notes: Default + Send + 'static;
    /// The step on any thread.
    type Worker: Worker<Self::Notes> + Send + 'static;

    /// A worker. Each thread gets its own.
    fn worker(&self) -> Self::Worker;

    /// Takes a block after the work, in order, and writes what goes on.
    ///
    /// To keep the block, put another in its place: whatever stands there is
    /// read into next. What is kept is for the stage to bound.
    fn emit(&mut self, block: &mut Block, notes: &mut Self::Notes, sink: &mut dyn Sink) -> Result<()>;

    /// Whether no later block can change the output. Nothing is read then.
    fn is_over(&self) -> bool {
        false
    }

    /// Whether records that came are kept, and may still be written: they are not handled yet.
    fn keeps_records(&self) -> bool {
        false
    }

    /// Writes what was kept: there are no more blocks. The sink is finished
    /// by the caller.
    fn finish(&mut self, _sink: &mut dyn Sink) -> Result<()> {
        Ok(())
    }
}

/// What is done to one block without knowing the others.
pub trait Worker<N> {
    /// Looks at the block, or replaces what is in it, and leaves notes.
    fn work(&mut self, block: &mut Block, notes: &mut N);
}

/// Nothing is done to the block.
impl<N> Worker<N> for () {
    fn work(&mut self, _: &mut Block, _: &mut N) {}
}

/// A stage that writes all as it comes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass {
    /// Records written.
    pub written: u64,
}

impl Stage for Pass {
    type Notes = ();
    type Worker = ();

    fn worker(&self) {}

    fn emit(&mut self, block: &mut Block, (): &mut (), sink: &mut dyn Sink) -> Result<()> {
        sink.write_block(block)?;
        self.written += block.len() as u64;
        Ok(())
    }
}
