//! A bounded queue, and the thread that writes out what waits in it: what puts in never waits for a slow output.
//!
//! Whether something is dropped or held back when the queue is full is for the one who puts in to decide.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

use crate::record::Sink;
use crate::{Error, Result};

/// How often it is looked whether files are to be begun anew.
const LOOK: Duration = Duration::from_millis(100);

/// What is behind a queue, besides that it takes the items.
pub trait Output {
    /// Hands on what is in buffers. Called when nothing waits in the queue.
    fn flush(&mut self) -> Result<()>;

    /// Begins files anew that were moved away.
    fn reopen(&mut self) -> Result<()>;

    /// Ends the output. Nothing is written after it.
    fn finish(&mut self) -> Result<()>;

    /// Fails if nobody will read what is written. Called from time to time while nothing waits in the queue.
    fn check(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Output for Box<dyn Sink + Send> {
    fn flush(&mut self) -> Result<()> {
        (**self).flush()
    }

    fn reopen(&mut self) -> Result<()> {
        (**self).reopen()
    }

    fn finish(&mut self) -> Result<()> {
        (**self).finish()
    }

    fn check(&mut self) -> Result<()> {
        (**self).check()
    }
}

/// What others and the thread tell each other.
#[derive(Clone, Debug, Default)]
pub struct QueueFlags {
    /// Set when files are to be [begun anew](Output::reopen), which is done between two items; it turns false again.
    pub reopening: Arc<AtomicBool>,
    /// Turns true when the output has failed.
    pub failed: Arc<AtomicBool>,
}

/// How large an item is, or all that wait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct QueueSize {
    /// Bytes; what bounds the queue.
    pub bytes: usize,
    /// Records, or whatever else is counted.
    pub records: usize,
}

#[derive(Debug, Default)]
struct QueueState {
    bytes: AtomicUsize,
    records: AtomicUsize,
}

/// Where items are put in.
#[derive(Debug)]
pub struct Inlet<T> {
    /// None: nothing more is to be written, though inlets may be left.
    items: Sender<Option<(T, QueueSize)>>,
    waiting: Arc<QueueState>,
    limit: usize,
}

impl<T> Inlet<T> {
    /// Hands over an item, even if the queue is full. False: the output has ended, and [`Queue::finish`] says why.
    #[must_use]
    pub fn put(&self, item: T, size: QueueSize) -> bool {
        self.waiting.bytes.fetch_add(size.bytes, Ordering::Relaxed);
        self.waiting.records.fetch_add(size.records, Ordering::Relaxed);
        self.items.send(Some((item, size))).is_ok()
    }

    /// What waits, the item that is being written included.
    pub fn waiting(&self) -> QueueSize {
        let QueueState { bytes, records } = &*self.waiting;
        QueueSize { bytes: bytes.load(Ordering::Relaxed), records: records.load(Ordering::Relaxed) }
    }

    /// Bytes that may wait.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether as much waits as may.
    pub fn is_full(&self) -> bool {
        self.waiting().bytes >= self.limit
    }
}

/// A queue in front of an output, and the thread that empties it. Dropped, it has the rest written without being waited
/// for.
#[derive(Debug)]
pub struct Queue<T> {
    /// Where items are put in.
    pub inlet: Arc<Inlet<T>>,
    /// None: how it ended was told.
    ended: Option<Receiver<Result<()>>>,
}

impl<T: Send + 'static> Queue<T> {
    /// Begins to have `write` give to `output` what is put in; the queue is full when `limit` bytes wait.
    pub fn start<O: Output + Send + 'static>(
        thread: &str,
        limit: u64,
        flags: QueueFlags,
        mut output: O,
        write: impl FnMut(&mut O, T) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let (items, incoming) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let waiting = Arc::new(QueueState::default());
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let inlet = Arc::new(Inlet { items, waiting: Arc::clone(&waiting), limit });
        thread::Builder::new().name(thread.to_owned()).spawn(move || {
            let written = empty(&incoming, &waiting, &flags.reopening, &mut output, write);
            flags.failed.fetch_or(written.is_err(), Ordering::Relaxed);
            drop((incoming, output));
            // The queue may be gone, and nobody waits for this.
            let _ = end.send(written);
        })?;
        Ok(Queue { inlet, ended: Some(ended) })
    }

    /// Has the output ended once all is written that was put in until now.
    pub fn end(&self) {
        // One that is gone has ended by itself.
        let _ = self.inlet.items.send(None);
    }

    /// How the output ended, if it does so within this time.
    pub fn ended(&mut self, within: Duration) -> Option<Result<()>> {
        let Some(ended) = &self.ended else { return Some(Ok(())) };
        let result = match ended.recv_timeout(within) {
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::Invalid("the thread that writes the output has failed".into()))
            }
            Ok(written) => written,
        };
        self.ended = None;
        Some(result)
    }

    /// Ends the output, and waits until all is written. Once its end was told, this does nothing.
    pub fn finish(&mut self) -> Result<()> {
        self.end();
        loop {
            if let Some(result) = self.ended(LOOK) {
                return result;
            }
        }
    }
}

