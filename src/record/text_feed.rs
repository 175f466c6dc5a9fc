//! Where the text of records comes from.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

/// Gives the reader of gor text its bytes: by copying them, as everything that can be read does, or by handing over the
/// vector that they are in.
pub trait TextFeed {
    /// Reads once, behind the part `kept` of `text`.
    ///
    /// Returns where in `text`, which may be another vector now, that part and what was read stand. Nothing else of it is
    /// kept. Where it is no longer than before, there is no more. `most` is how many bytes to read, if the feed can choose.
    fn read_more(&mut self, text: &mut Vec<u8>, kept: Range<usize>, most: usize) -> io::Result<Range<usize>>;
}

impl<R: Read> TextFeed for R {
    fn read_more(&mut self, text: &mut Vec<u8>, kept: Range<usize>, most: usize) -> io::Result<Range<usize>> {
        let kept = make_room(text, kept, most);
        loop {
            match self.read(&mut text[kept.end..]) {
                Ok(read) => return Ok(kept.start..kept.end + read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl TextFeed for Box<dyn TextFeed + Send> {
    fn read_more(&mut self, text: &mut Vec<u8>, kept: Range<usize>, most: usize) -> io::Result<Range<usize>> {
        (**self).read_more(text, kept, most)
    }
}

/// Has `text` begin with the part `kept`, with room for `more` bytes behind it. Returns where the part is then.
pub fn make_room(text: &mut Vec<u8>, kept: Range<usize>, more: usize) -> Range<usize> {
    let length = kept.len();
    if kept.start > 0 {
        // What is skipped needs no room, however long it is.
        text.copy_within(kept, 0);
    }
    let wanted = length + more;
    if text.len() < wanted {
        // A record that spans many reads must not be copied at each.
        text.resize(wanted.max(length * 2), 0);
    }
    0..length
}
