//! What damaged and hostile text costs a reader, and where it gives up looking for more.

use std::cell::Cell;

use super::*;

thread_local! {
    /// Messages that a [`CountingFraming`] was begun for, and bytes of them that it was shown.
    static FRAMED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// A stand-in for HTTP in which no message is whole, and that counts.
#[derive(Debug)]
struct CountingFraming {
    shown: usize,
}

impl CountingFraming {
    fn begin(_: Kind) -> Box<dyn MessageFraming> {
        FRAMED.set((FRAMED.get().0 + 1, FRAMED.get().1));
        Box::new(CountingFraming { shown: 0 })
    }
}

impl MessageFraming for CountingFraming {
    fn is_whole(&mut self, payload: &[u8]) -> bool {
        assert!(payload.len() >= self.shown, "a message never gets shorter");
        FRAMED.set((FRAMED.get().0, FRAMED.get().1 + payload.len() - self.shown));
        self.shown = payload.len();
        false
    }
}

#[test]
fn a_message_with_many_separator_lines_is_framed_once() {
    for between in ["", "x\n", "\n", "\r\n"] {
        let payload = format!("GET\n{}end", format!("🐵🙈🙉\n{between}").repeat(3000));
        let text = format!("1 a 1 2\n{payload}\n🐵🙈🙉\n1 b 1 2\nnext\n🐵🙈🙉\n").into_bytes();
        FRAMED.take();
        let options = ReaderOptions { framing: CountingFraming::begin, most_read: 1, ..options() };
        let pieces = Pieces { bytes: &text, sizes: vec![100, 3, 1], turn: 0 };
        let (read, _) = read_all(Reader::new(pieces, options));
        let read: Vec<_> = read.iter().map(|record| String::from_utf8_lossy(&record.payload)).collect();
        assert_eq!(read, [payload.as_str(), "next"], "{between:?}");
        let (begun, shown) = FRAMED.take();
        // The next one, too, where its end is in one piece and the end of the input in another.
        assert!(begun <= 2 && shown <= text.len(), "{begun} begun, {shown} bytes of {}", text.len());
    }
}

#[test]
fn many_wrong_lengths_take_a_multiple_of_the_time_to_read_them() {
    let text = "1 a 1 2 3x\nGET\n🐵🙈🙉\n".repeat(100_000) + "1 b 1 2\nnext\n🐵🙈🙉\n";
    for sizes in [vec![text.len()], vec![100_000, 7]] {
        FRAMED.take();
        let options = ReaderOptions { framing: CountingFraming::begin, ..options() };
        let (read, intake) =
            read_all(Reader::new(Pieces { bytes: text.as_bytes(), sizes, turn: 0 }, options));
        assert_eq!((read.len(), intake.lost), (1, 100_000));
        let (_, shown) = FRAMED.take();
        assert!(shown <= (1 << 20) + 9 * text.len(), "{shown} bytes of {}", text.len());
    }
}

#[test]
fn what_goes_on_with_empty_lines_and_nuls_for_long_has_ended() {
    for filler in ["\n".repeat(MAX_HEADER), "\0".repeat(MAX_HEADER), "\n\0\r\n".repeat(MAX_HEADER)] {
        for after in ["🐵🙈🙉\nend\n🐵🙈🙉\n", "🐵🙈🙉\n1 b 1 2\nend\n🐵🙈🙉\n"] {
            let text = format!("1 a 1 2\none\n🐵🙈🙉\n{filler}{after}");
            let (whole, _) = payloads(&text);
            assert_eq!(whole[0], "one");
            for cut in (1..text.len()).step_by(61) {
                let pieces = Pieces { bytes: text.as_bytes(), sizes: vec![cut, text.len()], turn: 0 };
                let (read, _) = read_all(Reader::new(pieces, options()));
                let read: Vec<_> =
                    read.iter().map(|record| String::from_utf8_lossy(&record.payload)).collect();
                assert_eq!(read, whole, "cut at {cut}");
            }
        }
    }
}
