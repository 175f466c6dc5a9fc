//! The threads around the child, and what they count.

use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::lines::{self, Garbage};
use super::outstanding::{Balance, MEMORY, Outstanding};
use crate::Error;
use crate::record::{Block, Intake, Source};

/// A block is handed on when it is this large, or when the child pauses.
const BLOCK: usize = 1 << 20;

/// Bytes written to the child at once.
const WRITE: usize = 1 << 16;

/// How much of a line that is no record is shown.
const SHOWN: usize = 60;

/// What went to the child and came back. Shared with the threads.
#[derive(Debug)]
pub struct Traffic {
    outstanding: Mutex<Outstanding>,
    /// Bytes written to the child.
    sent: AtomicU64,
    /// Bytes read from the child, and those of them that were whole lines.
    received: AtomicU64,
    taken: AtomicU64,
    garbage: AtomicU64,
    /// Bytes of lines that are no records, since the last one that is.
    garbage_in_a_row: AtomicU64,
    first_garbage: Mutex<Option<(u64, String, Garbage)>>,
    /// The child's input is full.
    is_blocked: AtomicBool,
    /// Everything was sent.
    is_input_over: AtomicBool,
    /// Nothing more is sent, be it that the child takes no more.
    is_input_closed: AtomicBool,
    /// The child is to be waited for no longer.
    is_stopped: AtomicBool,
    /// What the child writes of its own is of no use any more.
    is_last_call: AtomicBool,
    /// Nor is there time for it.
    is_hurried: AtomicBool,
    intake: Mutex<Intake>,
    failure: Mutex<Option<Error>>,
}

/// The value, also after a thread died with it: counts hold after each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Traffic {
    pub(super) fn new() -> Self {
        Traffic {
            outstanding: Mutex::new(Outstanding::new(MEMORY)),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            garbage: AtomicU64::new(0),
            garbage_in_a_row: AtomicU64::new(0),
            first_garbage: Mutex::new(None),
            is_blocked: AtomicBool::new(false),
            is_input_over: AtomicBool::new(false),
            is_input_closed: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            is_last_call: AtomicBool::new(false),
            is_hurried: AtomicBool::new(false),
            intake: Mutex::new(Intake::default()),
            failure: Mutex::new(None),
        }
    }

    /// What became of the records.
    pub fn balance(&self) -> Balance {
        lock(&self.outstanding).balance()
    }

    /// The first records that did not come back: kind and id.
    pub(super) fn first_missing(&self, number: usize) -> Vec<String> {
        lock(&self.outstanding).first(number)
    }

    /// Has the child killed, as it is to be waited for no longer.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// From now on only what the child was given is waited for, and what it writes of its own keeps nobody waiting;
    /// where it is `hurried`, however little that is.
    pub fn last_call(&self, is_hurried: bool) {
        self.is_last_call.store(true, Ordering::Relaxed);
        self.is_hurried.store(is_hurried, Ordering::Relaxed);
    }

    pub(super) fn is_last_call(&self) -> bool {
        self.is_last_call.load(Ordering::Relaxed)
    }

    pub(super) fn is_hurried(&self) -> bool {
        self.is_hurried.load(Ordering::Relaxed)
    }

    /// Bytes of lines that are no records, since the last one that is.
    pub(super) fn garbage_in_a_row(&self) -> u64 {
        self.garbage_in_a_row.load(Ordering::Relaxed)
    }

    /// Lines the child wrote that are no records.
    pub fn garbage(&self) -> u64 {
        self.garbage.load(Ordering::Relaxed)
    }

    /// The first of these lines: its number, its beginning, why it is no record.
    pub(super) fn first_garbage(&self) -> Option<(u64, String, Garbage)> {
        lock(&self.first_garbage).clone()
    }

    /// What was read of the source.
    pub(super) fn intake(&self) -> Intake {
        *lock(&self.intake)
    }

    /// How the source failed, if it did.
    pub(super) fn take_failure(&self) -> Option<Error> {
        lock(&self.failure).take()
    }

    /// Bytes that went through each pipe. They change while the child works.
    pub(super) fn moved(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }

    /// Whether the child's last line is not yet whole.
    pub(super) fn is_within_line(&self) -> bool {
        self.received.load(Ordering::Acquire) != self.taken.load(Ordering::Acquire)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
    }

    pub(super) fn is_input_over(&self) -> bool {
        self.is_input_over.load(Ordering::Acquire)
    }

    pub(super) fn is_input_closed(&self) -> bool {
        self.is_input_closed.load(Ordering::Acquire)
    }
}

/// The child's standard input. Its pipe does not block, so that each piece the
/// child takes is seen, however slowly it reads.
struct ChildInput<'a> {
    pipe: PipeWriter,
    traffic: &'a Traffic,
}

