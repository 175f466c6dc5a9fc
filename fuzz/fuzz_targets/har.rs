//! Any bytes as a HAR file, cut in any way, give the same records and the same failure.
#![no_main]

use gor_tools::interchange::HarSource;
use libfuzzer_sys::fuzz_target;
use reading::{Pieces, read_all, way_of_reading};

mod reading;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, text)) = data.split_first() else { return };
    let (options, size) = way_of_reading(choice);
    let read = |size| {
        let source = HarSource::new(Pieces::new(text, size), options);
        read_all(source.expect("a thread can be started"))
    };
    assert_eq!(read(text.len().max(1)), read(size));
});
