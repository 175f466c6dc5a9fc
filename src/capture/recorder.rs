//! Packets in, records out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use super::connection::{Connection, Context};
use super::dialogue::DialogueOut;
use super::echoes::{Echo, Echoes};
use super::ids::Ids;
use super::ledger::{CaptureLedger, Loss};
use super::quic::Quic;
use super::servers::Servers;
use super::{Address, CaptureOptions, Segments};
use crate::packet::{self, Decoded, Decoder, FragmentLimits, Packet, VirtualNetwork};
use crate::record::Block;
use crate::tcp::{ConnectionKey, Counters, Flags, Limits, Seq, Side, Table, TableId};

/// Bytes of unfinished messages and out-of-order segments over all connections,
/// unless messages larger than a quarter of this are asked for.
const MAX_BYTES: usize = 24 << 20;

/// The same where the limit for messages is large: more only for a single message.
const MOST_BYTES: usize = 1 << 30;

/// Bytes of out-of-order segments of one direction.
const MAX_OUT_OF_ORDER: usize = 4 << 20;

/// Out-of-order segments of one direction.
const MAX_PIECES: usize = 16 << 10;

/// Nanoseconds of packet time within which a capture may have put segments in another order than they had on the wire.
const REORDERING: i64 = 2_000_000_000;

/// Alarms for each connection that may be remembered. One each is in use; the
/// others are of connections that were forgotten before it rang.
const MAX_ALARMS: usize = 4;

/// Turns packets into records.
///
/// The clock is packet time, so the same packets give the same records. What
/// becomes of all packets, bytes and messages is in the [`CaptureLedger`].
pub struct Recorder {
    options: CaptureOptions,
    decoder: Decoder,
    table: Table<Connection>,
    /// When connections have something to do without a packet of their own.
    alarms: BinaryHeap<Reverse<(i64, TableId)>>,
    limits: Limits,
    counters: Counters,
    ledger: CaptureLedger,
    /// Connections met at each of the addresses to record at.
    met: Vec<u64>,
    ids: Ids,
    scratch: Vec<u8>,
    servers: Servers,
    quic: Quic,
    echoes: Option<Echoes>,
    /// Where the addresses are to be seen.
    place: InterfaceScope,
}

/// The interfaces that addresses are to be seen on.
#[derive(Clone, Copy)]
enum InterfaceScope {
    Any,
    /// All of them on the interface of this index.
    On(u32),
    Several,
}

impl InterfaceScope {
    fn of(addresses: &[Address]) -> Self {
        let mut indices = addresses.iter().map(|address| address.interface().map(|(_, index)| index));
        let first = indices.next().flatten();
        match first {
            _ if !indices.all(|index| index == first) => InterfaceScope::Several,
            Some(index) => InterfaceScope::On(index),
            None => InterfaceScope::Any,
        }
    }

    /// Whether a packet of a connection that is followed, seen on the interface of this index, is at one of the
    /// addresses whatever they are.
    fn admits(self, interface: u32) -> bool {
        match self {
            InterfaceScope::Any => true,
            InterfaceScope::On(index) => index == interface,
            InterfaceScope::Several => false,
        }
    }
}

impl Recorder {
    /// A recorder that has seen nothing.
    pub fn new(options: CaptureOptions) -> Self {
        let max_bytes = options.max_message.saturating_mul(4).min(MOST_BYTES.max(options.max_message));
        let max_bytes = MAX_BYTES.max(max_bytes);
        Recorder {
            decoder: Decoder::new(FragmentLimits::default()).selecting(options.selection.clone()),
            table: Table::new(options.max_connections, max_bytes),
            alarms: BinaryHeap::new(),
            limits: Limits {
                patience: options.expire.unwrap_or(i64::MAX),
                reordering: REORDERING.min(options.expire.unwrap_or(REORDERING)),
                bytes: MAX_OUT_OF_ORDER,
                pieces: MAX_PIECES,
            },
            counters: Counters::default(),
            ledger: CaptureLedger::default(),
            met: vec![0; options.addresses.len()],
            ids: Ids::default(),
            scratch: Vec::new(),
            servers: Servers::default(),
            quic: Quic::default(),
            echoes: None,
            place: InterfaceScope::of(&options.addresses),
            options,
        }
    }

    /// From now on an address without a host means these.
    pub fn serve(&mut self, servers: Servers) {
        self.servers = servers;
    }

    /// From now on it notices when the recording is replayed into itself, remembering requests for so many
    /// nanoseconds.
    pub(super) fn notice_echoes(&mut self, window: i64) {
        self.echoes = Some(Echoes::new(window));
    }

    /// These are the addresses of this machine.
    pub(super) fn own(&mut self, own: &Servers) {
        if let Some(echoes) = &mut self.echoes {
            echoes.own(own.clone());
        }
    }