/// Writes until nothing more can come.
fn empty<T, O: Output>(
    incoming: &Receiver<Option<(T, QueueSize)>>,
    waiting: &QueueState,
    reopening: &AtomicBool,
    output: &mut O,
    mut write: impl FnMut(&mut O, T) -> Result<()>,
) -> Result<()> {
    let mut is_flushed = true;
    loop {
        if reopening.swap(false, Ordering::Relaxed) {
            output.reopen()?;
        }
        let next = match incoming.try_recv() {
            Ok(next) => next,
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                if !std::mem::replace(&mut is_flushed, true) {
                    output.flush()?;
                }
                match incoming.recv_timeout(LOOK) {
                    Ok(next) => next,
                    Err(RecvTimeoutError::Timeout) => {
                        output.check()?;
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => None,
                }
            }
        };
        let Some((item, size)) = next else { return output.finish() };
        write(output, item)?;
        waiting.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
        waiting.records.fetch_sub(size.records, Ordering::Relaxed);
        is_flushed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells what is done to it; "fail" fails and "panic" panics.
    struct Telltale(Sender<String>);

    impl Telltale {
        fn tell(&self, what: &str) -> Result<()> {
            self.0.send(what.to_owned()).map_err(|_| Error::Invalid("the test is over".into()))
        }
    }

    fn write(told: &mut Telltale, item: &'static str) -> Result<()> {
        assert_ne!(item, "panic");
        told.tell(item)?;
        if item == "fail" { Err(Error::Invalid("disk full".into())) } else { Ok(()) }
    }

    impl Output for Telltale {
        fn flush(&mut self) -> Result<()> {
            self.tell("(flush)")
        }

        fn reopen(&mut self) -> Result<()> {
            self.tell("(reopen)")
        }

        fn finish(&mut self) -> Result<()> {
            self.tell("(finish)")
        }
    }

    fn started() -> (Queue<&'static str>, QueueFlags, Receiver<String>) {
        let (told, hears) = mpsc::channel();
        let flags = QueueFlags::default();
        (Queue::start("test", 10, flags.clone(), Telltale(told), write).expect("a thread"), flags, hears)
    }

    const FOUR: QueueSize = QueueSize { bytes: 4, records: 1 };

    #[test]
    fn what_was_put_in_is_flushed_when_nothing_waits_and_no_more_counted() {
        let (mut queue, _, hears) = started();
        assert!(queue.inlet.put("a", FOUR));
        assert_eq!([hears.recv().unwrap(), hears.recv().unwrap()], ["a", "(flush)"]);
        assert_eq!(queue.inlet.waiting(), QueueSize::default());
        queue.finish().expect("it ends well");
        assert_eq!(hears.iter().collect::<Vec<_>>(), ["(finish)"]);
    }

    #[test]
    fn a_queue_ends_though_an_inlet_is_left_and_takes_nothing_after_it() {
        let (mut queue, _, hears) = started();
        let other = Arc::clone(&queue.inlet);
        queue.finish().expect("it ends well");
        assert!(!other.put("late", FOUR));
        assert_eq!(hears.iter().collect::<Vec<_>>(), ["(finish)"]);
    }

    #[test]
    fn a_queue_that_is_dropped_writes_all_and_ends_its_output() {
        let (queue, _, hears) = started();
        assert!(queue.inlet.put("a", FOUR));
        drop(queue);
        let told: Vec<_> = hears.iter().filter(|told| told != "(flush)").collect();
        assert_eq!(told, ["a", "(finish)"]);
    }

    #[test]
    fn files_are_begun_anew_while_nothing_comes() {
        let (mut queue, flags, hears) = started();
        flags.reopening.store(true, Ordering::Relaxed);
        assert_eq!(hears.recv().unwrap(), "(reopen)");
        queue.finish().expect("it ends well");
        assert!(!flags.reopening.load(Ordering::Relaxed));
    }

    #[test]
    fn an_error_comes_back_once_and_what_failed_still_counts_as_waiting() {
        let (mut queue, flags, hears) = started();
        assert!(queue.inlet.put("fail", FOUR));
        assert_eq!(hears.iter().collect::<Vec<_>>(), ["fail"]);
        assert!(flags.failed.load(Ordering::Relaxed));
        assert_eq!(queue.inlet.waiting(), FOUR);
        assert_eq!(queue.finish().expect_err("it failed").to_string(), "disk full");
        queue.finish().expect("it was told");
    }

    #[test]
    fn a_thread_that_panics_is_told_as_an_error() {
        let (mut queue, _, hears) = started();
        assert!(queue.inlet.put("panic", FOUR));
        assert_eq!(hears.iter().count(), 0);
        let error = queue.finish().expect_err("it failed");
        assert_eq!(error.to_string(), "the thread that writes the output has failed");
    }
}
