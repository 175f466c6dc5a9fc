//! How far a source was read, to be told to it once the records up to there were handled.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;

/// For each part of a source, a position in it: that of a message, or of the one that comes next.
pub type PartPositions = BTreeMap<i32, i64>;

/// What of a source was not handled, among what was read of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OpenPositions {
    /// In each part, the position of the first record that was not handled.
    pub first: PartPositions,
    /// In each part, the positions behind that of records that were handled all the same, in order.
    pub handled_behind: BTreeMap<i32, Vec<i64>>,
}

/// A place in a source that remembers what was handled, as a group of readers of Kafka does.
pub trait Checkpoint: Send {
    /// Which source it is of. A later one of the same source stands for those before it.
    fn source(&self) -> usize;

    /// Has the source remember that all records up to here were handled: written and flushed, or replayed.
    fn commit(&self) -> Result<()> {
        self.commit_before(&OpenPositions::default()).map(|_| ())
    }

    /// The same, without the records that are not handled. Gives how many of those that were handled behind one that
    /// was not the source cannot remember: they come again.
    fn commit_before(&self, open: &OpenPositions) -> Result<u64>;

    /// The part and the position in it of the block's record of this index. None: the source has taken it back, and
    /// it is handled elsewhere.
    fn position(&self, record: usize) -> Option<(i32, i64)>;

    /// Whether others have its records, and it cannot be told any more what of them was handled.
    fn is_lost(&self) -> bool;

    /// Whether the source wants its records back, and waits for those that are under way.
    fn is_revoked(&self) -> bool;

    /// Tells a source that wants its records back that none is under way, and what was handled is committed.
    fn release(&self);

    /// Tells the source that nothing more will be handled.
    fn close(&self);
}

impl std::fmt::Debug for dyn Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "checkpoint of source {:x}", self.source())
    }
}

/// Whether a source wants records back that it has handed out, as others are to handle them.
#[derive(Debug, Default)]
pub struct Revocation(AtomicBool);

impl Revocation {
    /// What was not begun by now is not to be begun.
    pub fn revoke(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether that is so.
    pub fn is_revoked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Checkpoints that wait until what was read before them is written.
#[derive(Default)]
pub struct Checkpoints {
    waiting: Vec<Box<dyn Checkpoint>>,
}

impl Checkpoints {
    /// Adds one.
    pub fn add(&mut self, checkpoint: Box<dyn Checkpoint>) {
        match self.waiting.iter_mut().find(|waiting| waiting.source() == checkpoint.source()) {
            Some(waiting) => *waiting = checkpoint,
            None => self.waiting.push(checkpoint),
        }
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Has all sources remember: what was read before these was handled.
    pub fn commit(&mut self) -> Result<()> {
        self.waiting.drain(..).try_for_each(|checkpoint| checkpoint.commit())
    }
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} checkpoints", self.waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct ToldCheckpoint(usize, &'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Checkpoint for ToldCheckpoint {
        fn source(&self) -> usize {
            self.0
        }

        fn commit_before(&self, _: &OpenPositions) -> Result<u64> {
            self.2.lock().expect("nobody panicked").push(self.1);
            Ok(0)
        }

        fn position(&self, _: usize) -> Option<(i32, i64)> {
            None
        }

        fn is_lost(&self) -> bool {
            false
        }

        fn is_revoked(&self) -> bool {
            false
        }

        fn release(&self) {}

        fn close(&self) {}
    }

    #[test]
    fn the_latest_of_each_source_is_told_once() {
        let told = Arc::default();
        let mut checkpoints = Checkpoints::default();
        for (source, name) in [(1, "a"), (2, "b"), (1, "c")] {
            checkpoints.add(Box::new(ToldCheckpoint(source, name, Arc::clone(&told))));
        }
        assert!(!checkpoints.is_empty());
        checkpoints.commit().expect("they are told");
        checkpoints.commit().expect("there is none");
        assert!(checkpoints.is_empty());
        assert_eq!(*told.lock().expect("nobody panicked"), ["c", "b"]);
    }
}
