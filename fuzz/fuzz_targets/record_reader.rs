//! Any bytes, cut in any way, copied or handed over, read as the same records, and what is read can
//! be written and read again.
#![no_main]

use std::io::Read;
use std::ops::Range;

use gor_tools::record::{
    Block, Intake, MessageFraming, Reader, ReaderOptions, Record, Records, SEPARATOR, TextFeed, hand_over,
};
use libfuzzer_sys::fuzz_target;

struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let size = self.size.min(self.bytes.len()).min(out.len());
        out[..size].copy_from_slice(&self.bytes[..size]);
        self.bytes = &self.bytes[size..];
        Ok(size)
    }
}

/// Hands over vectors with room for what is kept at their front, or with too little of it.
struct HandedOver<'a> {
    pieces: Pieces<'a>,
    room: usize,
}

impl TextFeed for HandedOver<'_> {
    fn read_more(&mut self, text: &mut Vec<u8>, kept: usize, _: usize) -> std::io::Result<Range<usize>> {
        let mut piece = vec![b'x'; self.room + self.pieces.size];
        let read = self.pieces.read(&mut piece[self.room..])?;
        piece.truncate(self.room + read);
        Ok(hand_over(text, kept, piece, self.room).0)
    }
}

/// A stand-in for HTTP.
#[derive(Debug)]
struct EndsInMark;

impl MessageFraming for EndsInMark {
    fn is_whole(&mut self, payload: &[u8]) -> bool {
        payload.ends_with(b"!")
    }
}

fn read_all(input: impl TextFeed, options: ReaderOptions) -> (Vec<Record>, Intake) {
    let mut source = Records::new(Reader::new(input, options));
    let (mut records, mut record) = (Vec::new(), Record::default());
    while source.read(&mut record).expect("bytes in memory are readable") {
        records.push(record.clone());
    }
    let intake = gor_tools::record::Source::intake(source.source());
    (records, intake)
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, text)) = data.split_first() else { return };
    let options = ReaderOptions {
        max_record: if size % 2 == 0 { 100 } else { 1 << 30 },
        framing: |_| Box::new(EndsInMark),
        ..ReaderOptions::default()
    };
    let (records, intake) = read_all(text, options);
    let size = usize::from(size / 2) + 1;
    assert_eq!((records.clone(), intake), read_all(Pieces { bytes: text, size }, options));
    let handed_over = HandedOver { pieces: Pieces { bytes: text, size }, room: text.len() % 100 };
    assert_eq!((records.clone(), intake), read_all(handed_over, options));

    let mut block = Block::new();
    for record in &records {
        block.push(&record.header(), &record.payload);
    }
    let (again, _) = read_all(block.bytes(), ReaderOptions { max_record: 1 << 30, ..options });
    // With their lengths given, records that are cut anywhere yield no other.
    let mut lengths = Vec::new();
    for record in &records {
        let (kind, time, length) = (char::from(record.kind.digit()), record.timestamp, record.payload.len());
        lengths.extend_from_slice(format!("{kind} a {time} 0 {length}\n").as_bytes());
        lengths.extend_from_slice(&record.payload);
        lengths.extend_from_slice(SEPARATOR);
    }
    let unlimited = ReaderOptions { max_record: 1 << 30, ..options };
    let (cut, _) = read_all(&lengths[..lengths.len() * size / 129], unlimited);
    assert!(cut.len() <= records.len());
    assert!(cut.iter().zip(&records).all(|(cut, record)| cut.payload == record.payload));

    let payloads = |records: &[Record]| -> Vec<Vec<u8>> {
        records.iter().map(|record| record.payload.clone()).collect()
    };
    assert_eq!(payloads(&records), payloads(&again));
});
