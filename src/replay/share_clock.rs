//! The schedule of records that a group may take back before they are due, and give again.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::pace::Timeline;
use crate::record::{Block, Revocation};

/// Remembers the timeline as it was before each request that is not due yet.
#[derive(Debug, Default)]
pub(super) struct ShareClock {
    /// What tells whether the present share is to be given up, if there may be others.
    revocation: Option<Arc<Revocation>>,
    /// When requests of it are due, counted from the anchor, and the timeline before each.
    timelines: VecDeque<(u64, Timeline)>,
}

impl ShareClock {
    /// Whether a block is the first of another share than the one before.
    pub(super) fn begins(&mut self, block: &Block) -> bool {
        let now = block.revocation();
        let is_same = match (now, &self.revocation) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (now, before) => now.is_some() == before.is_some(),
        };
        if is_same {
            return false;
        }
        let before = std::mem::replace(&mut self.revocation, now.cloned());
        before.is_some()
    }

    /// Begins with a share. The timeline goes on before the first request that was not due at this time, as that comes
    /// again, here or elsewhere.
    pub(super) fn rewind(&mut self, timeline: &mut Timeline, now: u64) {
        if let Some((_, before)) = self.timelines.drain(..).find(|(due, _)| *due > now) {
            *timeline = before;
        }
    }

    /// Whether timelines are to be remembered.
    pub(super) fn is_asked(&self) -> bool {
        self.revocation.is_some()
    }

    /// Remembers the timeline before a request that is due then.
    pub(super) fn remember(&mut self, due: u64, before: Timeline, now: Option<u64>) {
        while let (Some((due, _)), Some(now)) = (self.timelines.front(), now)
            && *due <= now
        {
            self.timelines.pop_front();
        }
        self.timelines.push_back((due, before));
    }

    /// How much later a request, and all that follow, are due that comes when it was due already: what the group
    /// takes its time for, and partitions that lag behind, are a pause, and no reason to give requests up.
    pub(super) fn pause_before(due: u64, now: u64) -> u64 {
        now.saturating_sub(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Pace;

    fn block(revocation: &Arc<Revocation>) -> Block {
        let mut block = Block::new();
        block.set_revocation(Arc::clone(revocation));
        block
    }

    #[test]
    fn what_was_not_due_when_a_share_changed_is_due_as_if_it_had_not_been_read() {
        let [one, other] = [(); 2].map(|()| Arc::<Revocation>::default());
        let mut clock = ShareClock::default();
        assert!(!clock.begins(&Block::new()) && !clock.is_asked());
        assert!(!clock.begins(&block(&one)), "it is the first");
        assert!(clock.is_asked());
        let mut timeline = Timeline::new(Pace::default());
        for timestamp in [0, 10, 20, 30, 1000] {
            let before = timeline.clone();
            let due = timeline.due(timestamp);
            assert_eq!(ShareClock::pause_before(due, 0), 0);
            clock.remember(due, before, Some(5));
        }
        assert!(!clock.begins(&block(&one)) && clock.begins(&block(&other)));
        clock.rewind(&mut timeline, 20);
        // The share changed from 20 to 45; what is due at 30 comes again then, and what follows 10 later.
        let due = timeline.due(30);
        assert_eq!((due, ShareClock::pause_before(due, 45)), (30, 15));
        let due = timeline.due(40);
        assert_eq!((due, ShareClock::pause_before(due, 30)), (40, 0));
    }

    #[test]
    fn only_what_is_still_to_come_is_remembered() {
        let mut clock = ShareClock::default();
        let timeline = Timeline::new(Pace::default());
        for due in 0..100 {
            clock.remember(due, timeline.clone(), Some(due.saturating_sub(10)));
        }
        assert_eq!(clock.timelines.len(), 10);
    }
}
