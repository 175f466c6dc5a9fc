//! Any bytes as a HAR file, cut in any way, give the same records and the same failure.
#![no_main]

use gor_tools::interchange::{HarSource, ImportOptions};
use libfuzzer_sys::fuzz_target;
use reading::{Pieces, read_all};

mod reading;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, text)) = data.split_first() else { return };
    let options = ImportOptions {
        max_record: if choice % 2 == 0 { 100 } else { 1 << 30 },
        is_strict: choice % 4 > 1,
    };
    let read = |size| {
        let source = HarSource::new(Pieces::new(text, size), options);
        read_all(source.expect("a thread can be started"))
    };
    assert_eq!(read(text.len().max(1)), read(usize::from(choice / 4) + 1));
});
