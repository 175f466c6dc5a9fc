//! Any bytes as lines of JSON, cut in any way, give the same records, and these written as lines are read as the same.
#![no_main]

use gor_tools::interchange::{ImportOptions, JsonlSink, JsonlSource};
use gor_tools::record::{Block, Reader, ReaderOptions, Sink, Source};
use libfuzzer_sys::fuzz_target;
use reading::{Pieces, read_all, way_of_reading};

mod reading;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, text)) = data.split_first() else { return };
    let (options, size) = way_of_reading(choice);
    let whole = read_all(JsonlSource::new(text, options));
    assert_eq!(whole, read_all(JsonlSource::new(Pieces::new(text, size), options)));

    let mut records = Reader::new(&whole.text[..], ReaderOptions::default());
    let (mut block, mut lines) = (Block::new(), Vec::new());
    let mut sink = JsonlSink::new(&mut lines);
    while records.read_block(&mut block).expect("bytes in memory are readable") {
        sink.write_block(&block).expect("memory takes all");
    }
    sink.finish().expect("memory takes all");
    drop(sink);
    let again =
        read_all(JsonlSource::new(&lines[..], ImportOptions { max_record: 1 << 30, is_strict: true }));
    assert_eq!((again.text, again.failure), (whole.text, None));
});
