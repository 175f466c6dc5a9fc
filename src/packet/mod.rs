//! Packets: capture files, and views of what is in a packet.
//!
//! [`CaptureFile`] reads pcap and pcapng from any stream and lends one
//! [`Packet`] after the other out of its buffer. [`Decoder`] looks through
//! link layer, tunnels and IP of one packet at a time and hands out at most
//! one TCP [`TcpSegment`]; whatever else a packet was, [`Decoded`] says so, once
//! for each packet, so that a ledger can reconcile.
//!
//! Nothing here panics, whatever the bytes. Every table and depth has a bound
//! with a name.

mod address_pair;
mod batch;
mod capture_file;
mod captured;
mod captured_part;
mod damage;
mod decode;
mod fault;
mod fragment;
mod input;
mod ip;
mod link;
mod link_type;
pub mod live;
mod mpls;
mod network;
mod pcap;
mod pcapng;
mod pseudo;
mod quic;
mod step;
mod tcp;
mod tunnel;
mod walk;
mod wifi;
mod write;

pub use address_pair::AddressPair;
pub use batch::PacketBatch;
pub use capture_file::{CaptureFile, is_capture};
pub use captured::Packet;
pub use damage::{Damage, FilePosition, MAX_BLOCK, MAX_INTERFACES, MAX_PACKET};
pub use decode::{Decoded, Decoder, TcpSegment};
pub use fault::{Layer, PacketFault, PacketRule};
pub use fragment::{FragmentLimits, FragmentTally, MAX_DATAGRAM, MAX_ISLANDS};
pub use input::BUFFER;
pub use ip::{MAX_EXTENSIONS, MAX_NESTING};
pub use link::MAX_TAGS;
pub use link_type::LinkType;
pub use mpls::MAX_LABELS;
pub use network::{NetworkSelection, VirtualNetwork};
pub use pseudo::MAX_ATTRIBUTES;
pub use tcp::ControlBits;
pub use tunnel::{MAX_GTP_EXTENSIONS, MAX_TZSP_FIELDS};
pub use walk::MAX_HEADERS;
pub use write::{CaptureWriter, FileFormat};

#[cfg(test)]
mod tests;
