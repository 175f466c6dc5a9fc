//! Places read at the same time: files that grow, read on as `tail -F` does through rotation and truncation, and senders
//! that connect.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::bytes::{Coded, decoded, open_coded};
use super::input::OpenInput;
use super::network::{Listener, SenderInput};
use super::place::{ExpandedPlace, Place};
use super::reading::{Notice, ReadOptions};
use crate::record::{Block, Failures, Intake, Source};
use crate::{Error, Position, Result};

/// Files followed at once: each has a thread and a buffer of its own.
const MAX_FOLLOWED: usize = 64;

/// How often it is looked whether a file has grown. Unlike notifications from
/// the kernel this works on network file systems too.
const INTERVAL: Duration = Duration::from_millis(100);

/// Bytes read at once, which bounds the buffers.
const READ: usize = 1 << 16;

/// Blocks whose memory is kept to be filled again.
const SPARE_BLOCKS: usize = 2;

/// Blocks that were handed on and are empty again: memory that need not be asked for and cleared anew.
#[derive(Clone, Debug, Default)]
struct SpareBlocks(Arc<Mutex<Vec<Block>>>);

impl SpareBlocks {
    fn take(&self) -> Block {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, mut block: Block) {
        block.clear();
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() < SPARE_BLOCKS {
            blocks.push(block);
        }
    }
}

/// Several places followed at once. Records come in the order of their place,
/// but between places as they are found.
pub(super) struct Followed {
    events: Receiver<FollowEvent>,
    /// What was read from each place and sender.
    intakes: HashMap<usize, Intake>,
    /// What was read from senders that have gone.
    before: Intake,
    /// Places that were named; what has a higher number is a sender.
    named: usize,
    failures: Failures,
    how: ReadOptions,
    /// The thread of each sender has a copy.
    senders: Arc<()>,
    /// When it was seen that reading is to end.
    stopped: Option<Instant>,
    spares: SpareBlocks,
}

/// What the thread of a place hands on: its number, and what it has.
type FollowEvent = (usize, Finding);

enum Finding {
    /// Records, and all that was read from this place.
    Block(Block, Intake),
    /// It could not be read any further; it is waited for another file of its name.
    Failed(Error),
    /// A sender has gone, after this was read from it.
    Gone(Intake),
}

/// How long senders are waited for once reading is to end; each is done with sooner.
const FAREWELL: Duration = Duration::from_secs(5);

/// Senders that are connected at once: each has a thread and a buffer of its own.
const MAX_SENDERS: usize = 1024;

/// Of the first so many, more bytes are read at once, if they come fast: then fewer blocks go from thread to thread.
const BULK_SENDERS: usize = 16;
const BULK_READ: usize = 1 << 19;

impl Followed {
    /// Starts a thread for each place.
    pub(super) fn start(places: Vec<ExpandedPlace>, how: &ReadOptions) -> Result<Self> {
        let total = places.len();
        // Where senders connect to is no input; each of them is one.
        let files = places.iter().filter(|found| !matches!(found.place, Place::Network(_))).count();
        if total > MAX_FOLLOWED {
            let text = format!(
                "{total} files are too many to follow; at most {MAX_FOLLOWED} can be followed at once"
            );
            return Err(Error::Usage(text));
        }
        if let Some(ExpandedPlace { place: place @ Place::Object(_), .. }) =
            places.iter().find(|found| matches!(found.place, Place::Object(_)))
        {
            return Err(Error::Usage(format!("{place}: an object of S3 does not grow; leave out --follow")));
        }
        how.meter.set_total(None);
        let (sender, events) = sync_channel(1);
        let numbers = Arc::new(AtomicUsize::new(total));
        let spares = SpareBlocks::default();
        let senders = Arc::new(());
        let listen = |found: &ExpandedPlace| match &found.place {
            Place::Network(address) => Listener::bind(address, &how.listening).map(Some),
            Place::Standard | Place::File(_) | Place::Object(_) | Place::Kafka(_) => Ok(None),
        };
        // All of them, before records are taken from any.
        let listeners = places.iter().map(listen).collect::<Result<Vec<_>>>()?;
        for ((number, found), listener) in places.into_iter().enumerate().zip(listeners) {
            let (sender, how) = (sender.clone(), how.clone());
            let how = ReadOptions { window: None, ..how };
            if let Some(listener) = listener {
                (how.tell)(&Notice::Listening {
                    place: &found.place.to_string(),
                    address: listener.address()?,
                });
                let reception = Reception {
                    listener,
                    number,
                    numbers: Arc::clone(&numbers),
                    senders: Arc::downgrade(&senders),
                    sender,
                    spares: spares.clone(),
                    how,
                };
                thread::Builder::new().name("listener".to_owned()).spawn(move || reception.run())?;
                continue;
            }
            let spares = spares.clone();
            let follower = Follower { number, found, sender, spares, how, before: Intake::default() };
            thread::Builder::new().name("follower".to_owned()).spawn(move || follower.run())?;
        }
        let mut failures = how.failures(files);
        // The only place is waited for as well, unless a rule was made strict.
        failures.may_grow();
        let (intakes, before) = (HashMap::new(), Intake::default());
        let how = how.clone();
        Ok(Followed { events, intakes, before, named: total, failures, how, senders, stopped: None, spares })
    }
}

