//! What holds of every capture, however its streams were cut into packets and its packets shuffled.

use gor_tools::capture::{CaptureLedger, CaptureOptions, Recorder};
use gor_tools::packet::{LinkType, Packet as Captured};
use gor_tools::record::Block;
use proptest::prelude::*;

use crate::support::packets::Side::{Client, Server};
use crate::support::packets::{Packet, Side, Talk, times};

/// A record as far as it does not depend on time: kind, id, payload.
type Told = (u8, Vec<u8>, Vec<u8>);

fn recorded(packets: &[Packet], options: CaptureOptions) -> (Vec<Told>, CaptureLedger) {
    let mut recorder = Recorder::new(options);
    let (mut block, mut told) = (Block::new(), Vec::new());
    let mut take = |block: &mut Block| {
        let records = block
            .iter()
            .map(|view| (view.header.kind.digit(), view.header.id.to_vec(), view.payload.to_vec()));
        told.extend(records);
        block.clear();
    };
    for (time, bytes) in times(packets) {
        let packet = Captured { link: LinkType::ETHERNET, time, wire_length: bytes.len() as u32, bytes };
        recorder.packet(&packet, &mut block);
        take(&mut block);
    }
    recorder.finish(&mut block);
    take(&mut block);
    let ledger = recorder.ledger();
    assert_eq!(ledger.uneven(), Vec::<&str>::new(), "{ledger:?}");
    (told, ledger)
}

fn with_responses() -> CaptureOptions {
    CaptureOptions { has_responses: true, ..CaptureOptions::default() }
}

/// Requests and their responses.
const EXCHANGES: [(&str, &str); 6] = [
    ("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("POST /b HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("HEAD /c HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
    (
        "PUT /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "GET /e HTTP/1.1\nHost: a\n\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: z\r\n\r\n",
    ),
    ("DELETE /f HTTP/1.0\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n"),
];

/// One side says `bytes` in segments of these lengths, which repeat.
fn cut(mut talk: Talk, side: Side, bytes: &[u8], lengths: &[usize]) -> Talk {
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (segment, after) = rest.split_at(rest.len().min(*length));
        talk = talk.says(side, segment);
        rest = after;
    }
    talk
}

fn conversation(exchanges: &[usize], lengths: &[usize]) -> Talk {
    exchanges.iter().fold(Talk::open(), |talk, number| {
        let (request, response) = EXCHANGES[*number];
        let talk = cut(talk, Client, request.as_bytes(), lengths);
        cut(talk, Server, response.as_bytes(), lengths)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_the_streams_are_cut_the_same_records_come_out(
        exchanges in prop::collection::vec(0..EXCHANGES.len(), 1..8),
        lengths in prop::collection::vec(1_usize..40, 1..8),
    ) {
        let whole = recorded(&conversation(&exchanges, &[usize::MAX]).packets, with_responses());
        let pieces = recorded(&conversation(&exchanges, &lengths).packets, with_responses());
        prop_assert_eq!(whole.0.len(), exchanges.len() * 2);
        prop_assert_eq!(whole.0, pieces.0);
    }

    #[test]
    fn neighbours_that_change_places_and_packets_that_come_twice_lose_nothing(
        exchanges in prop::collection::vec(0..EXCHANGES.len(), 1..6),
        lengths in prop::collection::vec(5_usize..60, 1..5),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..12),
    ) {
        let mut packets = conversation(&exchanges, &lengths).packets;
        let (mut expected, _) = recorded(&packets, with_responses());
        // After the handshake: without it nobody knows where a stream begins.
        for (at, is_twice) in changes {
            let at = 3 + at.index(packets.len() - 3);
            if is_twice {
                packets.insert(at, packets[at].clone());
            } else if at + 1 < packets.len() {
                packets.swap(at, at + 1);
            }
        }
        let (mut told, _) = recorded(&packets, with_responses());
        expected.sort();
        told.sort();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn whatever_is_lost_doubled_and_shuffled_the_books_come_out_even(
        exchanges in prop::collection::vec(0..EXCHANGES.len(), 1..6),
        lengths in prop::collection::vec(1_usize..60, 1..5),
        soup in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..4_000_000_000), 0..80),
        (max_message, max_connections) in (0_usize..80, 1_usize..4),
        (has_responses, allows_incomplete) in any::<(bool, bool)>(),
    ) {
        let other = Talk::between("10.0.0.3:5", "10.0.0.1:80").from(7, u32::MAX - 30).handshake().client(EXCHANGES[0].0);
        let again = Talk::joined().from(u32::MAX - 9, 5).handshake().client(EXCHANGES[1].0).reset(Client);
        let packets = conversation(&exchanges, &lengths).close().then(other).then(again).packets;
        let picked: Vec<_> = soup
            .iter()
            .map(|(at, pause)| Packet { pause: *pause, ..packets[at.index(packets.len())].clone() })
            .collect();
        let options = CaptureOptions { has_responses, allows_incomplete, max_message, max_connections, ..CaptureOptions::default() };
        recorded(&picked, options);
    }
}

#[test]
fn a_hundred_thousand_connections_of_one_segment_each_are_counted_and_forgotten() {
    let one = |number: u32| {
        let client = format!("10.{}.{}.{}:4000", number >> 16 & 255, number >> 8 & 255, number & 255);
        let talk = Talk::between(&client, "10.0.0.1:80");
        if number.is_multiple_of(2) {
            talk.handshake().packets.swap_remove(0)
        } else {
            talk.client("GET /unfinished HTTP/1.1\r\nA: b\r\n").packets.swap_remove(0)
        }
    };
    let packets: Vec<_> = (0..100_000).map(one).collect();
    let (told, ledger) =
        recorded(&packets, CaptureOptions { expire: Some(3_600_000_000_000), ..CaptureOptions::default() });
    assert!(told.is_empty());
    assert_eq!((ledger.connections.seen, ledger.requests.lost()), (100_000, 50_000));
    assert!(ledger.connections.forgotten > 0);
}

#[test]
fn one_connection_of_a_hundred_thousand_tiny_segments_is_one_request() {
    let request = format!("POST /a HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000));
    let talk = Talk::open().in_segments(Client, request.as_bytes(), 1);
    let (told, _) = recorded(&talk.packets, CaptureOptions::default());
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].2, request.as_bytes());
}

