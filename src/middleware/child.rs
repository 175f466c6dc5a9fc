//! The child, the threads around it, and how it ended.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::command::Command;
use super::lines::{self, Garbage};
use crate::record::{Block, Intake, Source};
use crate::{Error, Result};

/// Blocks that wait between the reader thread and whoever takes them.
const WAITING: usize = 2;

/// A block is handed on when it is this large, or when the child pauses.
const BLOCK: usize = 1 << 20;

/// Bytes written to the child at once.
const WRITE: usize = 1 << 16;

/// A child whose input ended, that has sent back as many records as it was
/// given, and is silent for this long, is done: clients that keep a timer
/// running, as GoReplay's for Node does, never end by themselves.
const QUIET: Duration = Duration::from_millis(500);

/// How much of a line that is no record is shown.
const SHOWN: usize = 60;

/// What went to the child and came back. Shared with the threads.
#[derive(Debug, Default)]
pub struct Traffic {
    fed: AtomicU64,
    returned: AtomicU64,
    garbage: AtomicU64,
    is_input_over: AtomicBool,
    intake: Mutex<Intake>,
    failure: Mutex<Option<Error>>,
    first_garbage: Mutex<Option<(u64, String, Garbage)>>,
}

impl Traffic {
    /// Records the child was given. Those it did not come to read count too.
    pub fn fed(&self) -> u64 {
        self.fed.load(Ordering::Relaxed)
    }

    /// Records the child wrote.
    pub fn returned(&self) -> u64 {
        self.returned.load(Ordering::Relaxed)
    }

    /// How the source failed, if it did.
    fn failure(&self) -> Option<Error> {
        self.failure.lock().ok().and_then(|mut failure| failure.take())
    }

    /// Lines the child wrote that are no records.
    pub fn garbage(&self) -> u64 {
        self.garbage.load(Ordering::Relaxed)
    }
}

/// The records that a child process answers with.
///
/// The child is its own process group: an interrupt from the terminal reaches
/// this program alone, which then ends the child's input and takes what it
/// still writes. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Middleware {
    text: String,
    child: Child,
    blocks: Receiver<Block>,
    traffic: Arc<Traffic>,
    patience: Duration,
    /// All records came back, and the child waits for nothing that could come.
    is_idle: bool,
    is_over: bool,
}

impl Middleware {
    /// Starts the child and feeds it from `source`. After the end of its
    /// input it may be silent for `patience` before it is killed, which is an
    /// error unless all records came back. `max_record` bounds what it may answer, in bytes. When
    /// `is_stopping` turns true no more is read, and the child's input ends.
    pub fn start(
        command: &Command,
        source: impl Source + Send + 'static,
        patience: Duration,
        max_record: u64,
        is_stopping: &Arc<AtomicBool>,
    ) -> Result<Middleware> {
        let text = command.text().to_owned();
        let failed = |error: io::Error| Error::from(error).at(format!("the middleware {text:?}"));
        let mut child = command
            .process()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let traffic = Arc::new(Traffic::default());
        let (hand_on, blocks) = sync_channel(WAITING);
        if let Some(input) = child.stdin.take() {
            let (traffic, is_stopping) = (Arc::clone(&traffic), Arc::clone(is_stopping));
            thread::Builder::new()
                .name("feeder".to_owned())
                .spawn(move || feed(source, input, &traffic, &is_stopping))
                .map_err(failed)?;
        }
        if let Some(output) = child.stdout.take() {
            let traffic = Arc::clone(&traffic);
            thread::Builder::new()
                .name("answers".to_owned())
                .spawn(move || read(output, &hand_on, &traffic, max_record))
                .map_err(failed)?;
        }
        Ok(Middleware { text, child, blocks, traffic, patience, is_idle: false, is_over: false })
    }

    /// What went to the child and came back, also while it goes on.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// The next block, or none when the child wrote all it will.
    fn next(&mut self) -> Result<Option<Block>> {
        let mut silent = Duration::ZERO;
        loop {
            let before = self.traffic.returned();
            let is_input_over = self.traffic.is_input_over.load(Ordering::Acquire);
            let wait = QUIET.min(self.patience);
            match self.blocks.recv_timeout(wait) {
                Ok(block) => return Ok(Some(block)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if !is_input_over || before != self.traffic.returned() => {
                    silent = Duration::ZERO;
                }
                Err(RecvTimeoutError::Timeout) => silent += wait,
            }
            if silent >= wait && self.traffic.returned() >= self.traffic.fed() && self.has_read_whole() {
                self.is_idle = true;
                return Ok(None);
            }
            if silent >= self.patience {
                return Err(self.hangs("wrote nothing more and did not end"));
            }
        }
    }

    /// Whether nothing the child wrote was garbage or failed.
    fn has_read_whole(&self) -> bool {
        self.traffic.garbage() == 0
    }

    fn hangs(&mut self, what: &str) -> Error {
        self.is_over = true;
        // It may have ended by itself this very moment.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.error(&format!("{what} within {:?} after its input ended; it was killed", self.patience))
    }

    /// How it ended, after its output was closed.
    fn end(&mut self) -> Result<()> {
        self.is_over = true;
        if self.is_idle {
            // It may have ended by itself this very moment.
            let _ = self.child.kill();
            self.child.wait()?;
            return self.traffic.failure().map_or(Ok(()), Err);
        }
        let status = self.wait()?;
        if let Some(failure) = self.traffic.failure() {
            return Err(failure);
        }
        let is_input_over = self.traffic.is_input_over.load(Ordering::Acquire);
        if !status.success() || !is_input_over {
            let early = if is_input_over { "" } else { " before its input did" };
            return Err(self.error(&format!("ended{early} with {}", Status(status))));
        }
        let first = self.traffic.first_garbage.lock().ok().and_then(|mut first| first.take());
        if let Some((number, line, garbage)) = first {
            let lines = self.traffic.garbage();
            return Err(self.error(&format!(
                "wrote {lines} lines that are no records, the first is line {number} ({line:?}): {garbage}"
            )));
        }
        Ok(())
    }

    /// Waits for a child that closed its output.
    fn wait(&mut self) -> Result<ExitStatus> {
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self.child.try_wait()? {
                // Its input is broken now: the feeder notices with its next record, if there is one.
                return Ok(status);
            }
            if waited >= self.patience {
                return Err(self.hangs("closed its output and did not end"));
            }
            thread::sleep(step);
            waited += step;
        }
    }

