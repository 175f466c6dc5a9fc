//! Where the text of records comes from.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

/// Gives the reader of gor text its bytes: by copying them, as everything that can be read does, or by handing over the
/// vector that they are in ([`hand_over`]).
pub trait TextFeed {
    /// Reads once, behind the first `kept` bytes of `text`.
    ///
    /// Returns where in `text`, which may be another vector now, these and what was read stand. Nothing else of it is kept.
    /// Where they are no longer than before, there is no more. After an error, the first `kept` bytes are as they were.
    /// `most` is how many bytes to read, if the feed can choose.
    fn read_more(&mut self, text: &mut Vec<u8>, kept: usize, most: usize) -> io::Result<Range<usize>>;
}

impl<R: Read> TextFeed for R {
    fn read_more(&mut self, text: &mut Vec<u8>, kept: usize, most: usize) -> io::Result<Range<usize>> {
        make_room(text, kept, most);
        loop {
            match self.read(&mut text[kept..]) {
                Ok(read) => return Ok(0..kept + read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl TextFeed for Box<dyn TextFeed + Send> {
    fn read_more(&mut self, text: &mut Vec<u8>, kept: usize, most: usize) -> io::Result<Range<usize>> {
        (**self).read_more(text, kept, most)
    }
}

/// Puts a piece behind the first `kept` bytes of `text`. The bytes of the piece stand behind so much room: where it is
/// enough for what is kept, the piece becomes the text, and is not copied.
///
/// Returns where in `text` they all stand, and the vector that is no longer needed.
pub fn hand_over(
    text: &mut Vec<u8>,
    kept: usize,
    mut piece: Vec<u8>,
    room: usize,
) -> (Range<usize>, Vec<u8>) {
    if let Some(start) = room.checked_sub(kept) {
        piece[start..room].copy_from_slice(&text[..kept]);
        let used = std::mem::replace(text, piece);
        return (start..text.len(), used);
    }
    let read = &piece[room..];
    make_room(text, kept, read.len());
    text[kept..kept + read.len()].copy_from_slice(read);
    (0..kept + read.len(), piece)
}

/// Makes room for `more` bytes behind the first `kept` of `text`.
fn make_room(text: &mut Vec<u8>, kept: usize, more: usize) {
    let wanted = kept + more;
    if text.len() < wanted {
        // A record that spans many reads must not be copied at each.
        text.resize(wanted.max(kept * 2), 0);
    }
}
