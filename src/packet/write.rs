//! Capture files written: pcap and pcapng, little-endian, times in nanoseconds.

use super::captured::Packet;
use super::link_type::LinkType;
use crate::error::{Error, Result};

/// Link-layer bytes a packet may have, told in the file's header.
const SNAP: u32 = 262_144;

/// Section header, and after it interface description, of pcapng.
const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const ENHANCED_PACKET: u32 = 6;

const OPTION_COMMENT: u16 = 1;
const OPTION_APPLICATION: u16 = 4;
const OPTION_TIME_RESOLUTION: u16 = 9;

/// Bytes of an Enhanced Packet Block besides packet and options.
const PACKET_BLOCK: usize = 32;

/// Which kind of capture file is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileFormat {
    /// Classic pcap, with the magic number of nanoseconds. It has no comments.
    Pcap,
    /// pcapng: one section, an interface for each link type.
    Pcapng,
}

impl FileFormat {
    /// Appends what a file begins with.
    pub fn begin(self, link: LinkType, file: &mut Vec<u8>) {
        match self {
            FileFormat::Pcap => words(file, &[0xa1b2_3c4d, 0x0004_0002, 0, 0, SNAP, u32::from(link.0)]),
            FileFormat::Pcapng => {
                let start = file.len();
                words(file, &[SECTION, 0, BYTE_ORDER, 1, u32::MAX, u32::MAX]);
                option(file, OPTION_APPLICATION, concat!("gor-tools ", env!("CARGO_PKG_VERSION")).as_bytes());
                words(file, &[0]);
                close_block(file, start);
                interface(link, file);
            }
        }
    }

    /// Appends a packet, given in two parts, captured whole at `time`.
    ///
    /// `time` is nanoseconds since the Unix epoch; times before it, and in
    /// pcap those after the year 2106, become the nearest that can be told.
    /// An empty comment is none; bytes of it that are not UTF-8 are replaced.
    pub fn packet(self, time: i64, parts: [&[u8]; 2], comment: &[u8], file: &mut Vec<u8>) {
        let wire_length = (parts[0].len() + parts[1].len()) as u32;
        self.block(0, time, wire_length, parts, comment, file);
    }

    fn block(
        self,
        interface: u32,
        time: i64,
        wire_length: u32,
        parts: [&[u8]; 2],
        comment: &[u8],
        file: &mut Vec<u8>,
    ) {
        let length = (parts[0].len() + parts[1].len()) as u32;
        let time = time.max(0) as u64;
        match self {
            FileFormat::Pcap => {
                let seconds = u32::try_from(time / 1_000_000_000).unwrap_or(u32::MAX);
                words(file, &[seconds, (time % 1_000_000_000) as u32, length, wire_length]);
                file.extend_from_slice(parts[0]);
                file.extend_from_slice(parts[1]);
            }
            FileFormat::Pcapng => {
                let start = file.len();
                // The block's length is known before its bytes unless there are options.
                let whole = PACKET_BLOCK as u32 + length.next_multiple_of(4);
                let time = [(time >> 32) as u32, time as u32];
                words(file, &[ENHANCED_PACKET, whole, interface, time[0], time[1], length, wire_length]);
                file.extend_from_slice(parts[0]);
                file.extend_from_slice(parts[1]);
                pad(file, length as usize);
                if comment.is_empty() {
                    return words(file, &[whole]);
                }
                option(file, OPTION_COMMENT, String::from_utf8_lossy(comment).as_bytes());
                words(file, &[0]);
                close_block(file, start);
            }
        }
    }
}

/// A capture file of packets as they were captured, of whatever link types they are.
#[derive(Debug)]
pub struct CaptureWriter {
    format: FileFormat,
    /// Those met so far, in the order of the file's interfaces.
    links: Vec<LinkType>,
}

impl CaptureWriter {
    /// A file of which nothing is written yet.
    pub fn new(format: FileFormat) -> Self {
        CaptureWriter { format, links: Vec::new() }
    }

    /// Appends a packet, and before it what the file does not say yet. Times are as in [`FileFormat::packet`].
    ///
    /// A pcap file is of one link type: a packet of another one is an error, and is not written.
    pub fn packet(&mut self, packet: &Packet<'_>, file: &mut Vec<u8>) -> Result<()> {
        let known = self.links.iter().position(|link| *link == packet.link);
        let interface = match (known, self.links.first()) {
            (Some(known), _) => known,
            (None, Some(first)) if self.format == FileFormat::Pcap => {
                return Err(Error::Invalid(format!(
                    "a pcap file holds packets of one link type, and after {first} comes {}; \
                     a file whose name ends in .pcapng holds both",
                    packet.link
                )));
            }
            (None, first) => {
                if first.is_none() {
                    self.format.begin(packet.link, file);
                } else {
                    interface(packet.link, file);
                }
                self.links.push(packet.link);
                self.links.len() - 1
            }
        };
        let (time, wire_length) = (packet.time, packet.wire_length);
        self.format.block(interface as u32, time, wire_length, [packet.bytes, &[]], &[], file);
        Ok(())
    }

    /// Appends what even a file without packets has.
    pub fn finish(&mut self, file: &mut Vec<u8>) {
        if self.links.is_empty() {
            self.format.begin(LinkType::ETHERNET, file);
            self.links.push(LinkType::ETHERNET);
        }
    }
}

/// The description of a pcapng interface.
fn interface(link: LinkType, file: &mut Vec<u8>) {
    let start = file.len();
    words(file, &[1, 0, u32::from(link.0), SNAP]);
    option(file, OPTION_TIME_RESOLUTION, &[9]);
    words(file, &[0]);
    close_block(file, start);
}

fn words<const N: usize>(file: &mut Vec<u8>, words: &[u32; N]) {
    for word in words {
        file.extend_from_slice(&word.to_le_bytes());
    }
}

/// Fills up to a multiple of four after so many bytes.
fn pad(file: &mut Vec<u8>, length: usize) {
    file.resize(file.len() + length.next_multiple_of(4) - length, 0);
}

/// An option; longer than its 16 bits of length can tell is cut.
fn option(file: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    file.extend_from_slice(&code.to_le_bytes());
    file.extend_from_slice(&(value.len() as u16).to_le_bytes());
    file.extend_from_slice(value);
    pad(file, value.len());
}

/// Writes the length of the block that began at `start` to both its places.
fn close_block(file: &mut Vec<u8>, start: usize) {
    let length = (file.len() + 4 - start) as u32;
    file[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    words(file, &[length]);
}
