//! Where records go, whatever it is.

use super::block::{Block, Run};
use crate::Result;

/// Something that takes records, as neighbours in a block: a run's text goes
/// out in one piece where the output is gor text.
pub trait Sink {
    /// Takes records. They may wait in a buffer.
    fn write(&mut self, records: &Run<'_>) -> Result<()>;

    /// Takes all records of a block.
    fn write_block(&mut self, block: &Block) -> Result<()> {
        block.runs(|_| true).try_for_each(|run| self.write(&run))
    }

    /// Hands on what waits in the buffer.
    fn flush(&mut self) -> Result<()>;

    /// Hands on everything that waits anywhere, also what [`Sink::flush`] leaves waiting for a while, so that it is not
    /// lost if this process is killed.
    fn settle(&mut self) -> Result<()> {
        self.flush()
    }

    /// Hands on everything and ends the output. Nothing is written after it.
    fn finish(&mut self) -> Result<()>;

    /// Goes on in new files of the same names where the files were moved away, as logrotate does. A file that is still
    /// there, and what is no file, goes on as it is.
    fn reopen(&mut self) -> Result<()> {
        self.flush()
    }

    /// Fails if nobody will read what is written, as when the reader of a pipe has gone. Asked while nothing comes.
    fn check(&mut self) -> Result<()> {
        Ok(())
    }

    /// As [`Sink::finish`], when the source has failed: a file that was created and got no record is taken away, so
    /// that it is not in the way of the next try.
    fn finish_failed(&mut self) -> Result<()> {
        self.finish()
    }
}

/// Discards everything.
#[derive(Clone, Copy, Debug)]
pub struct Discard;

impl Sink for Discard {
    fn write(&mut self, _: &Run<'_>) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        (**self).write(records)
    }

    fn flush(&mut self) -> Result<()> {
        (**self).flush()
    }

    fn settle(&mut self) -> Result<()> {
        (**self).settle()
    }

    fn finish(&mut self) -> Result<()> {
        (**self).finish()
    }

    fn reopen(&mut self) -> Result<()> {
        (**self).reopen()
    }

    fn check(&mut self) -> Result<()> {
        (**self).check()
    }

    fn finish_failed(&mut self) -> Result<()> {
        (**self).finish_failed()
    }
}
