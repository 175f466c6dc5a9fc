//! Any message of Kafka, as a record: nothing panics, and what is read can be written and read again.
#![no_main]

use gor_tools::endpoint::{MessageFormat, decode_message, encode_message};
use gor_tools::record::Block;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for format in [MessageFormat::Gor, MessageFormat::Json] {
        let mut block = Block::new();
        if decode_message(format, data, &mut block).is_err() {
            assert!(block.is_empty());
            continue;
        }
        let (mut value, mut again) = (Vec::new(), Block::new());
        encode_message(format, &block.get(0), &mut value).expect("it came from such a message");
        decode_message(format, &value, &mut again).expect("it is a message");
        assert_eq!(again.get(0).header.id, block.get(0).header.id);
        if format == MessageFormat::Gor {
            assert_eq!(again.bytes(), block.bytes());
        }
    }
});
