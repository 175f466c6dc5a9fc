//! A capture file of any bytes, cut into reads of any size, ends or fails alike.
#![no_main]

use std::io::Read;

use gor_tools::packet::{CaptureFile, MAX_PACKET};

/// Gives at most `most` bytes a read.
struct Cut<'a> {
    bytes: &'a [u8],
    most: usize,
}

impl Read for Cut<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let count = self.most.min(to.len());
        (&mut self.bytes).read(&mut to[..count])
    }
}

fn run(read: impl Read) -> (u64, u64, String) {
    let mut file = match CaptureFile::new(read) {
        Ok(file) => file,
        Err(error) => return (0, 0, error.to_string()),
    };
    let (mut packets, mut sum) = (0u64, 0u64);
    loop {
        match file.next() {
            Ok(Some(packet)) => {
                assert!(packet.bytes.len() <= MAX_PACKET as usize);
                assert!(packet.wire_length as usize >= packet.bytes.len());
                packets += 1;
                for &byte in packet.bytes {
                    sum = sum.wrapping_mul(31).wrapping_add(u64::from(byte));
                }
                sum = sum.wrapping_mul(31).wrapping_add(packet.time as u64);
                assert_eq!(file.position().packet, packets);
            }
            Ok(None) => return (packets, sum, String::new()),
            Err(error) => {
                assert!(file.next().is_ok_and(|next| next.is_none()));
                return (packets, sum, error.to_string());
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let whole = run(data);
    let most = 1 + usize::from(data.last().copied().unwrap_or(0) % 23);
    assert_eq!(whole, run(Cut { bytes: data, most }));
});
