//! Whatever the packets, the books of a capture come out even, its records can
//! be read back, and no id is given twice.
#![no_main]

use std::collections::HashMap;

use gor_tools::capture::{CaptureOptions, Protocol, Recorder};
use gor_tools::packet::{LinkType, Packet};
use gor_tools::record::{Block, Kind, Mark, Reader, ReaderOptions as ReadOptions, Record, Records};
use libfuzzer_sys::fuzz_target;

/// What stands for `@` in the phrases of each connection, and is nowhere else in them.
const TAGS: [u8; 4] = *b"!#$%";

/// How long unfinished messages are waited for.
const EXPIRES: [Option<i64>; 4] = [None, Some(1), Some(150_000_000), Some(2_000_000_000)];

/// Pieces of conversations, so that the fuzzer need not invent HTTP.
const PHRASES: [&[u8]; 16] = [
    b"GET /@ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /@ HTTP/1.1\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
    b"HEAD /@ HTTP/1.1\r\n\r\n",
    b"CONNECT @:1 HTTP/1.1\r\n\r\n",
    b"GET /@ HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"PUT /@ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 @\r\nContent-Length: 10\r\n\r\n",
    b"HTTP/1.1 200 @\r\n\r\n",
    b"HTTP/1.1 100 @\r\n\r\n",
    b"HTTP/1.1 101 @\r\n\r\n",
    b"HTTP/1.1 200 @\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"5;x=y\r\nhell@\r\n0\r\n\r\n",
    b"012345678@",
    "\n🐵🙈🙉\n1 abc@ 1 1\n".as_bytes(),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
];

/// Ethernet, IPv4 and TCP around a payload, with a true length and no checksums.
fn frame(is_client: bool, connection: u8, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend_from_slice(&[8, 0, 0x45, 0]);
    frame.extend_from_slice(&((40 + payload.len()) as u16).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 0, 64, 6, 0, 0]);
    let (client, server) = ([10, 0, 0, connection], [10, 0, 1, 1]);
    let (from, to) = if is_client { (client, server) } else { (server, client) };
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&to);
    let (from, to) = if is_client { (4000_u16, 80_u16) } else { (80, 4000) };
    frame.extend_from_slice(&from.to_be_bytes());
    frame.extend_from_slice(&to.to_be_bytes());
    frame.extend_from_slice(&seq.to_be_bytes());
    frame.extend_from_slice(&ack.to_be_bytes());
    frame.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    frame
}

/// What has one id.
#[derive(Default)]
struct Exchange {
    requests: u32,
    responses: u32,
    /// The tags of the connections that its bytes are from.
    tags: Vec<u8>,
}

