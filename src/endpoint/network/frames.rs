//! Where in the frames of a WebSocket its bytes have come to: the library does not tell what it has of a message.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

/// Follows the bytes of a WebSocket.
#[derive(Debug, Default)]
pub(super) struct FrameTracker {
    /// The header that has begun.
    header: Vec<u8>,
    /// Bytes to the end of the frame.
    left: u64,
    /// Whether more frames of a message are to come.
    has_more: bool,
}

impl FrameTracker {
    /// Goes on by these bytes.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(bytes.len() as u64);
                self.left -= passed;
                bytes = &bytes[passed as usize..];
                continue;
            }
            self.header.push(bytes[0]);
            bytes = &bytes[1..];
            match FrameHeader::parse(&mut Cursor::new(&self.header)) {
                Ok(None) => {}
                Ok(Some((header, length))) => {
                    self.header.clear();
                    self.left = length;
                    if let OpCode::Data(_) = header.opcode {
                        self.has_more = !header.is_final;
                    }
                }
                // Whoever reads the frames finds that as well.
                Err(_) => self.header.clear(),
            }
        }
    }

    /// Whether there is a part of a message or of a frame, and not all of it.
    pub(super) fn is_inside(&self) -> bool {
        self.left > 0 || self.has_more || !self.header.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tungstenite::protocol::frame::Frame;
    use tungstenite::protocol::frame::coding::{Control, Data};

    use super::*;

    proptest! {
        #[test]
        fn it_is_inside_until_the_last_byte_of_a_message(lengths in prop::collection::vec(0_usize..70_000, 1..4), cut in 1_usize..3000) {
            let mut bytes = Vec::new();
            for (number, length) in lengths.iter().enumerate() {
                let data = if number == 0 { Data::Binary } else { Data::Continue };
                let frame = Frame::message(vec![b'x'; *length], OpCode::Data(data), number + 1 == lengths.len());
                frame.format(&mut bytes).expect("a vector");
                if number + 1 < lengths.len() {
                    let mut header = FrameHeader { opcode: OpCode::Control(Control::Ping), ..FrameHeader::default() };
                    header.mask = Some([1, 2, 3, 4]);
                    Frame::from_payload(header, vec![b'p'; 5].into()).format(&mut bytes).expect("a vector");
                }
            }
            let mut tracker = FrameTracker::default();
            prop_assert!(!tracker.is_inside());
            let mut passed = 0;
            for part in bytes.chunks(cut) {
                tracker.follow(part);
                passed += part.len();
                prop_assert_eq!(tracker.is_inside(), passed < bytes.len());
            }
        }
    }
}
