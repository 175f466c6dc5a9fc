//! Replayed answers, and the input passed through, on their way to one stream of records.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::Result;
use crate::record::{Block, Sink};

/// Pieces that may wait for the stream; then whoever has more waits too.
pub(super) const WAITING: usize = 16;

/// Some records to be written.
#[derive(Debug)]
pub(super) enum Piece {
    /// Records as they were read.
    Echo(Arc<Block>),
    /// Answers of the target.
    Answers(Block),
    /// Nothing of interest comes after this, though senders may be left.
    End,
}

/// Writes until the end. What is there is flushed before waiting for more.
pub(super) fn write(pieces: &Receiver<Piece>, mut out: impl Sink) -> Result<()> {
    while let Ok(mut piece) = pieces.recv() {
        loop {
            match &piece {
                Piece::Echo(block) => out.write_block(block),
                Piece::Answers(block) => out.write_block(block),
                Piece::End => return out.finish(),
            }?;
            match pieces.try_recv() {
                Ok(next) => piece = next,
                Err(_) => break,
            }
        }
        out.flush()?;
    }
    out.finish()
}
