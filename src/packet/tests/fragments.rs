//! Fragments: any pieces in any order make the whole; what does not fit is counted.

use proptest::prelude::*;

use super::super::{
    Decoded, Decoder, FragmentLimits, Layer, LinkType, MAX_ISLANDS, NetworkSelection, Packet, PacketFault,
    PacketRule,
};
use super::support::{ethernet, ipv4_of, ipv6_of, join, tcp};

fn ipv4_fragment(id: u8, offset: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
    let mut packet = ipv4_of(6, bytes);
    packet[5] = id;
    let [offset_1, offset_2] = (offset as u16 / 8).to_be_bytes();
    packet[6] = offset_1 | u8::from(more) << 5;
    packet[7] = offset_2;
    packet
}

fn ipv6_fragment(id: u8, offset: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
    let [offset_1, offset_2] = (offset as u16 | u16::from(more)).to_be_bytes();
    // Only the first fragment's next header counts.
    let next = if offset == 0 { 6 } else { 99 };
    ipv6_of(44, &join(&[&[next, 0, offset_1, offset_2, 0, 0, 0, id], bytes]))
}

fn push<'a>(decoder: &'a mut Decoder, bytes: &'a [u8], time: i64) -> Decoded<'a> {
    decoder.decode(&Packet { link: LinkType::RAW, time, wire_length: bytes.len() as u32, bytes })
}

fn assert_reconciles(decoder: &Decoder) {
    let tally = decoder.fragments();
    assert_eq!(tally.taken, tally.joined + tally.lost + tally.waiting, "{tally:?}");
}

proptest! {
    #[test]
    fn any_pieces_in_any_order_make_the_whole(
        payload in prop::collection::vec(any::<u8>(), 0..2000),
        cuts in prop::collection::vec(1..300usize, 1..12),
        again in any::<prop::sample::Index>(),
        is_ipv6 in any::<bool>(),
        seed in prop::collection::vec(any::<u32>(), 12),
    ) {
        let whole = tcp(&payload);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut * 8).filter(|cut| *cut < whole.len()).collect();
        places.extend([0, whole.len()]);
        places.sort_unstable();
        places.dedup();
        prop_assume!(places.len() > 2);
        let fragment = if is_ipv6 { ipv6_fragment } else { ipv4_fragment };
        let mut pieces: Vec<(u32, Vec<u8>)> = places
            .windows(2)
            .zip(&seed)
            .map(|(ends, rank)| (*rank, fragment(1, ends[0], ends[1] < whole.len(), &whole[ends[0]..ends[1]])))
            .collect();
        pieces.sort();
        let last = pieces.pop().unwrap();
        let mut decoder = Decoder::default();
        for (_, piece) in &pieces {
            prop_assert_eq!(push(&mut decoder, piece, 1), Decoded::FragmentHeld);
        }
        let twice = &again.get(&pieces).1;
        prop_assert_eq!(push(&mut decoder, twice, 1), Decoded::FragmentHeld);
        let Decoded::Tcp(segment) = push(&mut decoder, &last.1, 5) else { panic!("not whole") };
        prop_assert_eq!(segment.payload, &payload[..]);
        prop_assert_eq!((segment.time, segment.missing), (5, 0));
        let tally = decoder.fragments();
        prop_assert_eq!((tally.joined, tally.datagrams, tally.waiting), (pieces.len() as u64 + 2, 1, 0));
        let overlap = twice.len() - if is_ipv6 { 48 } else { 20 };
        prop_assert_eq!(tally.overlapping, overlap as u64);
        assert_reconciles(&decoder);
    }

    #[test]
    fn the_first_copy_of_every_byte_wins(
        pieces in prop::collection::vec((0..12usize, 1..6usize, any::<u8>()), 1..20),
    ) {
        // An obviously correct twin: one cell for each unit of eight bytes.
        let mut twin: Vec<Option<u8>> = vec![None; 20];
        let mut decoder = Decoder::default();
        let header = tcp(b"");
        push(&mut decoder, &ipv4_fragment(1, 0, true, &header), 0);
        twin[..3].fill(Some(0));
        for (at, count, value) in &pieces {
            let (at, end) = (at + 3, at + 3 + count);
            let piece = ipv4_fragment(1, at * 8, true, &vec![*value; count * 8]);
            prop_assert_eq!(push(&mut decoder, &piece, 0), Decoded::FragmentHeld);
            for cell in &mut twin[at..end] {
                cell.get_or_insert(*value);
            }
        }
        let filling = ipv4_fragment(1, 0, true, &[0xaa; 19 * 8]);
        push(&mut decoder, &filling, 0);
        let last = ipv4_fragment(1, 19 * 8, false, &[0xbb; 8]);
        let Decoded::Tcp(segment) = push(&mut decoder, &last, 0) else { panic!("not whole") };
        let mut expected: Vec<u8> = twin[3..19].iter().flat_map(|cell| [cell.unwrap_or(0xaa); 8]).collect();
        expected.extend([twin[19].unwrap_or(0xbb); 8]);
        prop_assert_eq!(segment.payload, &expected[..]);
    }
}

