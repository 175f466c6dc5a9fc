//! Ethernet frames inside others, cut into fragments, and sent as they are.

use std::io::Write as _;
use std::net::Ipv6Addr;
use std::process::{Command, Stdio};

use super::skip::skip;
use etherparse::{IpFragOffset, IpNumber, Ipv4Header, PacketBuilder};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
const IPV6: usize = 40;

/// What each fragment carries; a multiple of 8.
const PIECE: usize = 104;

/// Sends frames out of an interface. One processor sends them all, so they arrive in this order.
const SENDER: &str = "
import os, socket, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
data = sys.stdin.buffer
while length := data.read(2):
    frame = data.read(int.from_bytes(length, 'big'))
    if out.send(frame) != len(frame):
        sys.exit('a part of a frame was sent')
";

/// Whether python3 is there; if not, that is said.
pub(crate) fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|found| found.status.success());
    if !found {
        skip("python3 is not installed");
    }
    found
}

/// Sends frames from a namespace into its cable.
pub(crate) fn send(space: &str, frames: &[Vec<u8>]) {
    let mut python = Command::new("ip");
    python.args(["netns", "exec", space, "python3", "-c", SENDER, "cable"]).stdin(Stdio::piped());
    let mut python = python.spawn().expect("ip was there before");
    let mut input = python.stdin.take().expect("it is piped");
    for frame in frames {
        let length = u16::try_from(frame.len()).expect("a frame is short");
        input.write_all(&[&length.to_be_bytes(), &frame[..]].concat()).expect("python reads it");
    }
    drop(input);
    assert!(python.wait().expect("it can be waited for").success(), "not all frames were sent");
}

/// With this after the hardware addresses.
fn tagged(frame: &[u8], tag: &[u8]) -> Vec<u8> {
    [&frame[..12], tag, &frame[12..]].concat()
}

pub(crate) fn vlan(frame: &[u8]) -> Vec<u8> {
    tagged(frame, &[0x81, 0, 0x60, 5])
}

/// IEEE 802.1ad.
pub(crate) fn qinq(frame: &[u8]) -> Vec<u8> {
    tagged(&vlan(frame), &[0x88, 0xa8, 0, 7])
}

/// Two tags of the kind that only the inner one has otherwise.
pub(crate) fn two_vlans(frame: &[u8]) -> Vec<u8> {
    tagged(&vlan(frame), &[0x81, 0, 0, 9])
}

pub(crate) fn mpls(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x88, 0x47, 0, 1, 0x01, 64], &frame[ETHERNET..]].concat()
}

pub(crate) fn pppoe(frame: &[u8]) -> Vec<u8> {
    let packet = &frame[ETHERNET..];
    let [length_1, length_2] = (packet.len() as u16 + 2).to_be_bytes();
    let protocol = if packet[0] >> 4 == 4 { 0x21 } else { 0x57 };
    [&frame[..12], &[0x88, 0x64, 0x11, 0, 0, 1, length_1, length_2, 0, protocol], packet].concat()
}

/// 802.3 with a length, and SNAP.
pub(crate) fn snap(frame: &[u8]) -> Vec<u8> {
    let length = (frame.len() - ETHERNET + 8) as u16;
    [&frame[..12], &length.to_be_bytes(), &[0xaa, 0xaa, 3, 0, 0, 0], &frame[12..]].concat()
}

fn in_udp(port: u16, header: &[u8], inner: &[u8]) -> Vec<u8> {
    let outer = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4])
        .ipv4([172, 16, 0, 1], [172, 16, 0, 2], 64)
        .udp(5000, port);
    let mut bytes = Vec::new();
    outer.write(&mut bytes, &[header, inner].concat()).expect("a vector takes everything");
    bytes
}

pub(crate) fn vxlan(frame: &[u8]) -> Vec<u8> {
    in_udp(4789, &[8, 0, 0, 0, 0, 0, 7, 0], frame)
}

pub(crate) fn geneve(frame: &[u8]) -> Vec<u8> {
    in_udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 7, 0, 0, 1, 2, 0], frame)
}

