//! pcapng files (draft-ietf-opsawg-pcapng): sections of blocks.

use std::io::Read;

use super::captured::Packet;
use super::damage::{Damage, MAX_BLOCK, MAX_INTERFACES, MAX_PACKET, NoNextPacket};
use super::input::CaptureBuffer;
use super::link_type::LinkType;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Type and length before the body of a block.
const BLOCK_HEADER: usize = 8;
/// The length again after it.
const BLOCK_TRAILER: usize = 4;
const EMPTY_BLOCK: u32 = 12;

const OPTION_END: u16 = 0;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

pub(super) fn is_magic(first: &[u8]) -> bool {
    let order = first.get(8..12).and_then(|bytes| bytes.first_chunk::<4>());
    first.starts_with(&SECTION.to_be_bytes()) && order.is_none_or(|bytes| order_of(*bytes).is_ok())
}

/// Whether the section is big-endian.
fn order_of(magic: [u8; 4]) -> Result<bool, Damage> {
    match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
        (BYTE_ORDER, _) => Ok(false),
        (_, BYTE_ORDER) => Ok(true),
        (_, other) => Err(Damage::ByteOrder(other)),
    }
}

/// What one unit of an interface's clock is (option `if_tsresol`).
#[derive(Clone, Copy)]
enum Resolution {
    /// So many nanoseconds.
    Nanoseconds(u64),
    /// So many units in a nanosecond.
    PerNanosecond(u128),
    /// 2 to this power units in a second.
    PowerOfTwo(u32),
}

impl Resolution {
    fn of(option: u8) -> Self {
        let exponent = u32::from(option & 0x7f);
        match (option & 0x80 == 0, exponent) {
            (true, 0..=9) => Resolution::Nanoseconds(10u64.pow(9 - exponent)),
            (true, _) => Resolution::PerNanosecond(10u128.saturating_pow(exponent - 9)),
            (false, _) => Resolution::PowerOfTwo(exponent),
        }
    }

    fn nanoseconds(self, ticks: u64) -> i64 {
        let wide = match self {
            Resolution::Nanoseconds(1000) if ticks < 1 << 53 => return (ticks * 1000) as i64,
            Resolution::Nanoseconds(unit) => u128::from(ticks) * u128::from(unit),
            Resolution::PerNanosecond(units) => u128::from(ticks) / units,
            Resolution::PowerOfTwo(exponent) => (u128::from(ticks) * 1_000_000_000) >> exponent,
        };
        i64::try_from(wide).unwrap_or(i64::MAX)
    }
}

#[derive(Clone, Copy)]
struct PcapngInterface {
    link: LinkType,
    /// 0 is no limit.
    snap: u32,
    resolution: Resolution,
    /// Nanoseconds to add to each time.
    offset: i64,
}

/// Words and halves of a section in its byte order.
#[derive(Clone, Copy)]
struct Order {
    is_big_endian: bool,
}

impl Order {
    fn word(self, bytes: [u8; 4]) -> u32 {
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn half(self, bytes: [u8; 2]) -> u16 {
        if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn words<const N: usize>(self, bytes: &[u8]) -> Option<([u32; N], &[u8])> {
        let (words, _) = bytes.as_chunks::<4>();
        let words = words.first_chunk::<N>()?;
        Some((words.map(|word| self.word(word)), bytes.get(N * 4..)?))
    }
}

pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<PcapngInterface>,
    last_time: i64,
}

/// What a packet block says of its packet.
struct PacketBlock<'a> {
    interface: u32,
    ticks: Option<u64>,
    captured: u32,
    on_wire: u32,
    rest: &'a [u8],
}

impl Pcapng {
    pub(super) fn open<R: Read>(input: &mut CaptureBuffer<R>) -> Result<Self, NoNextPacket> {
        let order = Order { is_big_endian: false };
        let mut file = Self { order, interfaces: Vec::new(), last_time: 0 };
        file.section(input).map_err(|trouble| match trouble {
            NoNextPacket::Damaged(0, Damage::EndsInBlock) => NoNextPacket::Damaged(0, Damage::EndsInHeader),
            other => other,
        })?;
        Ok(file)
    }