impl Followed {
    /// Whether senders that are connected have not been told yet that reading has ended.
    fn waits_for_senders(&mut self) -> bool {
        let stopped = *self.stopped.get_or_insert_with(Instant::now);
        Arc::strong_count(&self.senders) > 1 && stopped.elapsed() < FAREWELL
    }
}

impl Source for Followed {
    fn read_block(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        loop {
            match self.events.recv_timeout(INTERVAL) {
                Ok((number, Finding::Block(found, intake))) => {
                    self.intakes.insert(number, intake);
                    self.spares.put(std::mem::replace(block, found));
                    return Ok(true);
                }
                Ok((number, Finding::Failed(error))) => {
                    self.failures.add_inputs(usize::from(number >= self.named));
                    self.failures.take(error)?;
                }
                Ok((number, Finding::Gone(intake))) => {
                    self.intakes.remove(&number);
                    self.before = self.before.join(&intake);
                }
                // One thread may sit in an output of /proc or a device that never answers.
                Err(RecvTimeoutError::Timeout) if self.how.is_over() && !self.waits_for_senders() => {
                    return self.failures.end().map(|()| false);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.failures.end().map(|()| false),
            }
        }
    }

    fn intake(&self) -> Intake {
        self.intakes.values().fold(self.before, |all, one| all.join(one))
    }
}

/// Takes the senders that connect to one place, each on a thread of its own.
struct Reception {
    listener: Listener,
    number: usize,
    /// The number of the next sender.
    numbers: Arc<AtomicUsize>,
    senders: Weak<()>,
    sender: SyncSender<FollowEvent>,
    spares: SpareBlocks,
    how: ReadOptions,
}

impl Reception {
    fn run(self) {
        // Each sender has a copy while it is connected.
        let connected = Arc::new(());
        let mut how = self.how.clone();
        loop {
            how.most_read = if Arc::strong_count(&connected) <= BULK_SENDERS { BULK_READ } else { READ };
            let input = match self.listener.accept(&how) {
                Ok(Some(input)) => input,
                Ok(None) => return,
                Err(error) => {
                    // Nobody is left to be told when reading has ended.
                    let _ = self.sender.send((self.number, Finding::Failed(error)));
                    return;
                }
            };
            if Arc::strong_count(&connected) > MAX_SENDERS {
                let why = format!("refused: {MAX_SENDERS} senders are connected");
                (self.how.tell)(&Notice::Failed(&Error::Invalid(why).at(input.name())));
                continue;
            }
            let (number, events) = (self.numbers.fetch_add(1, Ordering::Relaxed), self.sender.clone());
            let (how, connected) = (self.how.clone(), (Arc::clone(&connected), self.senders.upgrade()));
            let spares = self.spares.clone();
            let receive = move || {
                receive(input, number, &events, &spares, &how);
                drop(connected);
            };
            if let Err(error) = thread::Builder::new().name("receiver".to_owned()).spawn(receive) {
                // The sender sees its connection end, and may come again.
                (self.how.tell)(&Notice::Failed(&error.into()));
            }
        }
    }
}

/// Hands on what one sender sends, until it ends.
fn receive(
    mut input: SenderInput,
    number: usize,
    events: &SyncSender<FollowEvent>,
    spares: &SpareBlocks,
    how: &ReadOptions,
) {
    loop {
        let mut block = spares.take();
        let event = match input.read_block(&mut block, how) {
            Ok(true) => Finding::Block(block, input.intake()),
            Ok(false) => break,
            Err(error) => {
                // Nobody is left to be told when reading has ended.
                let _ = events.send((number, Finding::Failed(error)));
                break;
            }
        };
        if events.send((number, event)).is_err() {
            return;
        }
    }
    let _ = events.send((number, Finding::Gone(input.intake())));
}

/// Reads one place, and whatever comes under its name after it.
struct Follower {
    number: usize,
    found: ExpandedPlace,
    sender: SyncSender<FollowEvent>,
    spares: SpareBlocks,
    how: ReadOptions,
    before: Intake,
}

impl Follower {
    fn run(mut self) {
        let path = match &self.found.place {
            Place::File(path) if self.how.is_followed => path.clone(),
            _ => return self.read_other(),
        };
        let name = self.found.place.to_string();
        let mut last: Option<FileIdentity> = None;
        let mut is_awaited = false;
        while !self.how.is_over() {
            let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
            let (found, file) = match opened {
                Ok(opened) => opened,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if !is_awaited && last.is_none() {
                        (self.how.tell)(&Notice::Awaited(&name));
                    }
                    is_awaited = true;
                    thread::sleep(INTERVAL);
                    continue;
                }
                Err(error) => {
                    self.fail(Error::from(error).at(name));
                    return;
                }
            };
            if !found.is_file() {
                return self.read_other();
            }
            let identity = FileIdentity::of(&found);
            match last {
                Some(last) if last == identity => (self.how.tell)(&Notice::Truncated(&name)),
                Some(_) => (self.how.tell)(&Notice::Replaced(&name)),
                None => {}
            }
            last = Some(identity);
            let growing = Growing { file, path: path.clone(), identity, position: 0, how: self.how.clone() };
            let mut rest = growing.again();
            let bytes = decoded(growing).map_err(|error| Error::from(error).at(name.as_str()));
            let read = bytes.and_then(|bytes| self.read(bytes));
            match read {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) if self.how.is_strict => return self.fail(error),
                Err(error) => {
                    self.fail(error);
                    // What was written so far is no use; what comes under the name next may be.
                    if let Ok(rest) = &mut rest {
                        rest.pass_over();
                    }
                }
            }
        }
    }

    /// Reads what does not grow: a stream, a device.
    fn read_other(&mut self) {
        let read = open_coded(&self.found.place, &self.how).and_then(|(bytes, _)| self.read(bytes));
        if let Err(error) = read {
            self.fail(error);
        }
    }

    /// Reads one file to its end. False: nobody wants more.
    fn read(&mut self, bytes: Coded) -> Result<bool> {
        let (Coded::Plain(bytes) | Coded::PlainFile(bytes) | Coded::Compressed(bytes)) = bytes;
        let start = Position { record: 1, byte: 0 };
        let mut input = OpenInput::of_bytes(&self.found, bytes, start, &self.how, false)?;
        loop {
            let mut block = self.spares.take();
            match input.read_block(&mut block, &self.how) {
                Ok(true) => {
                    let intake = self.before.join(&input.intake());
                    if self.sender.send((self.number, Finding::Block(block, intake))).is_err() {
                        return Ok(false);
                    }
                }
                ended => {
                    self.before = self.before.join(&input.intake());
                    return ended.map(|_| true);
                }
            }
        }
    }

    fn fail(&self, error: Error) {
        // Nobody is left to be told when reading has ended.
        let _ = self.sender.send((self.number, Finding::Failed(error)));
    }
}