    /// A replay of this recording that is recorded, once, when it was noticed.
    pub(super) fn echo(&mut self) -> Option<Echo> {
        self.echoes.as_mut().and_then(Echoes::take)
    }

    /// Takes the next packet, and adds the records it completes to `block`. True: the packet is at an address to record
    /// at, or a fragment that may be of such a one.
    pub fn packet(&mut self, packet: &Packet<'_>, block: &mut Block) -> bool {
        self.packet_on(0, packet, block)
    }

    /// The same for a packet seen on the interface of this index, or 0 if that is not known.
    pub fn packet_on(&mut self, interface: u32, packet: &Packet<'_>, block: &mut Block) -> bool {
        let fragments = self.decoder.fragments().taken;
        let is_at_address = self.take(interface, packet, block);
        is_at_address || self.decoder.fragments().taken != fragments
    }

    /// True: the packet is at an address to record at.
    fn take(&mut self, interface: u32, packet: &Packet<'_>, block: &mut Block) -> bool {
        let Recorder {
            options,
            decoder,
            table,
            alarms,
            limits,
            counters,
            ledger,
            met,
            ids,
            scratch,
            servers,
            quic,
            echoes,
            place,
        } = self;
        ledger.packets.read += 1;
        let mut context = Context {
            counters,
            limits,
            out: DialogueOut { block, ledger, options, ids, scratch, echoes: echoes.as_mut() },
        };
        ring(packet.time, table, alarms, &mut context);
        let decoded = decoder.decode(packet);
        let is_at = |address: &Address, endpoint| address.serves(endpoint, interface, servers);
        let segment = match &decoded {
            Decoded::Tcp(segment) => segment,
            &Decoded::Quic { source, destination, network } => {
                context.out.ledger.packets.not_tcp += 1;
                let ends = (source, destination, network);
                if let Some((key, side, client)) = sides(ends, &context.out.options.addresses, is_at)
                    && !is_left_out(&key, side, client, context.out.options)
                {
                    quic.meet(key, context.out.ledger);
                    return true;
                }
                return false;
            }
            other => {
                count(other, context.out.ledger);
                return false;
            }
        };
        let (key, side) = ConnectionKey::of_halves(segment.ends.halves(), segment.ports);
        let key = key.within(segment.network.0);
        // A connection that is followed is at one of the addresses, unless that depends on the interface.
        let followed = if place.admits(interface) { table.touch(&key, segment.time) } else { None };
        let id = if let Some(id) = followed {
            id
        } else {
            let ends = (segment.source(), segment.destination(), segment.network);
            let Some((_, _, client)) = sides(ends, &context.out.options.addresses, is_at) else {
                context.out.ledger.packets.other_ports += 1;
                return false;
            };
            if is_left_out(&key, side, client, context.out.options) {
                context.out.ledger.packets.other_clients += 1;
                return false;
            }
            table.touch(&key, segment.time).unwrap_or_else(|| {
                context.out.ledger.connections.seen += 1;
                for (address, met) in context.out.options.addresses.iter().zip(met) {
                    *met += u64::from(is_at(address, ends.0) || is_at(address, ends.1));
                }
                let connection = Connection::new(key, client, context.out.options);
                table.insert(key, connection, segment.time).0
            })
        };
        context.out.ledger.packets.segments += 1;
        let Some(connection) = table.get_mut(id) else { return true };
        if !connection.segment(side, &tcp_segment(segment), &mut context) {
            return true;
        }
        settle(id, table, alarms, &mut context);
        while let Some((_, mut connection)) = table.evict_over_limit() {
            context.out.ledger.connections.forgotten += u64::from(!connection.is_quiet());
            connection.forget(&mut context);
        }
        true
    }

    /// Counts a packet that `--bpf` does not select.
    pub fn leave_out(&mut self) {
        self.ledger.packets.read += 1;
        self.ledger.packets.left_out_by_bpf += 1;
    }

    /// No packet before this time will come: what waits for one no longer does.
    pub fn pass(&mut self, now: i64, block: &mut Block) {
        let Recorder { options, table, alarms, limits, counters, ledger, ids, scratch, echoes, .. } = self;
        let mut context = Context {
            counters,
            limits,
            out: DialogueOut { block, ledger, options, ids, scratch, echoes: echoes.as_mut() },
        };
        ring(now, table, alarms, &mut context);
    }

    /// The capture ends here: gives up what is not whole.
    pub fn finish(&mut self, block: &mut Block) {
        let Recorder { options, table, limits, counters, ledger, ids, scratch, alarms, echoes, .. } = self;
        let mut context = Context {
            counters,
            limits,
            out: DialogueOut { block, ledger, options, ids, scratch, echoes: echoes.as_mut() },
        };
        while let Some((_, mut connection)) = table.pop_idlest() {
            connection.end(Loss::CaptureEnd, &mut context);
        }
        alarms.clear();
    }