    /// The length of the packet block that `unread` begins with; `None` when
    /// that is not told yet, or another block comes first.
    pub(super) fn packet_length(&self, unread: &[u8]) -> Option<usize> {
        let ([kind, length], _) = self.order.words::<2>(unread)?;
        matches!(kind, ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET).then_some(length as usize)
    }

    /// The next packet and where its block begins.
    pub(super) fn next<'a, R: Read>(
        &mut self,
        input: &'a mut CaptureBuffer<R>,
    ) -> Result<Option<(u64, Packet<'a>)>, NoNextPacket> {
        loop {
            let byte = input.offset();
            let is_whole = input.fill(BLOCK_HEADER)?;
            let Some(([kind, length], _)) = self.order.words::<2>(input.unread()).filter(|_| is_whole) else {
                let is_end = input.unread().is_empty();
                return if is_end { Ok(None) } else { Err(NoNextPacket::Damaged(byte, Damage::EndsInBlock)) };
            };
            match kind {
                SECTION => self.section(input)?,
                INTERFACE => self.interface(input, kind, length)?,
                ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET => {
                    let body = held(input, self.order, kind, length)?;
                    let packet = self.packet(body, kind, length);
                    return packet
                        .map(|packet| Some((byte, packet)))
                        .map_err(|damage| NoNextPacket::Damaged(byte, damage));
                }
                _ => passed_over(input, self.order, kind, length)?,
            }
        }
    }

    fn section<R: Read>(&mut self, input: &mut CaptureBuffer<R>) -> Result<(), NoNextPacket> {
        let byte = input.offset();
        let damaged = |damage| NoNextPacket::Damaged(byte, damage);
        if !input.fill(BLOCK_HEADER + 4)? {
            return Err(damaged(Damage::EndsInBlock));
        }
        let Some([_, length, magic]) = input.unread().as_chunks::<4>().0.first_chunk::<3>().copied() else {
            return Err(damaged(Damage::EndsInBlock));
        };
        self.order = Order { is_big_endian: order_of(magic).map_err(damaged)? };
        let length = self.order.word(length);
        let body = held(input, self.order, SECTION, length)?;
        let Some(&[_, _, _, _, major_1, major_2, minor_1, minor_2]) = body.first_chunk::<8>() else {
            return Err(damaged(Damage::BlockLength { kind: SECTION, length }));
        };
        let (major, minor) = (self.order.half([major_1, major_2]), self.order.half([minor_1, minor_2]));
        if major != 1 {
            return Err(damaged(Damage::Version(major, minor)));
        }
        self.interfaces.clear();
        Ok(())
    }

    fn interface<R: Read>(
        &mut self,
        input: &mut CaptureBuffer<R>,
        kind: u32,
        length: u32,
    ) -> Result<(), NoNextPacket> {
        let byte = input.offset();
        let damaged = |damage| NoNextPacket::Damaged(byte, damage);
        let order = self.order;
        let body = held(input, order, kind, length)?;
        let Some((&[link_1, link_2, _, _, snap @ ..], options)) = body.split_first_chunk::<8>() else {
            return Err(damaged(Damage::BlockLength { kind, length }));
        };
        let mut interface = PcapngInterface {
            link: LinkType(order.half([link_1, link_2])),
            snap: order.word(snap),
            resolution: Resolution::of(6),
            offset: 0,
        };
        interface.options(order, options).map_err(damaged)?;
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(damaged(Damage::TooManyInterfaces));
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet<'a>(&mut self, body: &'a [u8], kind: u32, length: u32) -> Result<Packet<'a>, Damage> {
        let found = self.found(body, kind).ok_or(Damage::BlockLength { kind, length })?;
        let Some(interface) = self.interfaces.get(found.interface as usize) else {
            return Err(Damage::Interface(found.interface));
        };
        let captured = match found.ticks {
            Some(_) => found.captured,
            // A Simple Packet Block does not say what was captured: it follows from the interface's limit.
            None if interface.snap == 0 => found.on_wire,
            None => found.on_wire.min(interface.snap),
        };
        if captured > MAX_PACKET {
            return Err(Damage::PacketTooLong(captured));
        }
        let bytes = found.rest.get(..captured as usize).ok_or(Damage::PacketPastBlock(captured))?;
        if let Some(ticks) = found.ticks {
            self.last_time = interface.resolution.nanoseconds(ticks).saturating_add(interface.offset);
        }
        let wire_length = found.on_wire.max(captured);
        Ok(Packet { link: interface.link, time: self.last_time, wire_length, bytes })
    }

    fn found<'a>(&self, body: &'a [u8], kind: u32) -> Option<PacketBlock<'a>> {
        let ticks = |high, low| Some(u64::from(high) << 32 | u64::from(low));
        if kind == SIMPLE_PACKET {
            let ([on_wire], rest) = self.order.words::<1>(body)?;
            return Some(PacketBlock { interface: 0, ticks: None, captured: 0, on_wire, rest });
        }
        let ([interface, high, low, captured, on_wire], rest) = self.order.words::<5>(body)?;
        let interface = if kind == OBSOLETE_PACKET {
            u32::from(self.order.half(*body.first_chunk::<2>()?))
        } else {
            interface
        };
        Some(PacketBlock { interface, ticks: ticks(high, low), captured, on_wire, rest })
    }
}