impl ChildInput<'_> {
    fn wait(&self) -> io::Result<()> {
        self.traffic.is_blocked.store(true, Ordering::Relaxed);
        let result = poll(&mut [PollFd::new(&self.pipe, PollFlags::OUT)], None);
        self.traffic.is_blocked.store(false, Ordering::Relaxed);
        match result {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Write for ChildInput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                result => {
                    let written = *result.as_ref().unwrap_or(&0);
                    self.traffic.sent.fetch_add(written as u64, Ordering::Relaxed);
                    return result;
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ChildInput<'_> {
    fn drop(&mut self) {
        self.traffic.is_input_closed.store(true, Ordering::Release);
    }
}

/// Feeds the child until the source ends, fails, or the child reads no more.
pub(super) fn feed(mut source: impl Source, pipe: PipeWriter, traffic: &Traffic) {
    let mut out = io::BufWriter::with_capacity(WRITE, ChildInput { pipe, traffic });
    let (mut block, mut scratch) = (Block::new(), Vec::new());
    let end = loop {
        let more = source.read_block(&mut block);
        *lock(&traffic.intake) = source.intake();
        match more {
            Ok(true) => {}
            end => break end.map(|_| ()),
        }
        // Before they are sent: an answer may come at once.
        let mut outstanding = lock(&traffic.outstanding);
        block.iter().for_each(|view| outstanding.give(&view.header));
        drop(outstanding);
        let written = block.iter().try_for_each(|view| lines::write(&view, &mut out, &mut scratch));
        if written.and_then(|()| out.flush()).is_err() {
            // The child takes no more, and how it ended is told where its output ends.
            return;
        }
    };
    if let Err(error) = end {
        *lock(&traffic.failure) = Some(error);
    }
    traffic.is_input_over.store(true, Ordering::Release);
}

/// The child's standard output.
struct ChildOutput<'a> {
    pipe: PipeReader,
    traffic: &'a Traffic,
}

impl Read for ChildOutput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.pipe.read(buffer)?;
        self.traffic.received.fetch_add(read as u64, Ordering::Release);
        Ok(read)
    }
}

/// Reads what the child answers until it closes its output.
pub(super) fn read(pipe: PipeReader, hand_on: &SyncSender<Block>, traffic: &Traffic, max_record: u64) {
    // Two digits a byte, and the longest header line.
    let longest = max_record.saturating_mul(2).saturating_add(4096);
    let mut output = BufReader::with_capacity(WRITE, ChildOutput { pipe, traffic });
    let (mut line, mut scratch, mut block, mut number) = (Vec::new(), Vec::new(), Block::new(), 0);
    loop {
        line.clear();
        let read = output.by_ref().take(longest).read_until(b'\n', &mut line);
        let is_end = !matches!(read, Ok(1..));
        if let Err(error) = read {
            *lock(&traffic.failure) = Some(Error::from(error).at("the middleware's output"));
        }
        if !is_end {
            number += 1;
            let is_whole = line.pop_if(|last| *last == b'\n').is_some();
            let result = match is_whole {
                true => lines::read(&line, &mut block, &mut scratch),
                false if line.len() as u64 >= longest => {
                    // What is left of the line is no record either; its length has no bound.
                    skip_line(&mut output, traffic).map_or(Err(Garbage::Half), |()| Err(Garbage::TooLong))
                }
                false => Err(Garbage::Half),
            };
            match result {
                Ok(()) => traffic.garbage_in_a_row.store(0, Ordering::Relaxed),
                Err(garbage) => note_garbage(traffic, number, &line, garbage),
            }
        }
        let is_pause = memchr::memchr(b'\n', output.buffer()).is_none();
        if (is_end || is_pause || block.bytes().len() >= BLOCK) && !block.is_empty() {
            let mut outstanding = lock(&traffic.outstanding);
            block.iter().for_each(|view| outstanding.take(&view.header));
            drop(outstanding);
            if hand_on.send(std::mem::take(&mut block)).is_err() {
                // Nobody wants more; the child finds its output closed.
                return;
            }
        }
        if is_end {
            return;
        }
        let received = traffic.received.load(Ordering::Relaxed);
        traffic.taken.store(received - output.buffer().len() as u64, Ordering::Release);
    }
}

/// Reads to the end of a line, and counts the bytes as no record while they come.
fn skip_line(output: &mut impl BufRead, traffic: &Traffic) -> io::Result<()> {
    loop {
        let bytes = output.fill_buf()?;
        let end = memchr::memchr(b'\n', bytes);
        let length = end.map_or(bytes.len(), |end| end + 1);
        output.consume(length);
        traffic.garbage_in_a_row.fetch_add(length as u64, Ordering::Relaxed);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

fn note_garbage(traffic: &Traffic, number: u64, line: &[u8], garbage: Garbage) {
    traffic.garbage.fetch_add(1, Ordering::Relaxed);
    traffic.garbage_in_a_row.fetch_add(line.len() as u64 + 1, Ordering::Relaxed);
    lock(&traffic.first_garbage).get_or_insert_with(|| {
        let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned();
        (number, shown, garbage)
    });
}
