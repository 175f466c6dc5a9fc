//! A list in which what comes is put in by its start, in few steps however long the list is.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// No slot.
const NONE: u32 = u32::MAX;

/// A list of contents that each have a start, put in behind the last one that does not start later.
///
/// It is in order of starts as long as nothing is put before the first by [`Sequence::push_front`], which may start
/// later than what is behind it.
///
/// The list is the order from left to right of a binary tree, each part of which knows its least start. Priorities
/// drawn at random keep the tree about as deep as the logarithm of its size, as starts are the choice of strangers
/// (a treap: Seidel and Aragon, 1996); the list is the same whatever they are.
#[derive(Debug)]
pub(super) struct Sequence<C> {
    hasher: RandomState,
    slots: Vec<SequenceSlot<C>>,
    root: u32,
    /// The first of the list.
    first: u32,
    /// The first free slot.
    free: u32,
    inserted: u64,
    /// Slots looked at, which a test holds against what was put in.
    #[cfg(test)]
    pub(super) examined: std::cell::Cell<usize>,
}

#[derive(Debug)]
struct SequenceSlot<C> {
    start: i64,
    /// The least start of it and of all below it.
    least: i64,
    priority: u64,
    above: u32,
    /// What is before it and after it of what is below it. In a free slot, the next free one is the first.
    below: [u32; 2],
    content: Option<C>,
}

impl<C> Sequence<C> {
    pub(super) fn new() -> Self {
        Sequence {
            hasher: RandomState::default(),
            slots: Vec::new(),
            root: NONE,
            first: NONE,
            free: NONE,
            inserted: 0,
            #[cfg(test)]
            examined: std::cell::Cell::default(),
        }
    }

    /// The slot of the first.
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    pub(super) fn get(&self, slot: u32) -> Option<&C> {
        self.slots.get(slot as usize)?.content.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut C> {
        self.slots.get_mut(slot as usize)?.content.as_mut()
    }

    /// Puts something behind the last that does not start later than `start`, before all if there is none. It is in
    /// the slot that is returned until it is taken out.
    pub(super) fn insert(&mut self, start: i64, content: C) -> u32 {
        self.put(start, content, |slots, at| {
            let least_after = slots.get(at.below[1] as usize).map(|after| after.least);
            at.start <= start || least_after.is_some_and(|least| least <= start)
        })
    }

    /// Puts something before all.
    pub(super) fn push_front(&mut self, start: i64, content: C) -> u32 {
        self.put(start, content, |_, _| false)
    }

    /// Takes out what is in a slot.
    pub(super) fn remove(&mut self, slot: u32) -> Option<C> {
        let content = self.slots.get_mut(slot as usize)?.content.take()?;
        // Down to where there is nothing below it.
        loop {
            self.count();
            let priority = |slot: u32| self.slots.get(slot as usize).map(|slot| slot.priority);
            let below = self.slots[slot as usize].below;
            match below.into_iter().max_by_key(|slot| priority(*slot)) {
                Some(highest) if highest != NONE => self.raise(highest),
                _ => break,
            }
        }
        let above = self.slots[slot as usize].above;
        self.replace_below(above, slot, NONE);
        let mut at = above;
        while at != NONE {
            self.measure(at);
            at = self.slots[at as usize].above;
        }
        self.slots[slot as usize].below[0] = self.free;
        self.free = slot;
        if slot == self.first {
            self.first = self.end(0);
        }
        Some(content)
    }

    /// Whether what is in one slot is before what is in another.
    pub(super) fn is_before(&self, slot: u32, other: u32) -> bool {
        let depth = |mut slot: u32| {
            let mut depth = 0;
            while let Some(above) = self.slots.get(slot as usize).map(|slot| slot.above) {
                self.count();
                (slot, depth) = (above, depth + 1);
            }
            depth
        };
        // Up to where both meet; on which side they come there: before it (0), in it (1), after it (2).
        let up = |(slot, _): (u32, u8)| {
            let above = self.slots[slot as usize].above;
            (above, if self.slots[above as usize].below[0] == slot { 0 } else { 2 })
        };
        let (mut one, mut two) = ((slot, 1), (other, 1));
        let (deep, deep_other) = (depth(slot), depth(other));
        (deep_other..deep).for_each(|_| one = up(one));
        (deep..deep_other).for_each(|_| two = up(two));
        while one.0 != two.0 {
            (one, two) = (up(one), up(two));
        }
        one.1 < two.1
    }

    /// All from the first to the last.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<&C> {
        let (mut all, mut above, mut at) = (Vec::new(), Vec::new(), self.root);
        while at != NONE || !above.is_empty() {
            if at != NONE {
                above.push(at);
                at = self.slots[at as usize].below[0];
            } else if let Some(slot) = above.pop() {
                all.extend(self.get(slot));
                at = self.slots[slot as usize].below[1];
            }
        }
        all
    }

