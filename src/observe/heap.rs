//! An allocator that samples what is allocated, while it is asked to. This is one of the places that are `unsafe`.
//!
//! Each byte allocated begins a sample with the same probability, so that one is taken for each [`INTERVAL`] bytes on
//! average, be they in one allocation or in many. Until sampling is asked for, it costs an atomic load a call.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes from one sample to the next, on average.
pub(super) const INTERVAL: u64 = 512 << 10;

/// Callers that a sample remembers.
const MAX_DEPTH: usize = 64;

/// Stacks that are told apart; samples beyond have none.
const MAX_STACKS: usize = 1 << 14;

/// Counters by address: where one is 0, no address of it was sampled, and the table need not be asked.
const MARKS: usize = 1 << 14;

static IS_SAMPLING: AtomicBool = AtomicBool::new(false);
static TABLE: Mutex<Option<HeapTable>> = Mutex::new(None);
static MARKED: [AtomicU32; MARKS] = [const { AtomicU32::new(0) }; MARKS];
static SEEDS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// Bytes to allocate until the next sample; 0: not drawn yet. Constant and without a destructor: to use it never allocates.
    static LEFT: Cell<u64> = const { Cell::new(0) };
    /// The state of the random numbers; 0: not begun.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
    /// Whether this thread is taking a sample: what it allocates for that is not sampled.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

/// An allocator, with samples taken of what it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct SampledHeap<A>(pub A);

// SAFETY: each call goes on to `A` with its own arguments, once, and what `A` returns is returned. So what the caller
// promises to us we promise to `A`, and what `A` promises holds for us. What is done besides uses the pointers as numbers
// only, never the memory behind them, and nothing of it unwinds: see `aside`. It may allocate, and so call us again, but
// only with `IS_BUSY` set, and then the calls do nothing besides.
#[allow(unsafe_code)]
unsafe impl<A: GlobalAlloc> GlobalAlloc for SampledHeap<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `A` asks for.
        let pointer = unsafe { self.0.alloc(layout) };
        if IS_SAMPLING.load(Ordering::Relaxed) {
            note_allocated(pointer.addr(), layout.size());
        }
        pointer
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `A` asks for.
        let pointer = unsafe { self.0.alloc_zeroed(layout) };
        if IS_SAMPLING.load(Ordering::Relaxed) {
            note_allocated(pointer.addr(), layout.size());
        }
        pointer
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // Before its memory is free: another thread may get it then, and be sampled.
        if IS_SAMPLING.load(Ordering::Relaxed) {
            note_freed(pointer.addr());
        }
        // SAFETY: the caller promises what `A` asks for; `pointer` came from `A`, as all that we return does.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_sampling = IS_SAMPLING.load(Ordering::Relaxed);
        if is_sampling {
            note_freed(pointer.addr());
        }
        // SAFETY: the caller promises what `A` asks for; `pointer` came from `A`, as all that we return does.
        let pointer = unsafe { self.0.realloc(pointer, layout, size) };
        if is_sampling {
            note_allocated(pointer.addr(), size);
        }
        pointer
    }
}

/// What was allocated from one place, as far as samples tell. The numbers are estimates for all that was allocated.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HeapSite {
    /// Return addresses, the innermost first; empty for what is beyond the bound on stacks.
    pub(super) stack: Vec<usize>,
    /// Allocations, and their bytes.
    pub(super) allocated: [f64; 2],
    /// The same of those that are not freed.
    pub(super) in_use: [f64; 2],
}

impl HeapSite {
    fn add(&mut self, size: usize) {
        for (sum, number) in
            self.allocated.iter_mut().chain(&mut self.in_use).zip(weight(size).into_iter().cycle())
        {
            *sum += number;
        }
    }

    fn free(&mut self, size: usize) {
        for (sum, number) in self.in_use.iter_mut().zip(weight(size)) {
            *sum -= number;
        }
    }
}

/// How many allocations of this size, and bytes, a sample of one stands for.
fn weight(size: usize) -> [f64; 2] {
    let size = size as f64;
    let number = 1.0 / -(-size / INTERVAL as f64).exp_m1();
    [number, number * size]
}

/// All that was sampled.
#[derive(Debug, Default)]
struct HeapTable {
    sites: Vec<HeapSite>,
    by_stack: HashMap<Vec<usize>, usize>,
    /// By address: the site, and the size.
    live: HashMap<usize, (usize, usize)>,
}

