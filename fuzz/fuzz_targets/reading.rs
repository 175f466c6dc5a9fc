//! What the targets of formats of other programs share: an input that comes in pieces, and all that is read from it.

use std::io::Read;

use gor_tools::interchange::{Import, ImportOptions};
use gor_tools::record::{Block, Intake, Reader, ReaderOptions, Records, Source};

/// What a byte of the input chooses: options, and the size of the pieces that the rest comes in.
pub fn way_of_reading(choice: u8) -> (ImportOptions, usize) {
    let options =
        ImportOptions { max_record: if choice % 2 == 0 { 100 } else { 1 << 30 }, is_strict: choice % 4 > 1 };
    (options, usize::from(choice / 4) + 1)
}

/// Gives at most `size` bytes a read.
pub struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    size: usize,
}

impl Pieces {
    pub fn new(bytes: &[u8], size: usize) -> Self {
        Pieces { bytes: bytes.to_vec(), at: 0, size }
    }
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let size = self.size.min(rest.len()).min(out.len());
        out[..size].copy_from_slice(&rest[..size]);
        self.at += size;
        Ok(size)
    }
}

/// All that came of an input.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The records as gor text.
    pub text: Vec<u8>,
    pub intake: Intake,
    pub failure: Option<String>,
    pub not_carried: Option<String>,
}

/// Reads to the end, and holds that the records are as many as the source says, and the same when they are read again.
pub fn read_all(mut source: impl Import) -> Outcome {
    let (mut block, mut text, mut payloads) = (Block::new(), Vec::new(), Vec::new());
    let failure = loop {
        match source.read_block(&mut block) {
            Ok(true) => {
                assert!(!block.is_empty(), "a block without records is the end");
                payloads.extend(block.iter().map(|view| view.payload.to_vec()));
                text.extend_from_slice(block.bytes());
            }
            Ok(false) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    let mut intake = source.intake();
    if failure.is_some() {
        // How far it had read ahead depends on the pieces.
        intake.bytes = 0;
    }
    assert_eq!(intake.records, payloads.len() as u64);
    let mut again = Records::new(Reader::new(&text[..], ReaderOptions::default()));
    let mut record = Default::default();
    for payload in payloads {
        assert!(again.read(&mut record).expect("bytes in memory are readable"), "a record is missing");
        assert_eq!(record.payload, payload);
    }
    assert!(!again.read(&mut record).expect("bytes in memory are readable"), "a record too many");
    assert_eq!(again.source().intake().malformed, 0);
    Outcome { text, intake, failure, not_carried: source.not_carried() }
}