#[test]
fn a_fragment_inside_a_tunnel_inside_fragments_is_put_together() {
    let whole = tcp(&[b'x'; 100]);
    let mut decoder = Decoder::default();
    let inner = [ipv4_fragment(1, 0, true, &whole[..64]), ipv4_fragment(1, 64, false, &whole[64..])];
    for (number, inner) in inner.iter().enumerate() {
        let gre = join(&[&[0, 0, 0x65, 0x58], &ethernet(0x0800, inner)]);
        for (offset, more) in [(0, true), (40, false)] {
            let mut outer = ipv4_fragment(7, offset, more, if more { &gre[..40] } else { &gre[40..] });
            outer[9] = 47;
            match push(&mut decoder, &outer, 0) {
                Decoded::Tcp(segment) if number == 1 && !more => assert_eq!(segment.payload, [b'x'; 100]),
                other => assert_eq!((other, number * 2 + offset < 42), (Decoded::FragmentHeld, true)),
            }
        }
    }
    assert_eq!(decoder.fragments().joined, 6);
    assert_reconciles(&decoder);
}

#[test]
fn what_waits_too_long_is_lost() {
    let mut decoder = Decoder::new(FragmentLimits { age: 100, ..FragmentLimits::default() });
    let whole = tcp(b"0123456789");
    assert_eq!(push(&mut decoder, &ipv4_fragment(1, 0, true, &whole[..24]), 0), Decoded::FragmentHeld);
    assert_eq!(push(&mut decoder, &ipv4_fragment(1, 24, false, &whole[24..]), 101), Decoded::FragmentHeld);
    let tally = decoder.fragments();
    assert_eq!((tally.lost, tally.waiting), (1, 1));
    assert_reconciles(&decoder);
}

#[test]
fn the_table_is_bounded_and_pushes_out_the_oldest() {
    let limits = FragmentLimits { datagrams: 3, bytes: 100, age: i64::MAX };
    let mut decoder = Decoder::new(limits);
    for id in 0..10 {
        assert_eq!(push(&mut decoder, &ipv4_fragment(id, 0, true, &[0; 24]), 0), Decoded::FragmentHeld);
    }
    assert_eq!((decoder.fragments().lost, decoder.fragments().waiting), (7, 3));
    assert_eq!(push(&mut decoder, &ipv4_fragment(50, 800, true, &[0; 8]), 0), Decoded::FragmentLost);
    assert_eq!((decoder.fragments().lost, decoder.fragments().waiting), (11, 0));
    assert_reconciles(&decoder);
}

#[test]
fn a_datagram_of_too_many_islands_is_lost() {
    let mut decoder = Decoder::default();
    for number in 0..MAX_ISLANDS {
        let piece = ipv4_fragment(1, number * 16, true, &[0; 8]);
        assert_eq!(push(&mut decoder, &piece, 0), Decoded::FragmentHeld, "{number}");
    }
    let piece = ipv4_fragment(1, MAX_ISLANDS * 16, true, &[0; 8]);
    assert_eq!(push(&mut decoder, &piece, 0), Decoded::FragmentLost);
    assert_eq!(decoder.fragments().lost, MAX_ISLANDS as u64 + 1);
}

#[test]
fn a_snapped_fragment_is_lost() {
    let mut decoder = Decoder::default();
    let bytes = ipv4_fragment(1, 0, true, &[0; 24]);
    let packet =
        Packet { link: LinkType::RAW, time: 0, wire_length: bytes.len() as u32, bytes: &bytes[..40] };
    assert_eq!(decoder.decode(&packet), Decoded::FragmentLost);
    assert_reconciles(&decoder);
}

#[test]
fn fragments_that_lie_are_malformed() {
    let fault = |rule| Decoded::Malformed(PacketFault { layer: Layer::Fragment, rule });
    let mut decoder = Decoder::default();
    push(&mut decoder, &ipv4_fragment(1, 64, false, &[0; 9]), 0);
    let cases = [
        ("odd length", ipv4_fragment(2, 0, true, &[0; 9]), PacketRule::FragmentLength),
        ("past 64 KiB", ipv4_fragment(2, 65_528, false, &[0; 8]), PacketRule::FragmentPastEnd),
        ("past the end", ipv4_fragment(1, 72, true, &[0; 8]), PacketRule::FragmentPastEnd),
        ("another end", ipv4_fragment(1, 8, false, &[0; 8]), PacketRule::FragmentPastEnd),
    ];
    for (name, bytes, rule) in &cases {
        assert_eq!(push(&mut decoder, bytes, 0), fault(*rule), "{name}");
    }
    assert_reconciles(&decoder);
}

#[test]
fn what_is_put_together_is_in_the_networks_of_its_fragments() {
    let whole = tcp(b"GET / HTTP/1.1\r\n\r\n");
    let pieces = [ipv4_fragment(1, 0, true, &whole[..24]), ipv4_fragment(1, 24, false, &whole[24..])];
    let frames = pieces.map(|piece| ethernet(0x8100, &join(&[&[0, 5, 8, 0], &piece])));
    for (vlans, is_selected) in [(vec![], true), (vec![5], true), (vec![6, 5], true), (vec![6], false)] {
        let selection = NetworkSelection { vlans, ..NetworkSelection::default() };
        let mut decoder = Decoder::default().selecting(selection.clone());
        let mut decode = |bytes: &[u8]| {
            let wire_length = bytes.len() as u32;
            let found = decoder.decode(&Packet { link: LinkType::ETHERNET, time: 1, wire_length, bytes });
            (matches!(found, Decoded::Tcp(_)), found == Decoded::OtherNetwork)
        };
        assert_eq!(decode(&frames[0]), (false, false), "{selection:?}");
        assert_eq!(decode(&frames[1]), (is_selected, !is_selected), "{selection:?}");
    }
}
