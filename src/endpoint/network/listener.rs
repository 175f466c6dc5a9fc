//! An input that listens, and the senders that it takes records from.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ServerConfig;

use super::address::NetworkAddress;
use super::handshake::Demands;
use super::message_reader::MessageReader;
use super::options::ListenOptions;
use super::sender_bytes::{SenderBytes, WireFormat};
use super::stream::NetworkStream;
use crate::endpoint::input::{judge_records, tell_flawed_records};
use crate::endpoint::reading::ReadOptions;
use crate::record::{Block, Intake, Reader, Source as _};
use crate::tls::server_config;
use crate::{Error, Result};

/// How often it is looked whether reading is to end.
const LOOK: Duration = Duration::from_millis(100);

/// A socket that senders connect to.
pub(in crate::endpoint) struct Listener {
    name: String,
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    /// What senders to a WebSocket are asked for.
    demands: Option<Arc<Demands>>,
    how: ListenOptions,
}

impl Listener {
    /// Listens at an address; without a host at all of this machine.
    pub(in crate::endpoint) fn bind(address: &NetworkAddress, how: &ListenOptions) -> Result<Self> {
        let tls = match (address.is_secure(), &how.tls) {
            (false, _) => None,
            (true, Some(tls)) => Some(Arc::new(server_config(tls)?)),
            (true, None) => {
                let scheme = if address.is_websocket() { "wss" } else { "tls" };
                let why = format!(
                    "{address}: a {scheme}:// input needs a certificate; give --tls-cert and --tls-key"
                );
                return Err(Error::Usage(why));
            }
        };
        let demands = address.is_websocket().then(|| Demands::new(address, &how.websocket).map(Arc::new));
        let demands = demands.transpose()?;
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
        Ok(Listener { name: address.to_string(), socket, tls, demands, how: how.clone() })
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
                    match self.input(name, socket, how) {
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

    fn input(&self, name: String, socket: TcpStream, how: &ReadOptions) -> Result<SenderInput> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LOOK))?;
        let stream = NetworkStream::accepted(socket, self.tls.as_ref())?;
        let records = if let Some(demands) = &self.demands {
            // Whoever does not read what it is told must not hold its thread.
            stream.socket().set_write_timeout(Some(LOOK))?;
            let bytes = SenderBytes::new(stream, WireFormat::WebSocket, how);
            SenderRecords::Messages(Box::new(MessageReader::new(&name, bytes, Arc::clone(demands))))
        } else {
            let bytes = SenderBytes::new(stream, WireFormat::Text, how);
            SenderRecords::Text(Box::new(Reader::new(bytes, how.reader_options())))
        };
        Ok(SenderInput { name, records, left_out: 0 })
    }

    fn is_allowed(&self, peer: SocketAddr) -> bool {
        self.how.allowed.is_empty() || self.how.allowed.iter().any(|subnet| subnet.contains(peer.ip()))
    }
}

/// The records of one sender.
pub(in crate::endpoint) struct SenderInput {
    name: String,
    records: SenderRecords,
    /// Half a record that was left out.
    left_out: u64,
}

/// How they come.
enum SenderRecords {
    Text(Box<Reader<SenderBytes>>),
    Messages(Box<MessageReader>),
}

impl SenderInput {
    /// Who sends.
    pub(in crate::endpoint) fn name(&self) -> &str {
        &self.name
    }

    /// What was read of it.
    pub(in crate::endpoint) fn intake(&self) -> Intake {
        let reader = match &self.records {
            SenderRecords::Text(reader) => reader,
            SenderRecords::Messages(messages) => return messages.intake(),
        };
        let mut intake = reader.intake();
        intake.records -= self.left_out;
        intake.unfinished = intake.unfinished.filter(|_| self.left_out == 0);
        intake
    }

    /// The next records. What was sent of a record that did not come whole is left out, and is an error at the end: its
    /// sender sends it again over its next connection, if there is one.
    pub(in crate::endpoint) fn read_block(&mut self, block: &mut Block, how: &ReadOptions) -> Result<bool> {
        let read = match &mut self.records {
            SenderRecords::Messages(messages) => messages.read_block(block),
            SenderRecords::Text(reader) => {
                let waits = reader.has_partial();
                reader.input_mut().restart(waits);
                let read = reader.read_block(block);
                if self.left_out == 0 && reader.intake().unfinished.is_some() {
                    self.left_out = 1;
                    block.pop();
                }
                read
            }
        };
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
    fn judge(&mut self, how: &ReadOptions) -> Result<()> {
        let intake = self.intake();
        let joined = match &mut self.records {
            SenderRecords::Text(reader) => reader.joined(),
            SenderRecords::Messages(messages) => messages.joined(),
        };
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
