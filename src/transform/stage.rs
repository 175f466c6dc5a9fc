//! What a transform is to the copy loop: work on any thread, between steps in order.
//!
//! ```text
//! Scout::prepare ─► Worker::work ─► Stage::emit … Stage::finish
//! reading thread    any thread      writing thread
//! in order          in any order    in order
//! ```
//!
//! A block's notes go with it all the way: what one step finds out, the next
//! reads there. Blocks and notes are used again, so each step replaces what
//! an earlier block left in them.

use crate::Result;
use crate::record::{Block, Sink};

/// A transform of a stream of blocks: its part on the writing thread, which
/// makes the two others.
pub trait Stage {
    /// What the steps find out about one block, handed from one to the next.
    type Notes: Default + Send + 'static;
    /// The step in order before the work; `()` where there is none.
    type Scout: Scout<Self::Notes> + Send + 'static;
    /// The step on any thread.
    type Worker: Worker<Self::Notes> + Send + 'static;

    /// The one scout. Asked for once, before the first block.
    fn scout(&mut self) -> Self::Scout;

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

    /// Writes what was kept: there are no more blocks. The sink is finished
    /// by the caller.
    fn finish(&mut self, _sink: &mut dyn Sink) -> Result<()> {
        Ok(())
    }
}

/// What must be known of the blocks before in order to work on one.
///
/// It runs on the thread that reads, which all others wait for: it should
/// look at little.
pub trait Scout<N> {
    /// Goes over a block, in order, and notes what its worker needs.
    fn prepare(&mut self, block: &Block, notes: &mut N);
}

/// Nothing needs to be known.
impl<N> Scout<N> for () {
    fn prepare(&mut self, _: &Block, _: &mut N) {}
}

/// What is done to one block without knowing the others.
pub trait Worker<N> {
    /// Looks at the block, or replaces what is in it, and leaves notes.
    fn work(&mut self, block: &mut Block, notes: &mut N);
}
