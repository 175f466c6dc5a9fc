//! How fast capture files are read and packets decoded.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::packet::{CaptureFile, Decoded, Decoder, LinkType, Packet};

const PACKETS: u32 = 100_000;

fn frame(payload: usize) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(40_000, 80, 1, 65_000);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, &vec![b'x'; payload]).expect("a vector takes all");
    bytes
}

fn words(file: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        file.extend(word.to_le_bytes());
    }
}

fn pcap(frame: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let length = frame.len() as u32;
    words(&mut file, &[0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1]);
    for number in 0..PACKETS {
        words(&mut file, &[1_700_000_000, number, length, length]);
        file.extend(frame);
    }
    file
}

fn pcapng(frame: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    words(&mut file, &[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 1, 0, 20]);
    let captured = frame.len() as u32;
    let length = 32 + captured.next_multiple_of(4);
    for number in 0..PACKETS {
        words(&mut file, &[6, length, 0, 389_000, number, captured, captured]);
        file.extend(frame);
        file.resize(file.len().next_multiple_of(4), 0);
        words(&mut file, &[length]);
    }
    file
}

fn read(file: &[u8]) -> usize {
    let mut capture = CaptureFile::new(file).expect("a capture");
    let mut bytes = 0;
    while let Some(packet) = capture.next().expect("no damage") {
        bytes += packet.bytes.len();
    }
    bytes
}

fn read_and_decode(file: &[u8]) -> usize {
    let mut capture = CaptureFile::new(file).expect("a capture");
    let mut decoder = Decoder::default();
    let mut bytes = 0;
    while let Some(packet) = capture.next().expect("no damage") {
        if let Decoded::Tcp(segment) = decoder.decode(&packet) {
            bytes += segment.payload.len();
        }
    }
    bytes
}

fn rates(criterion: &mut Criterion) {
    let frame = frame(200);
    let (pcap, pcapng) = (pcap(&frame), pcapng(&frame));
    let mut group = criterion.benchmark_group("packet");
    group.throughput(Throughput::Elements(u64::from(PACKETS)));
    group.bench_function("read pcap", |bencher| bencher.iter(|| read(black_box(&pcap))));
    group.bench_function("read pcapng", |bencher| bencher.iter(|| read(black_box(&pcapng))));
    group
        .bench_function("read and decode pcap", |bencher| bencher.iter(|| read_and_decode(black_box(&pcap))));
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode ethernet ipv4 tcp", |bencher| {
        let mut decoder = Decoder::default();
        let wire_length = frame.len() as u32;
        let packet = Packet { link: LinkType::ETHERNET, time: 0, wire_length, bytes: &frame };
        bencher
            .iter(|| matches!(decoder.decode(black_box(&packet)), Decoded::Tcp(segment) if segment.seq == 1));
    });
    group.finish();
}

criterion_group!(benches, rates);
criterion_main!(benches);
