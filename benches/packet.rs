//! How fast capture files are read and written, and packets decoded, beside what libraries of the same subject need.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gor_tools::packet::{CaptureFile, CaptureWriter, Decoded, Decoder, FileFormat, LinkType, Packet};
use pcap_file::pcap::{PcapHeader, PcapWriter, RawPcapPacket};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;
use pcap_file::{DataLink, Endianness, TsResolution};

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

/// A file that forgets what it was given, in pieces as an output takes them.
#[derive(Default)]
struct Forgetting(Vec<u8>);

impl Forgetting {
    fn forget(&mut self) {
        if self.0.len() > 1 << 17 {
            black_box(&self.0);
            self.0.clear();
        }
    }
}

impl Write for Forgetting {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        self.forget();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(format: FileFormat, frame: &[u8]) {
    let (mut writer, mut file) = (CaptureWriter::new(format), Forgetting::default());
    for number in 0..PACKETS {
        let time = 1_700_000_000_000_000_000 + i64::from(number);
        let packet = Packet { link: LinkType::ETHERNET, time, wire_length: frame.len() as u32, bytes: frame };
        writer.packet(black_box(&packet), &mut file.0).expect("one link type");
        file.forget();
    }
}

fn write_pcap_by_pcap_file(frame: &[u8]) {
    let header = PcapHeader {
        ts_resolution: TsResolution::NanoSecond,
        endianness: Endianness::Little,
        snaplen: 262_144,
        ..PcapHeader::default()
    };
    let mut writer = PcapWriter::with_header(Forgetting::default(), header).expect("memory takes all");
    for number in 0..PACKETS {
        let length = frame.len() as u32;
        let packet = RawPcapPacket {
            ts_sec: 1_700_000_000,
            ts_frac: number,
            incl_len: length,
            orig_len: length,
            data: frame.into(),
        };
        writer.write_raw_packet(black_box(&packet)).expect("memory takes all");
    }
}

fn write_pcapng_by_pcap_file(frame: &[u8]) {
    let mut writer =
        PcapNgWriter::with_endianness(Forgetting::default(), Endianness::Little).expect("it takes all");
    writer
        .write_pcapng_block(InterfaceDescriptionBlock::new(DataLink::ETHERNET, 262_144))
        .expect("memory takes all");
    for number in 0..PACKETS {
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(1_700_000_000_000_000_000 + u64::from(number)),
            original_len: frame.len() as u32,
            data: black_box(frame).into(),
            options: Vec::new(),
        };
        writer.write_pcapng_block(packet).expect("memory takes all");
    }
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
    // The same headers, looked at by etherparse.
    group.bench_function("slice ethernet ipv4 tcp by etherparse", |bencher| {
        bencher.iter(|| {
            let sliced = etherparse::SlicedPacket::from_ethernet(black_box(&frame)).expect("a frame");
            let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else { return false };
            let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net else { return false };
            ip.header().source() == [10, 0, 0, 1] && tcp.sequence_number() == 1 && !tcp.payload().is_empty()
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("write a capture");
    for payload in [0, 200, 1446] {
        let frame = self::frame(payload);
        let length = frame.len();
        group.throughput(Throughput::Bytes(u64::from(PACKETS) * length as u64));
        for format in [FileFormat::Pcap, FileFormat::Pcapng] {
            group.bench_function(format!("{format:?}, frames of {length}"), |bencher| {
                bencher.iter(|| write(format, &frame));
            });
        }
        group.bench_function(format!("pcap by pcap-file, frames of {length}"), |bencher| {
            bencher.iter(|| write_pcap_by_pcap_file(&frame));
        });
        group.bench_function(format!("pcapng by pcap-file, frames of {length}"), |bencher| {
            bencher.iter(|| write_pcapng_by_pcap_file(&frame));
        });
    }
    group.finish();
}

criterion_group!(benches, rates);
criterion_main!(benches);