    fn error(&self, what: &str) -> Error {
        let (fed, returned) = (self.traffic.fed(), self.traffic.returned());
        Error::Invalid(format!(
            "the middleware {:?} {what} ({fed} records were sent to it, {returned} came back)",
            self.text
        ))
    }
}

impl Drop for Middleware {
    fn drop(&mut self) {
        if !self.is_over {
            // Nobody takes what it writes any more. It may have ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Source for Middleware {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        if self.is_over {
            return Ok(false);
        }
        match self.next()? {
            Some(next) => {
                *block = next;
                Ok(true)
            }
            None => self.end().map(|()| false),
        }
    }

    fn intake(&self) -> Intake {
        self.traffic.intake.lock().map(|intake| *intake).unwrap_or_default()
    }
}

/// An exit status in words.
struct Status(ExitStatus);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => self.0.fmt(f),
        }
    }
}

/// Feeds the child until the source ends, fails, or the child reads no more.
fn feed(mut source: impl Source, input: ChildStdin, traffic: &Traffic, is_stopping: &AtomicBool) {
    let mut out = io::BufWriter::with_capacity(WRITE, input);
    let (mut block, mut scratch) = (Block::new(), Vec::new());
    let end = loop {
        let is_over = is_stopping.load(Ordering::Relaxed);
        let more = if is_over { Ok(false) } else { source.read_block(&mut block) };
        if let Ok(mut intake) = traffic.intake.lock() {
            *intake = source.intake();
        }
        match more {
            Ok(true) => {}
            end => break end.map(|_| ()),
        }
        for view in block.iter() {
            if lines::write(&view, &mut out, &mut scratch).is_err() {
                // The child is gone, and how it ended is told where its output ends.
                return;
            }
            traffic.fed.fetch_add(1, Ordering::Relaxed);
        }
        if out.flush().is_err() {
            return;
        }
    };
    if let (Err(error), Ok(mut failure)) = (end, traffic.failure.lock()) {
        *failure = Some(error);
    }
    traffic.is_input_over.store(true, Ordering::Release);
}

/// Reads what the child answers until it closes its output.
fn read(output: ChildStdout, hand_on: &SyncSender<Block>, traffic: &Traffic, max_record: u64) {
    // Two digits a byte, and the longest header line.
    let longest = max_record.saturating_mul(2).saturating_add(4096);
    let mut output = BufReader::with_capacity(WRITE, output);
    let (mut line, mut scratch, mut block, mut number) = (Vec::new(), Vec::new(), Block::new(), 0);
    loop {
        line.clear();
        let read = output.by_ref().take(longest).read_until(b'\n', &mut line);
        let is_end = !matches!(read, Ok(1..));
        if !is_end {
            number += 1;
            let is_whole = line.pop_if(|last| *last == b'\n').is_some();
            let result = match is_whole {
                true => lines::read(&line, &mut block, &mut scratch),
                false if line.len() as u64 >= longest => {
                    // What is left of the line is no record either; its length has no bound.
                    skip_line(&mut output).map_or(Err(Garbage::Half), |()| Err(Garbage::TooLong))
                }
                false => Err(Garbage::Half),
            };
            match result {
                Ok(()) => _ = traffic.returned.fetch_add(1, Ordering::Relaxed),
                Err(garbage) => note_garbage(traffic, number, &line, garbage),
            }
        }
        let is_pause = memchr::memchr(b'\n', output.buffer()).is_none();
        if (is_end || is_pause || block.bytes().len() >= BLOCK)
            && !block.is_empty()
            && hand_on.send(std::mem::take(&mut block)).is_err()
        {
            // Nobody wants more; the child finds its output closed.
            return;
        }
        if is_end {
            return;
        }
    }
}

fn skip_line(output: &mut impl BufRead) -> io::Result<()> {
    output.skip_until(b'\n').map(|_| ())
}

fn note_garbage(traffic: &Traffic, number: u64, line: &[u8], garbage: Garbage) {
    traffic.garbage.fetch_add(1, Ordering::Relaxed);
    if let Ok(mut first) = traffic.first_garbage.lock()
        && first.is_none()
    {
        let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned();
        *first = Some((number, shown, garbage));
    }
}
