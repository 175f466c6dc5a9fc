//! Packets in, records out: requests paired with responses, every loss in the ledger.
//!
//! A packet goes down these steps, and what none of them can use is counted
//! where it was left:
//!
//! ```text
//! Recorder     decodes it, finds its connection, looks at the clock (packet time)
//! Connection   puts both directions in order, and in the order of cause and effect
//! Dialogue     decides who is the client, pairs responses with requests, gives ids
//! Stream       frames the messages of one direction
//! Ledger       counts all of it, in sums that must come out even
//! ```

mod address;
mod beginning;
mod binary;
mod connection;
mod decide;
mod dialogue;
mod dummy;
mod echoes;
mod edit;
mod ending;
mod ids;
mod ledger;
mod live;
mod losses;
mod metrics;
mod network;
mod pairing;
mod ports;
mod quic;
mod recorder;
mod recorder_pool;
mod recording;
mod servers;
mod source;
mod stream;
mod subnet;

pub use address::Address;
pub use dummy::Dummy;
pub use ledger::{Bytes, CaptureLedger, Connections, Loss, Messages, Packets, Segments, Unwritten};
pub use live::Watch;
pub use metrics::Snapshot;
pub use network::NetworkRecording;
pub use ports::Ports;
pub use recorder::Recorder;
pub use servers::Servers;
pub use source::{CaptureInput, CaptureSource};
pub use subnet::{NoSubnet, Subnet};

use std::net::IpAddr;

use crate::packet::NetworkSelection;

/// What the bytes of a connection are taken for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.x; other protocols are recognised, counted and left alone.
    #[default]
    Http,
    /// Anything: a message is what one side says until the other answers, or
    /// until it is quiet for [`CaptureOptions::expire`], or two seconds.
    Binary,
}

/// What to record, and the limits on time and memory.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    /// Server sides. None: whoever sends a request is the client, on any port.
    pub addresses: Vec<Address>,
    /// Clients whose connections are left out.
    pub not_clients: Vec<Subnet>,
    /// Virtual networks to look into.
    pub selection: NetworkSelection,
    /// What the connections speak.
    pub protocol: Protocol,
    /// Whether responses are recorded too.
    pub has_responses: bool,
    /// Nanoseconds of packet time without progress after which an unfinished
    /// message, or a missing segment, is given up. None: not while its
    /// connection is open, as far as memory goes.
    pub expire: Option<i64>,
    /// Bytes of a message that are kept; the rest is cut off, and the record marked.
    pub max_message: usize,
    /// Whether messages that are not whole are recorded, marked.
    pub allows_incomplete: bool,
    /// Name of the field that gets the client's address in recorded requests.
    pub real_ip_header: Option<String>,
    /// Connections remembered at once; the idlest is forgotten first. One that
    /// is between messages loses nothing by it: it is met anew.
    pub max_connections: usize,
}

impl CaptureOptions {
    /// Whether connections of the client at this address are left out.
    pub(crate) fn leaves_out(&self, client: IpAddr) -> bool {
        self.not_clients.iter().any(|subnet| subnet.contains(client))
    }
}

impl Default for CaptureOptions {
    fn default() -> Self {
        CaptureOptions {
            addresses: Vec::new(),
            not_clients: Vec::new(),
            selection: NetworkSelection::default(),
            protocol: Protocol::Http,
            has_responses: false,
            expire: None,
            max_message: 5 << 20,
            allows_incomplete: false,
            real_ip_header: None,
            max_connections: 1 << 14,
        }
    }
}