#[test]
fn gaps_that_never_fill_are_given_up() {
    let talk = (0..30_000).fold(Talk::open(), |talk, _| {
        let talk = talk.unseen(Client, "x").client("GET / HTTP/1.1\r\n\r\n");
        talk.server("HTTP/1.1 204 No Content\r\n\r\n")
    });
    for expire in [Some(2_000_000_000), None] {
        let (_, ledger) = recorded(&talk.packets, CaptureOptions { expire, ..CaptureOptions::default() });
        assert!(ledger.segments.missing > 29_000, "{ledger:?}");
        assert!(ledger.requests.written() > 10_000, "{ledger:?}");
    }
}

/// A segment of one byte is as good as a long one: what acknowledges it waits for it.
#[test]
fn any_two_neighbours_may_change_places() {
    let packets = conversation(&[0, 1, 3], &[7, 13]).close().packets;
    let (mut expected, _) = recorded(&packets, with_responses());
    expected.sort();
    for at in 3..packets.len() - 1 {
        let mut swapped = packets.clone();
        swapped.swap(at, at + 1);
        let (mut told, _) = recorded(&swapped, with_responses());
        told.sort();
        assert_eq!(told, expected, "packets {at} and {}", at + 1);
    }
}

/// What waits for the other direction is bounded in memory: a segment of one byte costs more than its byte.
#[test]
fn tiny_segments_that_wait_for_the_other_side_do_not_add_up() {
    let talk = Talk::open().unseen(Client, "GET / HTTP/1.1\r\n\r\n").in_segments(Server, &[b'x'; 15_000], 1);
    let mut recorder = Recorder::new(with_responses());
    let mut block = Block::new();
    let start = times(&talk.packets).next().expect("a packet").0;
    for (_, bytes) in times(&talk.packets) {
        // At one moment, so that only memory can end the wait.
        let packet =
            Captured { link: LinkType::ETHERNET, time: start, wire_length: bytes.len() as u32, bytes };
        recorder.packet(&packet, &mut block);
    }
    assert_eq!(recorder.ledger().bytes.delivered, 15_000);
}