/// Which file a name means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(found: &Metadata) -> Self {
        FileIdentity { device: found.dev(), inode: found.ino() }
    }
}

/// A file whose end is waited at. It ends when it was cut, or when its name
/// means another file and nothing more is in it.
struct Growing {
    file: File,
    path: PathBuf,
    identity: FileIdentity,
    position: u64,
    how: ReadOptions,
}

impl Growing {
    /// The same file from its end on.
    fn again(&self) -> io::Result<Self> {
        let (file, position) = (self.file.try_clone()?, self.file.metadata()?.len());
        let (path, how) = (self.path.clone(), self.how.clone());
        Ok(Growing { file, path, identity: self.identity, position, how })
    }

    /// Waits until the file has ended.
    fn pass_over(&mut self) {
        while !self.how.is_over() && matches!(self.has_ended(), Ok(false)) {
            self.position =
                self.file.metadata().map_or(self.position, |found| found.len().max(self.position));
            thread::sleep(INTERVAL);
        }
    }

    /// Whether nothing more will come, asked where nothing more was there.
    fn has_ended(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() < self.position || is_replaced(&self.path, self.identity))
    }
}

/// Whether a name means another file now. While it means none, its writer may
/// still write to the old one.
fn is_replaced(path: &Path, identity: FileIdentity) -> bool {
    std::fs::metadata(path).is_ok_and(|found| FileIdentity::of(&found) != identity)
}

impl Read for Growing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(READ);
        while !self.how.is_over() {
            // Asked first: what was written before the name changed is still read.
            let has_ended = self.has_ended()?;
            let read = self.file.read(&mut out[..most])?;
            if read > 0 || has_ended {
                self.position += read as u64;
                self.how.meter.add_bytes(read as u64);
                return Ok(read);
            }
            thread::sleep(INTERVAL);
        }
        Ok(0)
    }
}
