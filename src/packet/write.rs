//! Capture files written: pcap and pcapng, little-endian, times in nanoseconds.

use std::time::Duration;

use byteorder::LittleEndian;
use pcap_file::pcap::{PcapHeader, RawPcapPacket};
use pcap_file::pcapng::PcapNgBlock;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{Endianness, TsResolution};

use super::captured::Packet;
use super::link_type::LinkType;
use crate::error::{Error, Result};

/// Link-layer bytes a packet may have, told in the file's header.
const SNAP: u32 = 262_144;

const ENHANCED_PACKET: u32 = 6;

/// Bytes of an Enhanced Packet Block besides packet and options.
const PACKET_BLOCK: usize = 32;

/// The most bytes of an option, whose length has 16 bits.
const MAX_OPTION: usize = u16::MAX as usize;

const INTO_MEMORY: &str = "memory takes all bytes";

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
    #[allow(clippy::missing_panics_doc, reason = "memory takes all bytes")]
    pub fn begin(self, link: LinkType, file: &mut Vec<u8>) {
        match self {
            FileFormat::Pcap => {
                let header = PcapHeader {
                    snaplen: SNAP,
                    datalink: u32::from(link.0).into(),
                    ts_resolution: TsResolution::NanoSecond,
                    endianness: Endianness::Little,
                    ..PcapHeader::default()
                };
                header.write_to(file).expect(INTO_MEMORY);
            }
            FileFormat::Pcapng => {
                let name = concat!("gor-tools ", env!("CARGO_PKG_VERSION"));
                let section = SectionHeaderBlock {
                    endianness: Endianness::Little,
                    options: vec![SectionHeaderOption::UserApplication(name.into())],
                    ..SectionHeaderBlock::default()
                };
                append(section, file);
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
                let ts_sec = u32::try_from(time / 1_000_000_000).unwrap_or(u32::MAX);
                let ts_frac = (time % 1_000_000_000) as u32;
                // The lengths are of both parts; the second follows without a copy in between.
                let data = parts[0].into();
                let packet = RawPcapPacket { ts_sec, ts_frac, incl_len: length, orig_len: wire_length, data };
                packet.write_to::<_, LittleEndian>(file).expect(INTO_MEMORY);
                file.extend_from_slice(parts[1]);
            }
            FileFormat::Pcapng if comment.is_empty() => {
                // The library writes a block twice, the first time to learn its length.
                let whole = PACKET_BLOCK as u32 + length.next_multiple_of(4);
                let time = [(time >> 32) as u32, time as u32];
                words(file, &[ENHANCED_PACKET, whole, interface, time[0], time[1], length, wire_length]);
                file.extend_from_slice(parts[0]);
                file.extend_from_slice(parts[1]);
                file.resize(file.len() + (length.next_multiple_of(4) - length) as usize, 0);
                words(file, &[whole]);
            }
            FileFormat::Pcapng => {
                let mut comment = String::from_utf8_lossy(comment);
                if comment.len() > MAX_OPTION {
                    let end = comment.floor_char_boundary(MAX_OPTION);
                    comment.to_mut().truncate(end);
                }
                let packet = EnhancedPacketBlock {
                    interface_id: interface,
                    timestamp: Duration::from_nanos(time),
                    original_len: wire_length,
                    data: parts.concat().into(),
                    options: vec![EnhancedPacketOption::Comment(comment)],
                };
                append(packet, file);
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
    const NANOSECONDS: u8 = 9;
    let mut interface = InterfaceDescriptionBlock::new(u32::from(link.0).into(), SNAP);
    interface.options.push(InterfaceDescriptionOption::IfTsResol(NANOSECONDS));
    append(interface, file);
}

fn append<'a>(block: impl PcapNgBlock<'a>, file: &mut Vec<u8>) {
    block.into_block().write_to::<LittleEndian, _>(file).expect(INTO_MEMORY);
}

fn words<const N: usize>(file: &mut Vec<u8>, words: &[u32; N]) {
    for word in words {
        file.extend_from_slice(&word.to_le_bytes());
    }
}
