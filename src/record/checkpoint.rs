//! How far a source was read, to be told to it once the records up to there were handled.

use crate::Result;

/// A place in a source that remembers what was handled, as a group of readers of Kafka does.
pub trait Checkpoint: Send {
    /// Which source it is of. A later one of the same source stands for those before it.
    fn source(&self) -> usize;

    /// Has the source remember that all records up to here were handled: written and flushed, or replayed.
    fn commit(&self) -> Result<()>;
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

    struct Told(usize, &'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Checkpoint for Told {
        fn source(&self) -> usize {
            self.0
        }

        fn commit(&self) -> Result<()> {
            self.2.lock().expect("nobody panicked").push(self.1);
            Ok(())
        }
    }

    #[test]
    fn the_latest_of_each_source_is_told_once() {
        let told = Arc::default();
        let mut checkpoints = Checkpoints::default();
        for (source, name) in [(1, "a"), (2, "b"), (1, "c")] {
            checkpoints.add(Box::new(Told(source, name, Arc::clone(&told))));
        }
        assert!(!checkpoints.is_empty());
        checkpoints.commit().expect("they are told");
        checkpoints.commit().expect("there is none");
        assert!(checkpoints.is_empty());
        assert_eq!(*told.lock().expect("nobody panicked"), ["c", "b"]);
    }
}