    /// Puts something where it goes to the right of those for which `is_after` says so.
    fn put(
        &mut self,
        start: i64,
        content: C,
        is_after: impl Fn(&[SequenceSlot<C>], &SequenceSlot<C>) -> bool,
    ) -> u32 {
        let (mut above, mut side, mut at) = (NONE, 0, self.root);
        let mut is_first = true;
        while at != NONE {
            self.count();
            side = usize::from(is_after(&self.slots, &self.slots[at as usize]));
            is_first &= side == 0;
            let slot = &mut self.slots[at as usize];
            slot.least = slot.least.min(start);
            (above, at) = (at, slot.below[side]);
        }
        let slot = self.occupy(start, content, above);
        match self.slots.get_mut(above as usize) {
            Some(above) => above.below[side] = slot,
            None => self.root = slot,
        }
        if is_first {
            self.first = slot;
        }
        while let Some(above) = self.slots.get(self.slots[slot as usize].above as usize)
            && above.priority < self.slots[slot as usize].priority
        {
            self.count();
            self.raise(slot);
        }
        slot
    }

    /// A slot with something that has nothing below it.
    fn occupy(&mut self, start: i64, content: C, above: u32) -> u32 {
        self.inserted += 1;
        let priority = self.hasher.hash_one(self.inserted);
        let new =
            SequenceSlot { start, least: start, priority, above, below: [NONE; 2], content: Some(content) };
        let number = self.free;
        if let Some(free) = self.slots.get_mut(number as usize) {
            self.free = free.below[0];
            *free = new;
            return number;
        }
        if self.slots.len() == self.slots.capacity() {
            // Exactly, as nearly always there is one.
            self.slots.reserve_exact(self.slots.len().max(1));
        }
        self.slots.push(new);
        self.slots.len() as u32 - 1
    }

    /// Puts a slot above the one that it is below, with the order as it was.
    fn raise(&mut self, slot: u32) {
        let lowered = self.slots[slot as usize].above;
        let above = self.slots[lowered as usize].above;
        let side = usize::from(self.slots[lowered as usize].below[1] == slot);
        let between = self.slots[slot as usize].below[1 - side];
        self.slots[lowered as usize].below[side] = between;
        if let Some(between) = self.slots.get_mut(between as usize) {
            between.above = lowered;
        }
        self.slots[slot as usize].below[1 - side] = lowered;
        self.slots[lowered as usize].above = slot;
        self.slots[slot as usize].above = above;
        self.replace_below(above, lowered, slot);
        self.measure(lowered);
        self.measure(slot);
    }

    /// Puts another slot, or none, where one is below `above`.
    fn replace_below(&mut self, above: u32, slot: u32, other: u32) {
        match self.slots.get_mut(above as usize) {
            Some(above) => above.below[usize::from(above.below[1] == slot)] = other,
            None => self.root = other,
        }
    }

    /// Finds the least start again of what is in and below a slot.
    fn measure(&mut self, slot: u32) {
        self.count();
        let SequenceSlot { start, below, .. } = self.slots[slot as usize];
        let least = |slot: u32| self.slots.get(slot as usize).map_or(i64::MAX, |slot| slot.least);
        self.slots[slot as usize].least = start.min(least(below[0])).min(least(below[1]));
    }

    /// The outermost slot on one side.
    fn end(&self, side: usize) -> u32 {
        let (mut end, mut at) = (NONE, self.root);
        while let Some(slot) = self.slots.get(at as usize) {
            self.count();
            (end, at) = (at, slot.below[side]);
        }
        end
    }

    #[cfg(test)]
    fn count(&self) {
        self.examined.set(self.examined.get() + 1);
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "tests count here")]
    fn count(&self) {}
}

#[cfg(test)]
mod tests;
