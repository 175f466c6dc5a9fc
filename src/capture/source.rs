//! Capture files read as one capture: a source of records.

use std::io::Read;

use super::{CaptureLedger, CaptureOptions, Recorder};
use crate::packet::live::Expression;
use crate::packet::{CaptureFile, PacketBatch};
use crate::record::{self, Block, Intake};
use crate::{Error, Result};

/// A block is handed out when it has so many bytes, or when nothing more is there.
const BLOCK_SIZE: usize = 256 << 10;

/// Bytes by which a block usually goes beyond that: those of its last record.
const MARGIN: usize = 64 << 10;

/// Packets that are kept are handed out when they take so many bytes.
const KEPT_SIZE: usize = 1 << 20;

/// What is recorded from capture files, one the continuation of the other.
///
/// An error does not end it: damage in one file is told once, after the
/// records before it, and the next call goes on with the next file.
pub struct CaptureSource<I> {
    /// The files not yet opened.
    inputs: Option<I>,
    file: Option<(String, CaptureFile<Box<dyn Read + Send>>)>,
    recorder: Recorder,
    /// What packets must match to be looked at.
    expression: Option<Expression>,
    /// Packets at the addresses, if they are to be kept.
    kept: Option<PacketBatch>,
    failure: Option<Error>,
    is_finished: bool,
    intake: Intake,
}

/// An input to be opened: its name, and how to get at its bytes. An error in
/// opening it carries the name already.
pub type CaptureInput = (String, Box<dyn FnOnce() -> Result<Box<dyn Read + Send>> + Send>);

impl<I: Iterator<Item = CaptureInput>> CaptureSource<I> {
    /// Records from `inputs`, each opened when the one before has ended.
    pub fn new(inputs: I, options: CaptureOptions) -> Self {
        CaptureSource {
            inputs: Some(inputs),
            file: None,
            recorder: Recorder::new(options),
            expression: None,
            kept: None,
            failure: None,
            is_finished: false,
            intake: Intake::default(),
        }
    }

    /// Leaves out packets that an expression does not select.
    pub fn select(&mut self, expression: Expression) {
        self.expression = Some(expression);
    }

    /// Keeps the packets that are at the addresses to record at, and fragments that may be of them. From now on
    /// blocks may be empty, and the packets are to be taken out after each.
    pub fn keep_packets(&mut self) {
        self.kept = Some(PacketBatch::default());
    }

    /// The packets kept since this was emptied.
    pub fn kept(&mut self) -> Option<&mut PacketBatch> {
        self.kept.as_mut()
    }

    /// Ends the capture here: what is under way is given up, no more is read.
    pub fn stop(&mut self) {
        self.file = None;
        self.inputs = None;
    }

    /// The counts of the capture so far.
    pub fn ledger(&self) -> CaptureLedger {
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
        loop {
            let has_nothing = block.is_empty() && self.kept.as_ref().is_none_or(PacketBatch::is_empty);
            let is_full = block.bytes().len() >= BLOCK_SIZE
                || self.kept.as_ref().is_some_and(|kept| kept.size() >= KEPT_SIZE);
            if is_full || (file.is_drained() && !has_nothing) {
                return;
            }
            match file.next() {
                Ok(Some(packet)) => {
                    match self.expression.as_mut().map(|it| it.matches(&packet)).transpose() {
                        Ok(None | Some(true)) => {
                            let is_at_address = self.recorder.packet(&packet, block);
                            if let Some(kept) = self.kept.as_mut().filter(|_| is_at_address) {
                                kept.push(&packet);
                            }
                        }
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

impl<I: Iterator<Item = CaptureInput>> record::Source for CaptureSource<I> {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        block.reserve(BLOCK_SIZE + MARGIN);
        while block.is_empty() && self.kept.as_ref().is_none_or(PacketBatch::is_empty) {
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
