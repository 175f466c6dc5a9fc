//! Capture files read as one capture: a source of records.

use std::io::Read;

use super::{Ledger, Options, Recorder};
use crate::packet::CaptureFile;
use crate::packet::live::Expression;
use crate::record::{self, Block, Intake};
use crate::{Error, Result};

/// A block is handed out when it has so many bytes, or when nothing more is there.
const BLOCK_SIZE: usize = 256 << 10;

/// What is recorded from capture files, one the continuation of the other.
///
/// An error does not end it: damage in one file is told once, after the
/// records before it, and the next call goes on with the next file.
pub struct Source<I> {
    /// The files not yet opened.
    inputs: Option<I>,
    file: Option<(String, CaptureFile<Box<dyn Read + Send>>)>,
    recorder: Recorder,
    /// What packets must match to be looked at.
    expression: Option<Expression>,
    failure: Option<Error>,
    is_finished: bool,
    intake: Intake,
}

/// An input to be opened: its name, and how to get at its bytes. An error in
/// opening it carries the name already.
pub type Tap = (String, Box<dyn FnOnce() -> Result<Box<dyn Read + Send>> + Send>);

impl<I: Iterator<Item = Tap>> Source<I> {
    /// Records from `inputs`, each opened when the one before has ended.
    pub fn new(inputs: I, options: Options) -> Self {
        Source {
            inputs: Some(inputs),
            file: None,
            recorder: Recorder::new(options),
            expression: None,
            failure: None,
            is_finished: false,
            intake: Intake::default(),
        }
    }

    /// Leaves out packets that an expression does not select.
    pub fn select(&mut self, expression: Expression) {
        self.expression = Some(expression);
    }

    /// Ends the capture here: what is under way is given up, no more is read.
    pub fn stop(&mut self) {
        self.file = None;
        self.inputs = None;
    }

    /// The books of the capture so far.
    pub fn ledger(&self) -> Ledger {
        self.recorder.ledger()
    }

    /// Opens the next file. False: there is none.
    fn open_next(&mut self) -> bool {
        let Some((name, open)) = self.inputs.as_mut().and_then(Iterator::next) else { return false };
        let file = open().and_then(|bytes| CaptureFile::new(bytes).map_err(|error| error.at(name.as_str())));
        match file {
            Ok(file) => self.file = Some((name, file)),
            Err(error) => self.failure = Some(error),
        }
        true
    }

    /// Reads packets until a block is full, the input pauses, or the file ends.
    fn read_packets(&mut self, block: &mut Block) {
        let Some((name, file)) = &mut self.file else { return };
        while block.bytes().len() < BLOCK_SIZE && (block.is_empty() || !file.is_drained()) {
            match file.next() {
                Ok(Some(packet)) => {
                    match self.expression.as_mut().map(|it| it.matches(&packet)).transpose() {
                        Ok(None | Some(true)) => self.recorder.packet(&packet, block),
                        Ok(Some(false)) => self.recorder.leave_out(),
                        Err(error) => {
                            self.failure = Some(error.at(name.as_str()));
                            self.file = None;
                            return;
                        }
                    }
                }
                Ok(None) => {
                    self.file = None;
                    return;
                }
                Err(error) => {
                    self.failure = Some(error.at(name.as_str()));
                    self.file = None;
                    return;
                }
            }
        }
    }
}

impl<I: Iterator<Item = Tap>> record::Source for Source<I> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        while block.is_empty() {
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            if self.file.is_some() {
                self.read_packets(block);
            } else if !self.open_next() {
                if self.is_finished {
                    return Ok(false);
                }
                self.is_finished = true;
                self.recorder.finish(block);
            }
        }
        block.continue_after(self.intake.records, self.intake.bytes);
        self.intake.records += block.len() as u64;
        self.intake.bytes += block.bytes().len() as u64;
        Ok(true)
    }

    fn intake(&self) -> Intake {
        self.intake
    }
}