impl HeapTable {
    fn add(&mut self, address: usize, size: usize, stack: &[usize]) {
        // Its end was missed, as sampling was off for a while.
        self.remove(address);
        let stack =
            if self.sites.len() < MAX_STACKS || self.by_stack.contains_key(stack) { stack } else { &[] };
        let known = self.by_stack.get(stack).copied();
        let number = known.unwrap_or_else(|| {
            self.sites.push(HeapSite { stack: stack.to_vec(), ..HeapSite::default() });
            self.by_stack.insert(stack.to_vec(), self.sites.len() - 1);
            self.sites.len() - 1
        });
        self.sites[number].add(size);
        self.live.insert(address, (number, size));
        mark(address).fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&mut self, address: usize) {
        if let Some((site, size)) = self.live.remove(&address) {
            self.sites[site].free(size);
            mark(address).fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The counter that stands for an address.
fn mark(address: usize) -> &'static AtomicU32 {
    let hash = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    &MARKED[hash as usize % MARKS]
}

/// Begins to take samples.
pub fn sample_heap() {
    with_table(|_| ());
    IS_SAMPLING.store(true, Ordering::Relaxed);
}

/// What was sampled so far.
pub(super) fn heap_sites() -> Vec<HeapSite> {
    with_table(|table| table.sites.clone())
}

/// Allocations inside are not sampled: they would ask for the table, which is in use.
fn with_table<T>(work: impl FnOnce(&mut HeapTable) -> T) -> T {
    let was_busy = IS_BUSY.replace(true);
    let done = work(TABLE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
    IS_BUSY.set(was_busy);
    done
}

/// Does what an allocator does besides: not in its own calls again, and never unwinding.
#[cold]
fn aside(work: impl FnOnce()) {
    if IS_BUSY.replace(true) {
        return;
    }
    // An allocator must not unwind.
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        std::process::abort();
    }
    IS_BUSY.set(false);
}

fn note_allocated(address: usize, size: usize) {
    let left = LEFT.get();
    if left > size as u64 {
        LEFT.set(left - size as u64);
    } else if address != 0 {
        aside(|| sample(address, size));
    }
}

/// The next sample is due in this allocation, or none was drawn so far.
fn sample(address: usize, size: usize) {
    let left = LEFT.get();
    if left == 0 {
        LEFT.set(draw());
        if LEFT.get() > size as u64 {
            LEFT.set(LEFT.get() - size as u64);
            return;
        }
    }
    LEFT.set(draw());
    let (mut stack, mut depth) = ([0; MAX_DEPTH], 0);
    backtrace::trace(|frame| {
        stack[depth] = frame.ip().addr();
        depth += 1;
        depth < MAX_DEPTH
    });
    with_table(|table| table.add(address, size, &stack[..depth]));
}

fn note_freed(address: usize) {
    // An address comes here from where it was sampled, so its mark is seen here too.
    if mark(address).load(Ordering::Relaxed) > 0 {
        aside(|| with_table(|table| table.remove(address)));
    }
}

/// How many bytes it is to the next sample: exponentially distributed, so that what came before has no influence.
fn draw() -> u64 {
    let mut state = RANDOM.get();
    if state == 0 {
        state = SEEDS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    // xorshift64*
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    RANDOM.set(state);
    let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
    let unit = (bits as f64 + 1.0) / (1_u64 << 53) as f64;
    (-unit.ln() * INTERVAL as f64) as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_for_what_was_allocated_and_not_freed() {
        let mut table = HeapTable::default();
        let stacks = [vec![1, 2], vec![3]];
        for address in 1..=10 {
            table.add(address << 4, 1000, &stacks[address % 2]);
        }
        table.remove(2 << 4);
        table.remove(2 << 4);
        // An address that is given out again was freed in between.
        table.add(4 << 4, 3000, &stacks[1]);
        let [number, bytes] = weight(1000);
        let even = &table.sites[table.by_stack[&stacks[0]]];
        assert!(
            (even.allocated[0] - 5.0 * number).abs() < 1e-6 && (even.allocated[1] - 5.0 * bytes).abs() < 1e-3
        );
        assert!((even.in_use[0] - 3.0 * number).abs() < 1e-6 && (even.in_use[1] - 3.0 * bytes).abs() < 1e-3);
        let odd = &table.sites[table.by_stack[&stacks[1]]];
        assert!((odd.in_use[1] - 5.0 * bytes - weight(3000)[1]).abs() < 1e-3);
        for address in 1..=10 {
            table.remove(address << 4);
        }
        assert!(table.sites.iter().all(|site| site.in_use[1].abs() < 1e-3));
    }

    #[test]
    fn a_large_sample_stands_for_itself_and_small_ones_for_their_interval() {
        assert!((weight(1 << 30)[1] - f64::from(1 << 30)).abs() < 1.0);
        assert!((weight(1)[1] / INTERVAL as f64 - 1.0).abs() < 1e-3);
        let drawn: Vec<u64> = (0..20_000).map(|_| draw()).collect();
        let mean = drawn.iter().sum::<u64>() as f64 / drawn.len() as f64;
        assert!((mean / INTERVAL as f64 - 1.0).abs() < 0.1, "{mean}");
    }

    #[test]
    fn stacks_beyond_the_bound_are_one() {
        let mut table = HeapTable::default();
        for address in 1..MAX_STACKS + 100 {
            table.add(address << 4, 1, &[address]);
        }
        assert_eq!(table.sites.len(), MAX_STACKS + 1);
        assert!((table.sites[table.by_stack[&Vec::new()]].allocated[0] - 99.0 * weight(1)[0]).abs() < 1.0);
    }
}