    /// The counts so far. Their sums come out even after [`Recorder::finish`].
    pub fn ledger(&self) -> CaptureLedger {
        let mut ledger = self.ledger.clone();
        ledger.segments = Segments::from(&self.counters);
        let fragments = self.decoder.fragments();
        ledger.incomplete_fragments = fragments.lost + fragments.waiting;
        let met = self.options.addresses.iter().zip(&self.met);
        ledger.connections.at = met.map(|(address, met)| (address.to_string(), *met)).collect();
        ledger
    }
}

/// Wakes the connections whose time has come.
#[inline]
fn ring(
    now: i64,
    table: &mut Table<Connection>,
    alarms: &mut BinaryHeap<Reverse<(i64, TableId)>>,
    context: &mut Context<'_>,
) {
    while let Some(&Reverse((due, id))) = alarms.peek()
        && due <= now
    {
        alarms.pop();
        // An id that another connection has by now: that one finds nothing due.
        if let Some(connection) = table.get_mut(id) {
            if connection.armed <= due {
                connection.armed = i64::MAX;
            }
            connection.wake(now, context);
            settle(id, table, alarms, context);
        }
    }
}

/// Charges a connection's memory to it, and sets its alarm.
fn settle(
    id: TableId,
    table: &mut Table<Connection>,
    alarms: &mut BinaryHeap<Reverse<(i64, TableId)>>,
    context: &mut Context<'_>,
) {
    let Some(connection) = table.get_mut(id) else { return };
    let deadline = connection.deadline(context);
    let memory = connection.memory();
    let is_armed = deadline >= connection.armed;
    if !is_armed {
        connection.armed = deadline;
        alarms.push(Reverse((deadline, id)));
    }
    table.charge(id, memory);
    if !is_armed && alarms.len() > MAX_ALARMS * context.out.options.max_connections.max(1) {
        drop_stale(table, alarms);
    }
}

/// Drops the alarms of connections that are no more, or have another one by now.
fn drop_stale(table: &Table<Connection>, alarms: &mut BinaryHeap<Reverse<(i64, TableId)>>) {
    let mut kept = std::mem::take(alarms).into_vec();
    kept.retain(|&Reverse((due, id))| table.get(id).is_some_and(|connection| connection.armed == due));
    kept.sort_unstable();
    kept.dedup();
    *alarms = kept.into();
}

/// Counts a packet that is no TCP segment.
fn count(decoded: &Decoded<'_>, ledger: &mut CaptureLedger) {
    let packets = &mut ledger.packets;
    let counter = match decoded {
        Decoded::Tcp(_) | Decoded::Quic { .. } => return,
        Decoded::OtherNetwork => &mut packets.other_networks,
        Decoded::UnknownLink(link) => packets.unknown_link.entry(*link).or_default(),
        Decoded::NotIp => &mut packets.not_ip,
        Decoded::NotTcp(_) => &mut packets.not_tcp,
        Decoded::FragmentHeld => &mut packets.fragments,
        Decoded::FragmentLost => &mut packets.fragments_lost,
        Decoded::Snapped(_) => &mut packets.snapped,
        Decoded::Malformed(_) => &mut packets.malformed,
    };
    *counter += 1;
}

/// The connection of a packet from one end to the other, who of it sent the packet, and who is the
/// client if the addresses tell. None: it is at no address to record at.
fn sides(
    (source, destination, network): (SocketAddr, SocketAddr, VirtualNetwork),
    addresses: &[Address],
    is_at: impl Fn(&Address, SocketAddr) -> bool,
) -> Option<(ConnectionKey, Side, Option<Side>)> {
    let (key, side) = ConnectionKey::of(source, destination);
    let key = key.within(network.0);
    if addresses.is_empty() {
        return Some((key, side, None));
    }
    let is_at_any = |endpoint| addresses.iter().any(|address| is_at(address, endpoint));
    match (is_at_any(source), is_at_any(destination)) {
        (false, false) => None,
        (true, false) => Some((key, side, Some(side.other()))),
        (false, true) => Some((key, side, Some(side))),
        // Both could be the server: whoever sends a request is the client.
        (true, true) => Some((key, side, None)),
    }
}

/// Whether the client is left out by option, as far as the addresses tell.
fn is_left_out(key: &ConnectionKey, side: Side, client: Option<Side>, options: &CaptureOptions) -> bool {
    let is_one = |side| options.leaves_out(key.endpoint(side).ip());
    client.map_or_else(|| is_one(side) && is_one(side.other()), is_one)
}

/// A packet's segment as the assembler takes it.
fn tcp_segment<'a>(segment: &packet::TcpSegment<'a>) -> crate::tcp::Segment<'a> {
    let flags = Flags(segment.flags.0);
    crate::tcp::Segment {
        seq: Seq(segment.seq),
        ack: flags.has(Flags::ACK).then_some(Seq(segment.ack)),
        flags,
        payload: segment.payload,
        missing: segment.missing,
        time: segment.time,
    }
}

#[cfg(test)]
mod tests;
