//! A capture file as a place that records are written to.

use std::fmt;
use std::io::Write;

use super::{ConversationTally, Conversations};
use crate::Result;
use crate::observe::Count;
use crate::packet::FileFormat;
use crate::record::{Run, Sink};

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 18;

/// Writes records as a capture of the conversations they came from.
///
/// [`Sink::flush`] hands on whole packets only; the records of the last
/// seconds are still held back then, as earlier ones may follow.
pub struct PacketSink<W> {
    conversations: Conversations,
    output: W,
    tell: Option<fn(&dyn fmt::Display)>,
}

impl<W: Write> PacketSink<W> {
    /// A file that begins at `output`. What was left out is told at its end.
    pub fn new(output: W, format: FileFormat, tell: Option<fn(&dyn fmt::Display)>) -> Self {
        PacketSink { conversations: Conversations::new(format), output, tell }
    }

    /// What became of the records so far.
    pub fn tally(&self) -> ConversationTally {
        self.conversations.tally()
    }

    fn put(&mut self) -> Result<()> {
        let result = self.output.write_all(self.conversations.bytes());
        self.conversations.clear();
        Ok(result?)
    }
}

impl<W: Write> Sink for PacketSink<W> {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        for record in records.iter() {
            self.conversations.take(&record);
            if self.conversations.bytes().len() >= BUFFER {
                self.put()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.put()?;
        Ok(self.output.flush()?)
    }

    fn finish(&mut self) -> Result<()> {
        self.conversations.finish();
        self.flush()?;
        let ConversationTally { replayed, empty, .. } = self.tally();
        if let Some(tell) = self.tell
            && replayed + empty > 0
        {
            tell(&format_args!(
                "left out of the capture: {}, {} without payload",
                Count(replayed, "replayed response"),
                Count(empty, "record")
            ));
        }
        Ok(())
    }
}
