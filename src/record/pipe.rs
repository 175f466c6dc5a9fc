//! A pipe within the process: records that one thread writes and another reads, without a copy through the kernel.

use std::io;
use std::mem;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use super::block::{Block, Run};
use super::sink::Sink;
use super::source::{Intake, Source};
use crate::{Error, Result};

/// Blocks that wait to be read. With those in the hands of the two sides, a few MB.
const WAITING: usize = 4;

/// A block with so much text is handed on.
const FULL: usize = 512 << 10;

/// What goes through the pipe.
#[derive(Debug)]
enum PipeItem {
    Block(Block),
    /// What was read where the records come from, and how that ended.
    End(Box<Intake>, Result<()>),
}

/// A new pipe: where records are written, and where they come out.
pub fn pipe() -> (PipeSink, PipeSource) {
    let (items, incoming) = sync_channel(WAITING);
    let (back, used) = channel();
    let sink = PipeSink { items, used, block: Block::new() };
    (sink, PipeSource { incoming, back, intake: Intake::default(), is_over: false })
}

/// The end of a pipe that records are written to.
///
/// Dropped without [`PipeSink::end`], it counts as failed for whoever reads.
#[derive(Debug)]
pub struct PipeSink {
    items: SyncSender<PipeItem>,
    used: Receiver<Block>,
    block: Block,
}

impl PipeSink {
    /// Ends the pipe, after what was read before it, and how that ended.
    pub fn end(mut self, intake: Intake, result: Result<()>) {
        // Nobody is left to be told where the reader has gone.
        let _ = self.hand_on().and_then(|()| self.send(PipeItem::End(Box::new(intake), result)));
    }

    /// The same, ended by [`Sink::finish`], for sinks that others finish.
    pub fn ending(self) -> impl Sink + Send {
        EndingPipe(Some(self))
    }

    fn send(&self, item: PipeItem) -> Result<()> {
        self.items.send(item).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe).into())
    }

    fn hand_on(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let mut next = self.used.try_recv().unwrap_or_default();
        next.clear();
        let full = mem::replace(&mut self.block, next);
        self.send(PipeItem::Block(full))
    }
}

impl Sink for PipeSink {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.block.append_renumbered(records);
        if self.block.bytes().len() >= FULL { self.hand_on() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.hand_on()
    }

    /// Hands on what waits. The pipe goes on until [`PipeSink::end`] says how it ended.
    fn finish(&mut self) -> Result<()> {
        self.hand_on()
    }
}

/// A pipe that ends when it is finished.
struct EndingPipe(Option<PipeSink>);

impl EndingPipe {
    fn end(&mut self, result: Result<()>) {
        if let Some(sink) = self.0.take() {
            sink.end(Intake::default(), result);
        }
    }
}

impl Sink for EndingPipe {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.0.as_mut().map_or(Ok(()), |sink| sink.write(records))
    }

    fn flush(&mut self) -> Result<()> {
        self.0.as_mut().map_or(Ok(()), Sink::flush)
    }

    fn finish(&mut self) -> Result<()> {
        self.end(Ok(()));
        Ok(())
    }
}

/// The end of a pipe that records come out of.
#[derive(Debug)]
pub struct PipeSource {
    incoming: Receiver<PipeItem>,
    back: Sender<Block>,
    /// Once it has ended, of what was before the pipe.
    intake: Intake,
    is_over: bool,
}

impl Source for PipeSource {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        if self.is_over {
            block.clear();
            return Ok(false);
        }
        match self.incoming.recv() {
            Ok(PipeItem::Block(next)) => {
                self.intake.records += next.len() as u64;
                self.intake.bytes += next.bytes().len() as u64;
                // Whoever writes may have ended.
                let _ = self.back.send(mem::replace(block, next));
                Ok(true)
            }
            Ok(PipeItem::End(intake, result)) => {
                // What was counted here is as good where the other side counts nothing.
                self.intake = if *intake == Intake::default() { self.intake } else { *intake };
                self.is_over = true;
                block.clear();
                result.map(|()| false)
            }
            Err(_) => {
                self.is_over = true;
                Err(Error::Invalid("a thread ended before its work was done".to_owned()))
            }
        }
    }

    fn intake(&self) -> Intake {
        self.intake
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind};
    use std::thread;

    fn block(ids: std::ops::Range<u32>) -> Block {
        let mut block = Block::new();
        for id in ids {
            let id = id.to_string();
            let header = Header { kind: Kind::Request, id: id.as_bytes(), ..Header::default() };
            block.push(&header, &vec![b'x'; 1000]);
        }
        block
    }

    #[test]
    fn what_is_written_comes_out_in_order_and_then_how_it_ended() {
        let (mut sink, mut source) = pipe();
        let writer = thread::spawn(move || {
            for first in 0..500 {
                sink.write_block(&block(first * 10..first * 10 + 10)).unwrap();
            }
            let intake = Intake { malformed: 3, ..Intake::default() };
            sink.end(intake, Err(Error::Invalid("the disk is gone".into())));
        });
        let (mut read, mut ids) = (Block::new(), Vec::new());
        let error = loop {
            match source.read_block(&mut read) {
                Ok(true) => ids.extend(read.iter().map(|view| view.header.id.to_vec())),
                Ok(false) => panic!("the error is lost"),
                Err(error) => break error,
            }
        };
        writer.join().unwrap();
        assert_eq!(ids, (0..5000).map(|id: u32| id.to_string().into_bytes()).collect::<Vec<_>>());
        assert_eq!(error.to_string(), "the disk is gone");
        assert_eq!(source.intake().malformed, 3);
        assert!(!source.read_block(&mut read).unwrap());
    }

    #[test]
    fn each_side_notices_that_the_other_has_gone() {
        let (mut sink, source) = pipe();
        drop(source);
        sink.write_block(&block(0..1)).unwrap();
        assert!(sink.flush().unwrap_err().is_broken_pipe());
        let (sink, mut source) = pipe();
        drop(sink);
        assert!(source.read_block(&mut Block::new()).is_err());
    }
}
