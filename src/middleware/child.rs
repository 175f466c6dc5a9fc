//! The child, and how it ended.

use std::fmt;
use std::io::{self, PipeReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::command::Command;
use super::flood::FloodWatch;
use super::traffic::{self, Traffic};
use crate::observe::Count;
use crate::record::{Block, Intake, Source};
use crate::{Error, Result};

/// Blocks that wait between the reader thread and whoever takes them.
const WAITING: usize = 2;

/// A child whose input ended, that has sent back every record it was given,
/// and is silent for this long, is done: clients that keep a timer running, as
/// GoReplay's for Node does, never end by themselves.
const QUIET: Duration = Duration::from_millis(500);

/// How many of the records that did not come back are named.
const NAMED: usize = 3;

/// What is asked of the child.
#[derive(Clone, Copy, Debug)]
pub struct MiddlewareOptions {
    /// How long it may neither read nor write while there is something to do for it.
    pub patience: Duration,
    /// Bounds a record it may answer, in bytes.
    pub max_record: u64,
    /// A record that does not come back is dropped on purpose, not lost.
    pub may_drop: bool,
}

/// What changes while the child works.
#[derive(Eq, PartialEq)]
struct Signs {
    moved: (u64, u64),
    unread: u64,
    is_input_closed: bool,
}

/// The records that a child process answers with.
///
/// The child is its own process group: an interrupt from the terminal reaches
/// this program alone, which then ends the child's input and takes what it
/// still writes. The group is killed when this value is dropped.
#[derive(Debug)]
pub struct Middleware {
    text: String,
    child: Child,
    /// The reading end of its input, to see what it left unread. Closed when
    /// the child is gone, so that the feeder does not wait for it.
    input: Option<PipeReader>,
    blocks: Receiver<Block>,
    traffic: Arc<Traffic>,
    options: MiddlewareOptions,
    flood: FloodWatch,
    /// It was killed: because it was done, or for its fault.
    is_killed: bool,
    fault: Option<String>,
    is_over: bool,
}

impl Middleware {
    /// Starts the child and feeds it from `source`, at whose end the child's input ends.
    pub fn start(
        command: &Command,
        source: impl Source + Send + 'static,
        options: MiddlewareOptions,
    ) -> Result<Middleware> {
        let text = command.text().to_owned();
        let failed = |error: io::Error| Error::from(error).at(format!("the middleware {text:?}"));
        let (input, feeding) = io::pipe().map_err(failed)?;
        let (answers, output) = io::pipe().map_err(failed)?;
        rustix::io::ioctl_fionbio(&feeding, true).map_err(|error| failed(error.into()))?;
        // The command, and with it our copies of the child's ends, is gone after this statement.
        let child = command
            .process()
            .stdin(input.try_clone().map_err(failed)?)
            .stdout(output)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let traffic = Arc::new(Traffic::new());
        let (hand_on, blocks) = sync_channel(WAITING);
        let middleware = Middleware {
            text: text.clone(),
            child,
            input: Some(input),
            blocks,
            traffic: Arc::clone(&traffic),
            options,
            flood: FloodWatch::new(),
            is_killed: false,
            fault: None,
            is_over: false,
        };
        let shared = Arc::clone(&traffic);
        thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || traffic::feed(source, feeding, &shared))
            .map_err(failed)?;
        thread::Builder::new()
            .name("answers".to_owned())
            .spawn(move || traffic::read(answers, &hand_on, &traffic, options.max_record))
            .map_err(failed)?;
        Ok(middleware)
    }

    /// What went to the child and came back, also while it goes on.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// The next block, or none when the child wrote all it will.
    fn next(&mut self) -> Result<Option<Block>> {
        let step = QUIET.min(self.options.patience);
        let (mut silent, mut before) = (Duration::ZERO, self.signs()?);
        while !self.is_killed {
            // Before anything is taken: a child that writes without end always has something to be taken.
            if self.traffic.is_stopped() {
                self.kill(Some("was killed, as it was not to be waited for".to_owned()))?;
                break;
            }
            let unread = || unread(self.input.as_ref());
            if let Some(fault) = self.flood.fault(&self.traffic, unread, self.options.patience)? {
                self.kill(Some(fault))?;
                break;
            }
            match self.blocks.recv_timeout(step) {
                Ok(block) => return Ok(Some(block)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.signs()?;
            let has_work = now.is_input_closed || now.unread > 0 || self.traffic.is_blocked();
            if !has_work || now != before {
                // Counted from the end of this step: the child is never given less.
                (silent, before) = (Duration::ZERO, now);
                continue;
            }
            silent += step;
            let has_read_all = self.traffic.is_input_over() && now.unread == 0;
            let is_done = has_read_all && !self.traffic.is_within_line();
            let has_timed_out = silent >= self.options.patience;
            if is_done && (self.traffic.balance().is_even() || has_timed_out && self.options.may_drop) {
                self.kill(None)?;
            } else if has_timed_out {
                let patience = self.options.patience;
                self.kill(Some(if has_read_all {
                    format!("wrote nothing more and did not end within {patience:?} after its input ended; it was killed")
                } else {
                    format!("neither read its input nor wrote anything for {patience:?}; it was killed")
                }))?;
            }
        }
        // What it wrote until it was killed; a process that left its group may still hold its output.
        Ok(self.blocks.recv_timeout(self.options.patience).ok())
    }

    fn signs(&self) -> io::Result<Signs> {
        let is_input_closed = self.traffic.is_input_closed();
        Ok(Signs { moved: self.traffic.moved(), unread: self.unread()?, is_input_closed })
    }

    fn unread(&self) -> io::Result<u64> {
        unread(self.input.as_ref())
    }

    /// Kills the child and what it started, because it is done or for a fault.
    fn kill(&mut self, fault: Option<String>) -> io::Result<()> {
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself this very moment; until it is waited for, its number is not reused.
            let _ = kill_process_group(group, Signal::KILL);
        }
        (self.is_killed, self.fault) = (true, fault);
        self.child.wait()?;
        Ok(())
    }

    /// How it ended, after its output was closed.
    fn end(&mut self) -> Result<()> {
        self.is_over = true;
        let status = if self.is_killed { None } else { self.wait()? };
        // In this order, and after the child: what was sent is in the pipe when it is asked what nobody read.
        let is_input_over = self.traffic.is_input_over();
        let unread = self.unread()?;
        self.input = None;
        let mut faults = Vec::new();
        if let Some(status) = status {
            let is_early = !is_input_over || unread > 0;
            if is_early || !status.success() {
                let early = if is_early { ", before it had read all its input" } else { "" };
                faults.push(format!("ended with {}{early}", Status(status)));
            }
        } else {
            faults.extend(self.fault.take());
        }
        self.add_losses(&mut faults);
        let fault = (!faults.is_empty()).then(|| self.error(&faults.join("; ")));
        match (self.traffic.take_failure(), fault) {
            (None, None) => Ok(()),
            (Some(error), None) | (None, Some(error)) => Err(error),
            (Some(failure), Some(fault)) => Err(Error::Invalid(format!("{failure}; {fault}"))),
        }
    }

    /// What came back is judged by kind and id.
    fn add_losses(&self, faults: &mut Vec<String>) {
        if let Some((number, line, garbage)) = self.traffic.first_garbage() {
            let lines = self.traffic.garbage();
            faults.push(format!(
                "no record in {} of its output, the first is line {number} ({line:?}): {garbage}",
                Count(lines, "line")
            ));
        }
        let balance = self.traffic.balance();
        if self.options.may_drop || balance.is_even() {
            return;
        }
        let is_sole = faults.is_empty();
        if balance.missing > 0 {
            let first = self.traffic.first_missing(NAMED).join(", ");
            let more = if balance.missing > NAMED as u64 { ", …" } else { "" };
            faults.push(format!(
                "did not send back {} of {} ({first}{more})",
                balance.missing,
                Count(balance.given, "record")
            ));
        }
        if balance.unknown > 0 {
            faults.push(format!(
                "held too many records at once to follow {} of them, not all of which came back unchanged in \
                 kind and id",
                balance.unknown
            ));
        }
        if is_sole {
            faults.push("if it drops records on purpose, give --middleware-may-drop".to_owned());
        }
    }

    /// Waits for a child that closed its output.
    fn wait(&mut self) -> Result<Option<ExitStatus>> {
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if waited >= self.options.patience {
                let patience = self.options.patience;
                self.kill(Some(format!(
                    "closed its output and did not end within {patience:?}; it was killed"
                )))?;
                return Ok(None);
            }
            thread::sleep(step);
            waited += step;
        }
    }

    fn error(&self, what: &str) -> Error {
        let balance = self.traffic.balance();
        let own = match (balance.own, balance.unknown) {
            (0, _) => String::new(),
            (own, 0) => format!(", {own} of its own"),
            (own, _) => format!(", {own} that were not followed or are its own"),
        };
        let rest = if self.traffic.is_input_over() { "" } else { "; the rest of the input was not read" };
        Error::Invalid(format!(
            "the middleware {:?} {what} ({} sent to it, {} came back{own}{rest})",
            self.text,
            Count(balance.given, "record"),
            balance.returned
        ))
    }
}

/// Bytes in the pipe that the child did not read.
fn unread(input: Option<&PipeReader>) -> io::Result<u64> {
    Ok(input.map_or(Ok(0), rustix::io::ioctl_fionread)?)
}

impl Drop for Middleware {
    fn drop(&mut self) {
        if !self.is_over && !self.is_killed {
            // Nobody takes what it writes any more, nor asks how it ended.
            let _ = self.kill(None);
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
        self.traffic.intake()
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
