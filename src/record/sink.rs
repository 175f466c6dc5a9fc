//! Where records go, whatever it is.

use crate::Result;

/// Something that takes records as gor text.
pub trait Sink {
    /// Takes the text of whole records. It may wait in a buffer.
    fn write(&mut self, records: &[u8]) -> Result<()>;

    /// Hands on what waits in the buffer.
    fn flush(&mut self) -> Result<()>;

    /// Hands on everything and ends the output. Nothing is written after it.
    fn finish(&mut self) -> Result<()>;
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn write(&mut self, records: &[u8]) -> Result<()> {
        (**self).write(records)
    }

    fn flush(&mut self) -> Result<()> {
        (**self).flush()
    }

    fn finish(&mut self) -> Result<()> {
        (**self).finish()
    }
}