impl PcapngInterface {
    fn options(&mut self, order: Order, mut rest: &[u8]) -> Result<(), Damage> {
        while let Some((&[code_1, code_2, length_1, length_2], after)) = rest.split_first_chunk::<4>() {
            let code = order.half([code_1, code_2]);
            let length = usize::from(order.half([length_1, length_2]));
            let value = after.get(..length).ok_or(Damage::OptionPastBlock)?;
            match (code, value) {
                (OPTION_END, _) => return Ok(()),
                (OPTION_TIME_RESOLUTION, &[resolution, ..]) => self.resolution = Resolution::of(resolution),
                (OPTION_TIME_OFFSET, value) => {
                    let Some(bytes) = value.first_chunk::<8>() else { return Err(Damage::OptionPastBlock) };
                    let seconds = if order.is_big_endian {
                        i64::from_be_bytes(*bytes)
                    } else {
                        i64::from_le_bytes(*bytes)
                    };
                    self.offset = seconds.saturating_mul(1_000_000_000);
                }
                _ => {}
            }
            rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }
}

fn is_packet(kind: u32) -> bool {
    matches!(kind, ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET)
}

fn check_length(kind: u32, length: u32) -> Result<(), Damage> {
    if length < EMPTY_BLOCK || !length.is_multiple_of(4) {
        return Err(Damage::BlockLength { kind, length });
    }
    Ok(())
}

/// Takes a whole block and gives its body.
fn held<R: Read>(
    input: &mut CaptureBuffer<R>,
    order: Order,
    kind: u32,
    length: u32,
) -> Result<&[u8], NoNextPacket> {
    let byte = input.offset();
    let damaged = |damage| NoNextPacket::Damaged(byte, damage);
    check_length(kind, length).map_err(damaged)?;
    if length > MAX_BLOCK {
        return Err(damaged(Damage::BlockTooLong(length)));
    }
    if !input.fill(length as usize)? {
        return Err(damaged(if is_packet(kind) { Damage::EndsInPacket } else { Damage::EndsInBlock }));
    }
    let block = input.take(length as usize);
    let (rest, trailer) = block.split_last_chunk::<BLOCK_TRAILER>().unwrap_or((&[], &[0; 4]));
    let trailer = order.word(*trailer);
    if trailer != length {
        return Err(damaged(Damage::BlockTrailer(length, trailer)));
    }
    Ok(rest.get(BLOCK_HEADER..).unwrap_or_default())
}

/// Leaves a block behind without holding it.
fn passed_over<R: Read>(
    input: &mut CaptureBuffer<R>,
    order: Order,
    kind: u32,
    length: u32,
) -> Result<(), NoNextPacket> {
    let byte = input.offset();
    let damaged = |damage| NoNextPacket::Damaged(byte, damage);
    check_length(kind, length).map_err(damaged)?;
    let before_trailer = u64::from(length) - BLOCK_TRAILER as u64;
    if !input.skip(before_trailer)? || !input.fill(BLOCK_TRAILER)? {
        return Err(damaged(Damage::EndsInBlock));
    }
    let trailer = input.take(BLOCK_TRAILER).first_chunk::<4>().copied().unwrap_or_default();
    match order.word(trailer) {
        trailer if trailer == length => Ok(()),
        trailer => Err(damaged(Damage::BlockTrailer(length, trailer))),
    }
}