fuzz_target!(|data: &[u8]| {
    let [settings, more_settings, data @ ..] = data else { return };
    let mut data = data;
    let options = CaptureOptions {
        has_responses: settings & 1 != 0,
        allows_incomplete: settings & 2 != 0,
        protocol: if settings & 4 != 0 { Protocol::Binary } else { Protocol::Http },
        max_message: if settings & 8 != 0 { 20 } else { 1 << 20 },
        max_connections: if settings & 16 != 0 { 2 } else { 100 },
        expire: EXPIRES[usize::from(more_settings & 3)],
        addresses: if settings & 32 != 0 { vec![":80".parse().unwrap()] } else { Vec::new() },
        real_ip_header: (settings & 64 != 0).then(|| "X-Real-IP".to_string()),
        ..CaptureOptions::default()
    };
    let mut recorder = Recorder::new(options.clone());
    let mut block = Block::new();
    let mut time = 1_000_000_000;
    let mut next = [[1000_u32, 9000]; 4];
    let (mut has_only_phrases, mut is_used) = (true, [false; 4]);
    while let [command, a, b, rest @ ..] = data {
        data = rest;
        // The last one is a packet that the capture has after a later one.
        time += if b >> 4 == 15 { -50_000_000 } else { i64::from(b >> 4) * 100_000_000 };
        if command & 0xf0 == 0xf0 {
            let length = usize::from(*a).min(data.len());
            let (bytes, rest) = data.split_at(length);
            let link = LinkType::KNOWN[usize::from(b & 15) % LinkType::KNOWN.len()];
            let wire_length = length as u32 + u32::from(b & 1);
            recorder.packet(&Packet { link, time, wire_length, bytes }, &mut block);
            data = rest;
            has_only_phrases = false;
            continue;
        }
        let (is_client, connection) = (command & 1 == 0, usize::from(command >> 1 & 3));
        is_used[connection] = true;
        let phrase = PHRASES[usize::from(a & 15)];
        let phrase = &phrase[..phrase.len().min(usize::from(a >> 4) * 8 + 8)];
        let phrase: Vec<u8> =
            phrase.iter().map(|&byte| if byte == b'@' { TAGS[connection] } else { byte }).collect();
        let flags = [0x10, 0x10, 0x10, 0x11, 0x02, 0x14, 0x12, 0x30][usize::from(b & 7)];
        let side = usize::from(!is_client);
        let [seq, ack] = [next[connection][side], next[connection][1 - side]];
        // Now and then a byte is skipped or sent again.
        let seq = seq.wrapping_add(match command >> 4 & 7 {
            6 => 7,
            7 => u32::MAX - 4,
            _ => 0,
        });
        let payload = if b & 8 != 0 { &[][..] } else { &phrase };
        let bytes = frame(is_client, connection as u8, seq, ack, flags, payload);
        let wire_length = bytes.len() as u32;
        recorder.packet(&Packet { link: LinkType::ETHERNET, time, wire_length, bytes: &bytes }, &mut block);
        next[connection][side] = seq.wrapping_add(payload.len() as u32 + u32::from(flags & 3 != 0));
    }
    recorder.finish(&mut block);
    let ledger = recorder.ledger();
    assert_eq!(ledger.uneven(), Vec::<&str>::new(), "{ledger:?}");

    let messages = [&ledger.requests, &ledger.responses];
    let written: u64 = messages.iter().map(|messages| messages.written()).sum();
    let mut source = Records::new(Reader::new(block.bytes(), ReadOptions::default()));
    let (mut record, mut read) = (Record::default(), 0);
    let mut exchanges: HashMap<Vec<u8>, Exchange> = HashMap::new();
    while source.read(&mut record).unwrap() {
        assert_eq!(record.payload, block.get(read).payload);
        read += 1;
        assert!(record.kind == Kind::Request || options.has_responses);
        assert!(record.mark != Some(Mark::Gap) || options.allows_incomplete);
        assert!(options.real_ip_header.is_some() || record.payload.len() <= options.max_message);
        let exchange = exchanges.entry(record.id.clone()).or_default();
        let of_kind =
            if record.kind == Kind::Request { &mut exchange.requests } else { &mut exchange.responses };
        *of_kind += 1;
        exchange.tags.extend(record.payload.iter().filter(|&byte| TAGS.contains(byte)));
    }
    assert_eq!(read as u64, written);
    // What was forgotten, its ids included, may be given again.
    if !has_only_phrases || options.max_connections < 4 {
        return;
    }
    // One that begins anew usually has other sequence numbers, which is all that tells its ids from those before.
    let has_restarted = ledger.connections.seen != is_used.iter().filter(|is_used| **is_used).count() as u64;
    for (id, exchange) in exchanges {
        let id = String::from_utf8(id).unwrap();
        if !has_restarted {
            assert!(exchange.requests <= 1, "{} requests have the id {id}", exchange.requests);
            // Plain bytes that come after a pause are one more response.
            let is_http = options.protocol == Protocol::Http;
            assert!(exchange.responses <= 1 || !is_http, "{} responses have the id {id}", exchange.responses);
        }
        let is_of_one = exchange.tags.windows(2).all(|pair| pair[0] == pair[1]);
        assert!(is_of_one, "several connections have the id {id}");
    }
});
