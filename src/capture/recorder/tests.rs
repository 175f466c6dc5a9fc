//! What a recorder holds is bounded, and what it cannot decode is counted.

use super::{InterfaceScope, Recorder};
use crate::capture::{Address, CaptureOptions};
use crate::packet::{LinkType, Packet};
use crate::record::Block;

/// IPv4 and TCP around a payload, without checksums.
fn packet(is_client: bool, seq: u32, ack: u32, payload: &str) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&((40 + payload.len()) as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0, 64, 6, 0, 0]);
    packet.extend_from_slice(if is_client {
        &[10, 0, 0, 2, 10, 0, 0, 1]
    } else {
        &[10, 0, 0, 1, 10, 0, 0, 2]
    });
    let (from, to) = if is_client { (4000_u16, 80_u16) } else { (80, 4000) };
    packet.extend_from_slice(&from.to_be_bytes());
    packet.extend_from_slice(&to.to_be_bytes());
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&ack.to_be_bytes());
    packet.extend_from_slice(&[0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend_from_slice(payload.as_bytes());
    packet
}

/// Another request would tell what they answer, but is not in the capture.
#[test]
fn responses_without_end_to_one_request_cost_no_more_than_some() {
    const REQUEST: &str = "GET / HTTP/1.1\r\n\r\n";
    const RESPONSE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    for has_responses in [false, true] {
        let mut recorder = Recorder::new(CaptureOptions { has_responses, ..CaptureOptions::default() });
        let mut block = Block::new();
        let mut take = |bytes: &[u8]| {
            let packet = Packet { link: LinkType::RAW, time: 0, wire_length: bytes.len() as u32, bytes };
            recorder.packet(&packet, &mut block);
            recorder.table.bytes()
        };
        take(&packet(true, 1000, 9000, REQUEST));
        let acknowledged = 1000 + REQUEST.len() as u32;
        let responses = (0..100_000).map(|number| 9000 + number * RESPONSE.len() as u32);
        let most = responses.map(|seq| take(&packet(false, seq, acknowledged, RESPONSE))).max();
        // At first they wait; the bound is one MiB, besides what the pairing notes of each.
        assert!(most.is_some_and(|most| (1 << 19..3 << 19).contains(&most)), "{has_responses}: {most:?}");
    }
}

/// IPv4 and UDP around the first packet of a QUIC connection, or its answer.
fn quic(client: u16, is_client: bool) -> Vec<u8> {
    let ports = if is_client { [client, 443] } else { [443, client] };
    let addresses = if is_client { [[10, 0, 0, 2], [10, 0, 0, 1]] } else { [[10, 0, 0, 1], [10, 0, 0, 2]] };
    let initial = [&[0xc3, 0, 0, 0, 1, 8][..], &[7; 1194]].concat();
    let udp =
        [&ports.map(u16::to_be_bytes).concat()[..], &1208_u16.to_be_bytes(), &[0, 0], &initial].concat();
    let ip = [0x45, 0, 4, 0xcc, 0, 0, 0, 0, 64, 17, 0, 0];
    [&ip[..], &addresses.concat(), &udp].concat()
}

#[test]
fn quic_connections_are_counted_once_each_at_the_addresses_to_record_at() {
    for (addresses, connections) in [(&[][..], 2), (&["10.0.0.1:443"], 2), (&["10.0.0.1:80"], 0)] {
        let addresses: Vec<Address> =
            addresses.iter().map(|text| text.parse().expect("an address")).collect();
        let mut recorder = Recorder::new(CaptureOptions { addresses, ..CaptureOptions::default() });
        let mut block = Block::new();
        for (client, is_client) in [(4000, true), (4000, true), (4000, false), (4001, false), (4001, true)] {
            let bytes = &quic(client, is_client)[..];
            let packet = Packet { link: LinkType::RAW, time: 0, wire_length: bytes.len() as u32, bytes };
            recorder.packet(&packet, &mut block);
        }
        recorder.finish(&mut block);
        let ledger = recorder.ledger();
        assert_eq!(ledger.connections.other.get("QUIC").copied().unwrap_or_default(), connections);
        assert_eq!((ledger.packets.not_tcp, ledger.uneven()), (5, vec![]));
    }
}

#[test]
fn a_followed_connection_need_not_be_looked_up_where_all_addresses_are_on_one_interface() {
    let place = |addresses: &[(&str, u32)]| {
        let parse = |&(text, index): &(&str, u32)| {
            let mut address: Address = text.parse().expect("an address");
            address.set_interface_index(index);
            address
        };
        InterfaceScope::of(&addresses.iter().map(parse).collect::<Vec<_>>())
    };
    let admits = |addresses| [0, 7, 9].map(|interface| place(addresses).admits(interface));
    assert_eq!(admits(&[]), [true, true, true]);
    assert_eq!(admits(&[(":80", 0), (":81", 0)]), [true, true, true]);
    assert_eq!(admits(&[("eth0:80", 7), ("eth0:81", 7)]), [false, true, false]);
    assert_eq!(admits(&[("eth0:80", 7), ("eth1:80", 9)]), [false, false, false]);
    assert_eq!(admits(&[("eth0:80", 7), (":81", 0)]), [false, false, false]);
    assert_eq!(admits(&[(":81", 0), ("eth0:80", 7)]), [false, false, false]);
}
