//! Several sources read at the same time, whose records go on as they come.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::record::{Block, Failures, Intake, Source};
use crate::{Error, Result};

/// Several sources, each read by a thread of its own. None waits for another, and the order between them is that in
/// which records come. One that fails ends there, and the others go on.
pub struct Arrivals {
    receiver: Receiver<(usize, Arrival)>,
    intakes: Vec<Intake>,
    failures: Failures,
}

/// What a thread hands on.
enum Arrival {
    /// Records, and all that was read there.
    Block(Block, Intake),
    /// It has ended so, and this was read there.
    End(Intake, Option<Error>),
}

impl Arrivals {
    /// Begins to read.
    pub fn start(sources: Vec<Box<dyn Source + Send>>, failures: Failures) -> Result<Self> {
        let intakes = vec![Intake::default(); sources.len()];
        let (sender, receiver) = sync_channel(sources.len());
        for (number, source) in sources.into_iter().enumerate() {
            let sender = sender.clone();
            thread::Builder::new().name("input".to_owned()).spawn(move || read(number, source, &sender))?;
        }
        Ok(Arrivals { receiver, intakes, failures })
    }
}

/// Reads to the end, or until nobody wants more.
fn read(number: usize, mut source: Box<dyn Source + Send>, arrivals: &SyncSender<(usize, Arrival)>) {
    loop {
        let mut block = Block::new();
        let end = match source.read_block(&mut block) {
            Ok(true) => {
                let arrival = Arrival::Block(block, source.intake());
                if arrivals.send((number, arrival)).is_err() {
                    return;
                }
                continue;
            }
            Ok(false) => None,
            Err(error) => Some(error),
        };
        let intake = source.intake();
        // What a source does when it is dropped is done before the end of all.
        drop(source);
        // Whoever reads may have gone.
        let _ = arrivals.send((number, Arrival::End(intake, end)));
        return;
    }
}

impl Source for Arrivals {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        loop {
            match self.receiver.recv() {
                Ok((number, Arrival::Block(next, intake))) => {
                    self.intakes[number] = intake;
                    *block = next;
                    return Ok(true);
                }
                Ok((number, Arrival::End(intake, end))) => {
                    self.intakes[number] = intake;
                    end.map_or(Ok(()), |error| self.failures.take(error))?;
                }
                // All threads have ended.
                Err(_) => return self.failures.end().map(|()| false),
            }
        }
    }

    fn intake(&self) -> Intake {
        self.intakes.iter().fold(Intake::default(), |sum, intake| sum.join(intake))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Kind, Sink as _, pipe};

    fn block(id: &str) -> Block {
        let mut block = Block::new();
        block.push(
            &Header { kind: Kind::Request, id: id.as_bytes(), ..Header::default() },
            b"GET / HTTP/1.1\r\n\r\n",
        );
        block
    }

    #[test]
    fn none_waits_for_another_and_one_that_fails_is_told_at_the_end() {
        let (mut quick, first) = pipe();
        let (slow, second) = pipe();
        let failures = Failures::new(2, false, |_| {});
        let mut all = Arrivals::start(vec![Box::new(second), Box::new(first)], failures).unwrap();
        let mut read = Block::new();
        for id in ["a", "b"] {
            quick.write_block(&block(id)).unwrap();
            quick.flush().unwrap();
            assert!(all.read_block(&mut read).unwrap());
            assert_eq!(read.get(0).header.id, id.as_bytes());
        }
        slow.end(Intake { malformed: 1, ..Intake::default() }, Err(Error::Invalid("it broke".into())));
        quick.write_block(&block("c")).unwrap();
        quick.end(Intake { records: 3, ..Intake::default() }, Ok(()));
        assert!(all.read_block(&mut read).unwrap());
        assert_eq!(read.get(0).header.id, b"c");
        assert!(all.read_block(&mut read).is_err());
        assert_eq!((all.intake().records, all.intake().malformed), (3, 1));
    }
}
