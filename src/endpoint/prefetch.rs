//! Places opened and decompressed on other threads, before their turn.
//!
//! A plain file is opened ahead and read by whoever wants its bytes; of a
//! compressed one, so many pieces are decompressed ahead.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::bytes::{ByteStream, Coded, DRAIN, open_coded};
use super::kafka;
use super::place::{ExpandedPlace, Place};
use super::pump::{PieceReader, thread_lost};
use super::reading::ReadOptions;
use crate::record::Source;
use crate::{Position, Result};

/// Places open at a time: the one that is read, and those after it.
const PLACES_OPEN: usize = 4;

/// How often a wait for a place that does not open looks whether it is to end.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// Places in their order, opened ahead.
pub(super) struct Prefetcher {
    rest: std::vec::IntoIter<ExpandedPlace>,
    opening: VecDeque<(ExpandedPlace, Receiver<Result<OpenedPlace>>)>,
    to_workers: Sender<OpenJob>,
    jobs: Arc<Mutex<Receiver<OpenJob>>>,
    workers: usize,
    how: ReadOptions,
}

/// A place to open, and where its bytes are to go.
type OpenJob = (Place, SyncSender<Result<OpenedPlace>>);

/// What an open place gives.
pub(super) enum OpenedPlace {
    /// Bytes, and where in the stream of its records they begin.
    Bytes(ByteStream, Position),
    /// The same of those of a file, none of which is waited for.
    File(ByteStream, Position),
    /// Records.
    Records(Box<dyn Source + Send>),
}

impl Prefetcher {
    /// Opens nothing yet.
    pub(super) fn new(places: Vec<ExpandedPlace>, how: &ReadOptions) -> Self {
        let (to_workers, jobs) = channel();
        Prefetcher {
            rest: places.into_iter(),
            opening: VecDeque::new(),
            to_workers,
            jobs: Arc::new(Mutex::new(jobs)),
            workers: 0,
            how: how.clone(),
        }
    }

    /// Leaves out the places that are not read yet. False: there is none.
    pub(super) fn stop(&mut self) -> bool {
        let has_any = self.rest.len() + self.opening.len() > 0;
        self.rest = Vec::new().into_iter();
        self.opening.clear();
        has_any
    }

    /// The next place and its bytes, or why it has none. None: that was the
    /// last, or reading is to end.
    pub(super) fn next(&mut self) -> Option<(ExpandedPlace, Result<OpenedPlace>)> {
        while self.opening.len() < PLACES_OPEN
            && let Some(found) = self.rest.next()
        {
            let (reply, opened) = sync_channel(1);
            if let Err(error) = self.start_worker() {
                return Some((found, Err(error.into())));
            }
            // The other end is in this struct.
            let _ = self.to_workers.send((found.place.clone(), reply));
            self.opening.push_back((found, opened));
        }
        let (found, opened) = self.opening.pop_front()?;
        let mut stopped = None;
        loop {
            match opened.recv_timeout(STOP_CHECK) {
                Ok(bytes) => return Some((found, bytes)),
                Err(RecvTimeoutError::Disconnected) => return Some((found, Err(thread_lost().into()))),
                // A named pipe that nobody writes to does not even open.
                Err(RecvTimeoutError::Timeout) if self.how.is_over() => {
                    if stopped.get_or_insert_with(Instant::now).elapsed() > 2 * DRAIN {
                        self.how.cut();
                        return None;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Starts a worker for each place that is open at a time: one that
    /// waits for its bytes must not keep the others.
    fn start_worker(&mut self) -> io::Result<()> {
        if self.workers < PLACES_OPEN {
            let (jobs, how) = (Arc::clone(&self.jobs), self.how.clone());
            thread::Builder::new().name("opener".to_owned()).spawn(move || work(&jobs, &how))?;
            self.workers += 1;
        }
        Ok(())
    }
}

/// Opens and decompresses places until there are no more.
fn work(jobs: &Mutex<Receiver<OpenJob>>, how: &ReadOptions) {
    loop {
        let job = jobs.lock().map(|jobs| jobs.recv());
        let Ok(Ok((place, reply))) = job else { return };
        if let Place::Kafka(address) = &place {
            // Nobody may wait for it any more.
            let _ = reply.send(kafka::open(address, how).map(OpenedPlace::Records));
            continue;
        }
        let (bytes, work) = match open_coded(&place, how) {
            Ok((Coded::Plain(bytes), start)) => (Ok(OpenedPlace::Bytes(bytes, start)), None),
            Ok((Coded::PlainFile(bytes), start)) => (Ok(OpenedPlace::File(bytes, start)), None),
            Ok((Coded::Compressed(decoder), start)) => {
                let (pieces, writer) = PieceReader::new();
                (Ok(OpenedPlace::Bytes(Box::new(pieces), start)), Some((decoder, writer)))
            }
            Err(error) => (Err(error), None),
        };
        // Nobody waits for it any more: what it was opened for has ended.
        let is_wanted = reply.send(bytes).is_ok();
        if let Some((decoder, writer)) = work.filter(|_| is_wanted) {
            writer.run(decoder);
        }
    }
}