/// GTP-U with a sequence number.
pub(crate) fn gtp_u(frame: &[u8]) -> Vec<u8> {
    let packet = &frame[ETHERNET..];
    let [length_1, length_2] = (packet.len() as u16 + 4).to_be_bytes();
    in_udp(2152, &[0x32, 255, length_1, length_2, 0, 0, 0, 1, 0, 9, 0, 0], packet)
}

fn in_ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let outer = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4]).ipv4(
        [172, 16, 0, 1],
        [172, 16, 0, 2],
        64,
    );
    let mut bytes = Vec::new();
    outer.write(&mut bytes, IpNumber(protocol), payload).expect("a vector takes everything");
    bytes
}

fn in_ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [from, to] = [1, 2].map(|last| Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, last).octets());
    let outer = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4]).ipv6(from, to, 64);
    let mut bytes = Vec::new();
    outer.write(&mut bytes, IpNumber(protocol), payload).expect("a vector takes everything");
    bytes
}

/// GRE with a key.
pub(crate) fn gre(frame: &[u8]) -> Vec<u8> {
    in_ipv4(47, &[&[0x20, 0], &frame[12..ETHERNET], &[0, 0, 0, 1], &frame[ETHERNET..]].concat())
}

pub(crate) fn gre_of_ethernet(frame: &[u8]) -> Vec<u8> {
    in_ipv6(47, &[&[0, 0, 0x65, 0x58], frame].concat())
}

fn protocol_of(packet: &[u8]) -> u8 {
    if packet[0] >> 4 == 4 { 4 } else { 41 }
}

pub(crate) fn ip_in_ipv4(frame: &[u8]) -> Vec<u8> {
    in_ipv4(protocol_of(&frame[ETHERNET..]), &frame[ETHERNET..])
}

pub(crate) fn ip_in_ipv6(frame: &[u8]) -> Vec<u8> {
    in_ipv6(protocol_of(&frame[ETHERNET..]), &frame[ETHERNET..])
}

/// A frame of IPv4 or IPv6 without options in fragments, or as it is if it is short. The number tells its
/// datagram from others.
pub(crate) fn fragments(frame: &[u8], number: u16) -> Vec<Vec<u8>> {
    let (link, packet) = frame.split_at(ETHERNET);
    let is_ipv4 = packet[0] >> 4 == 4;
    let header = if is_ipv4 { packet[0] as usize % 16 * 4 } else { IPV6 };
    let (header, payload) = packet.split_at(header);
    if payload.len() <= PIECE {
        return vec![frame.to_vec()];
    }
    let last = payload.len().div_ceil(PIECE) - 1;
    let fragment = |(place, piece): (usize, &[u8])| {
        let (offset, has_more) = ((place * PIECE / 8) as u16, place < last);
        let header = if is_ipv4 {
            of_ipv4(header, number, offset, has_more, piece.len())
        } else {
            of_ipv6(header, number, offset, has_more, piece.len())
        };
        [link, &header, piece].concat()
    };
    payload.chunks(PIECE).enumerate().map(fragment).collect()
}

fn of_ipv4(header: &[u8], number: u16, offset: u16, has_more: bool, length: usize) -> Vec<u8> {
    let (mut header, _) = Ipv4Header::from_slice(header).expect("a header");
    header.identification = number;
    header.dont_fragment = false;
    header.more_fragments = has_more;
    header.fragment_offset = IpFragOffset::try_new(offset).expect("it is short");
    header.set_payload_len(length).expect("it is short");
    header.header_checksum = header.calc_header_checksum();
    header.to_bytes().to_vec()
}

fn of_ipv6(header: &[u8], number: u16, offset: u16, has_more: bool, length: usize) -> Vec<u8> {
    let [length_1, length_2] = (length as u16 + 8).to_be_bytes();
    let [offset_1, offset_2] = (offset << 3 | u16::from(has_more)).to_be_bytes();
    let [number_1, number_2] = number.to_be_bytes();
    let own = [header[6], 0, offset_1, offset_2, 0, 0, number_1, number_2];
    [&header[..4], &[length_1, length_2, 44], &header[7..], &own].concat()
}
