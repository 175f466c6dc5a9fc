//! An input that listens, and the senders that it takes records from.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ServerConfig;

use super::address::{NetworkAddress, Transport};
use super::options::ListenOptions;
use super::stream::NetworkStream;
use crate::endpoint::bytes::{DRAIN, QUIET};
use crate::endpoint::format::resembles;
use crate::endpoint::input::{is_whole, judge_records, tell_flawed_records};
use crate::endpoint::reading::ReadOptions;
use crate::record::{Block, Intake, Reader, ReaderOptions, Source as _};
use crate::tls::server_config;
use crate::{Error, Result};

/// How often it is looked whether reading is to end.
const LOOK: Duration = Duration::from_millis(100);

/// Bytes read at once, which bounds the buffers.
const READ: usize = 1 << 16;

/// Longest time for the first byte of a sender's TLS handshake or record to come whole, and for each [`PROGRESS`] of a
/// record: a sender that is slower is cut off, as it holds a place that others need.
const SLOWEST: Duration = Duration::from_mins(1);
const PROGRESS: u64 = 64 << 10;

/// A socket that senders connect to.
pub(in crate::endpoint) struct Listener {
    name: String,
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    how: ListenOptions,
}

impl Listener {
    /// Listens at an address; without a host at all of this machine.
    pub(in crate::endpoint) fn bind(address: &NetworkAddress, how: &ListenOptions) -> Result<Self> {
        let tls = match (address.transport, &how.tls) {
            (Transport::Tcp, _) => None,
            (Transport::Tls, Some(tls)) => Some(Arc::new(server_config(tls)?)),
            (Transport::Tls, None) => {
                let why =
                    format!("{address}: a tls:// input needs a certificate; give --tls-cert and --tls-key");
                return Err(Error::Usage(why));
            }
        };
        let bind = || -> io::Result<TcpListener> {
            if !address.host.is_empty() {
                return TcpListener::bind((address.host.as_str(), address.port));
            }
            // Where there is IPv6, this takes IPv4 too.
            TcpListener::bind(("::", address.port)).or_else(|error| match error.kind() {
                ErrorKind::AddrInUse | ErrorKind::PermissionDenied => Err(error),
                _ => TcpListener::bind(("0.0.0.0", address.port)),
            })
        };
        let socket = bind().map_err(|error| Error::from(error).at(address.to_string()))?;
        socket.set_nonblocking(true)?;
        Ok(Listener { name: address.to_string(), socket, tls, how: how.clone() })
    }

    /// Where it listens.
    pub(in crate::endpoint) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits for the next sender. None: reading is to end.
    pub(in crate::endpoint) fn accept(&self, how: &ReadOptions) -> Result<Option<SenderInput>> {
        let look = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
        while !how.is_over() {
            let mut waiting = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut waiting, Some(&look)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            match self.socket.accept() {
                Ok((socket, peer)) if self.is_allowed(peer) => {
                    let name = format!("{} from {peer}", self.name);
                    match SenderInput::new(name, socket, self.tls.as_ref(), how) {
                        Ok(input) => return Ok(Some(input)),
                        Err(error) => (how.tell)(&crate::endpoint::Notice::Failed(&error)),
                    }
                }
                Ok((_, peer)) => {
                    let error = Error::Invalid("refused: not in --allow".into());
                    (how.tell)(&crate::endpoint::Notice::Failed(
                        &error.at(format!("{} from {peer}", self.name)),
                    ));
                }
                // It may have gone again, or there are no descriptors at the moment.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => std::thread::sleep(LOOK),
            }
        }
        Ok(None)
    }

    fn is_allowed(&self, peer: SocketAddr) -> bool {
        self.how.allowed.is_empty() || self.how.allowed.iter().any(|subnet| subnet.contains(peer.ip()))
    }
}

/// The records of one sender.
pub(in crate::endpoint) struct SenderInput {
    name: String,
    reader: Reader<SenderBytes>,
    /// Half a record that was left out.
    left_out: u64,
}

impl SenderInput {
    fn new(
        name: String,
        socket: TcpStream,
        tls: Option<&Arc<ServerConfig>>,
        how: &ReadOptions,
    ) -> Result<Self> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LOOK))?;
        let bytes = SenderBytes {
            stream: NetworkStream::accepted(socket, tls)?,
            how: how.clone(),
            begun: Some(Instant::now()),
            moved: 0,
            is_known: false,
            stopped: None,
        };
        let ReadOptions { max_record, is_strict, is_searched, .. } = *how;
        let options = ReaderOptions { max_record, is_strict, most_read: READ, is_searched, is_whole };
        Ok(SenderInput { name, reader: Reader::new(bytes, options), left_out: 0 })
    }

    /// Who sends.
    pub(in crate::endpoint) fn name(&self) -> &str {
        &self.name
    }

    /// What was read of it.
    pub(in crate::endpoint) fn intake(&self) -> Intake {
        let mut intake = self.reader.intake();
        intake.records -= self.left_out;
        intake.unfinished = intake.unfinished.filter(|_| self.left_out == 0);
        intake
    }

    /// The next records. What was sent of a record that did not come whole is left out, and is an error at the end: its
    /// sender sends it again over its next connection, if there is one.
    pub(in crate::endpoint) fn read_block(&mut self, block: &mut Block, how: &ReadOptions) -> Result<bool> {
        let waits = self.reader.has_partial();
        self.reader.input_mut().restart(waits);
        let read = self.reader.read_block(block);
        let is_cut = self.left_out == 0 && self.reader.intake().unfinished.is_some();
        if is_cut {
            self.left_out = 1;
            block.pop();
        }
        match read {
            Ok(true) if !block.is_empty() => {
                how.meter.add_records(block.len() as u64);
                Ok(true)
            }
            Ok(_) => self.judge(how).map(|()| false).map_err(|error| error.at(self.name.as_str())),
            Err(error) => Err(error.at(self.name.as_str())),
        }
    }

    /// Whether all that it sent was taken, once it has ended.
    fn judge(&self, how: &ReadOptions) -> Result<()> {
        let (intake, joined) = (self.intake(), self.reader.joined());
        tell_flawed_records(&self.name, &intake, joined, how);
        judge_records(&self.name, &intake, joined, how)?;
        if self.left_out > 0 {
            return Err(Error::Invalid("the connection ended inside a record, which is left out".into()));
        }
        if intake.records == 0 && intake.malformed > 0 {
            return Err(Error::Invalid("nothing that it sent is a record".into()));
        }
        Ok(())
    }
}

/// The bytes of a sender, as long as they come.
struct SenderBytes {
    stream: NetworkStream,
    how: ReadOptions,
    /// When the record began whose rest is waited for, and how much came of it.
    begun: Option<Instant>,
    moved: u64,
    /// Whether its first bytes look like those of a record.
    is_known: bool,
    /// When reading was to end, and when bytes came last since.
    stopped: Option<(Instant, Instant)>,
}

impl SenderBytes {
    /// Records were taken; what is there of the next one waits for its rest.
    fn restart(&mut self, waits: bool) {
        if self.is_known {
            self.begun = waits.then(Instant::now);
            self.moved = 0;
        }
    }

    /// Looks whether the sender is too slow.
    fn check_pace(&self) -> io::Result<()> {
        let Some(begun) = self.begun else { return Ok(()) };
        if !is_too_slow(begun.elapsed(), self.moved) {
            return Ok(());
        }
        Err(io::Error::other(format!("cut off: {} bytes of a record in {:.0?}", self.moved, begun.elapsed())))
    }

    /// Whether reading ends here, as it is to end and nothing more comes, or more and more.
    fn is_over(&mut self) -> bool {
        if !self.how.is_over() {
            return false;
        }
        let now = Instant::now();
        let (since, latest) = *self.stopped.get_or_insert((now, now));
        if now - since >= DRAIN {
            self.how.cut();
            return true;
        }
        now - latest >= QUIET
    }
}

/// Whether no more than this of a record in this time is too little.
fn is_too_slow(elapsed: Duration, moved: u64) -> bool {
    elapsed.as_secs() >= SLOWEST.as_secs().saturating_mul(1 + moved / PROGRESS)
}

impl Read for SenderBytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.is_over() {
                return Ok(0);
            }
            match self.stream.read(out) {
                Ok(read) => {
                    if let Some((_, latest)) = &mut self.stopped {
                        *latest = Instant::now();
                    }
                    if !self.is_known && read > 0 {
                        // Anything may connect: a browser, a scanner.
                        if !matches!(out[0], b'1' | b'2' | b'3')
                            || out.get(1).is_some_and(|byte| *byte != b' ')
                        {
                            let text =
                                format!("cut off: it sends no records, but {}", resembles(&out[..read]));
                            return Err(io::Error::other(text));
                        }
                        self.is_known = true;
                    }
                    self.begun.get_or_insert_with(Instant::now);
                    self.moved += read as u64;
                    self.how.meter.add_bytes(read as u64);
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.check_pace()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // One that ends TCP without a word in TLS: what was left out is told by the record that it cuts.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_may_take_a_minute_for_each_64_kib_of_a_record() {
        for (seconds, moved, expected) in [
            (59, 0, false),
            (60, 0, true),
            (60, PROGRESS - 1, true),
            (60, PROGRESS, false),
            (119, PROGRESS, false),
            (120, PROGRESS, true),
            (u64::MAX, u64::MAX, true),
        ] {
            assert_eq!(is_too_slow(Duration::from_secs(seconds), moved), expected, "{seconds} s, {moved}");
        }
    }
}
