//! The bytes that a sender sends, within limits that keep it from holding a place that others need.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::frames::FrameTracker;
use super::stream::NetworkStream;
use crate::endpoint::bytes::{DRAIN, QUIET};
use crate::endpoint::format::resembles;
use crate::endpoint::reading::ReadOptions;

/// Longest time for the first byte of a sender's TLS handshake or record to come whole, and for each [`PROGRESS`] of a
/// record: a sender that is slower is cut off, as it holds a place that others need.
const SLOWEST: Duration = Duration::from_mins(1);
const PROGRESS: u64 = 64 << 10;

/// Bytes that are thrown away of a sender that was cut off, so that it hears why.
const MAX_REST: usize = 64 << 20;

/// What the bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WireFormat {
    /// Records, one behind the other.
    Text,
    /// A WebSocket.
    WebSocket,
}

/// The bytes of a sender, as long as they come.
pub(super) struct SenderBytes {
    stream: NetworkStream,
    wire: WireFormat,
    /// Where in the frames of a WebSocket it is, after the handshake.
    frames: Option<FrameTracker>,
    pub(super) how: ReadOptions,
    /// When the record began whose rest is waited for, and how much came of it.
    begun: Option<Instant>,
    moved: u64,
    /// Whether its first bytes look like what is expected.
    is_known: bool,
    /// When reading was to end, and when bytes came last since.
    stopped: Option<(Instant, Instant)>,
    /// Whether reading waits for bytes. If not, or if reading is to end, a WebSocket's would block.
    pub(super) waits: bool,
    /// Until when the end of a WebSocket is waited for.
    farewell: Option<Instant>,
}

impl SenderBytes {
    pub(super) fn new(stream: NetworkStream, wire: WireFormat, how: &ReadOptions) -> Self {
        SenderBytes {
            stream,
            wire,
            frames: None,
            how: how.clone(),
            begun: Some(Instant::now()),
            moved: 0,
            is_known: false,
            stopped: None,
            waits: true,
            farewell: None,
        }
    }

    /// Records were taken; what is there of the next one waits for its rest.
    pub(super) fn restart(&mut self, waits: bool) {
        if self.is_known {
            self.begun = waits.then(Instant::now);
            self.moved = 0;
        }
    }

    /// The handshake of a WebSocket is over. These bytes came behind it.
    pub(super) fn begin_messages(&mut self, rest: &[u8]) {
        self.is_known = true;
        self.frames.get_or_insert_default().follow(rest);
        self.restart(false);
    }

    /// Whether a message or a frame has come in part.
    pub(super) fn is_inside_message(&self) -> bool {
        self.frames.as_ref().is_some_and(FrameTracker::is_inside)
    }

    /// Waits so long for the end of a WebSocket, and no longer.
    pub(super) fn wait_for_end(&mut self, patience: Duration) {
        self.farewell = Some(Instant::now() + patience);
    }

    /// Whether the end of a WebSocket is waited for.
    pub(super) fn is_ending(&self) -> bool {
        self.farewell.is_some()
    }

    /// Has the other side hear the last word before the connection is gone: with bytes unread, it would be reset.
    pub(super) fn close_after_drain(&mut self) {
        let socket = self.stream.socket();
        if socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let (until, mut rest, mut bytes) = (Instant::now() + DRAIN, 0, [0; 8192]);
        while rest < MAX_REST && Instant::now() < until {
            match self.stream.socket().read(&mut bytes) {
                Ok(0) => return,
                Ok(read) => rest += read,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return,
            }
        }
    }

    /// Looks whether the sender is too slow.
    fn check_pace(&self) -> io::Result<()> {
        let Some(begun) = self.begun else { return Ok(()) };
        if !is_too_slow(begun.elapsed(), self.moved) {
            return Ok(());
        }
        Err(io::Error::other(format!("cut off: {} bytes of a record in {:.0?}", self.moved, begun.elapsed())))
    }

    /// Whether reading ends here, as it is to end and nothing more comes, or more and more.
    fn is_over(&mut self) -> bool {
        if !self.how.is_over() {
            return false;
        }
        let now = Instant::now();
        let (since, latest) = *self.stopped.get_or_insert((now, now));
        if now - since >= DRAIN {
            self.how.cut();
            return true;
        }
        let is_quiet = now - latest >= QUIET;
        if is_quiet {
            self.stream.set_breaks(false);
        }
        is_quiet
    }

    /// Looks at the first bytes of records. Anything may connect: a browser, a scanner.
    fn recognise(&mut self, first: &[u8]) -> io::Result<()> {
        if self.wire == WireFormat::Text && !self.is_known && !first.is_empty() {
            if !matches!(first[0], b'1' | b'2' | b'3') || first.get(1).is_some_and(|byte| *byte != b' ') {
                let text = format!("cut off: it sends no records, but {}", resembles(first));
                return Err(io::Error::other(text));
            }
            self.is_known = true;
            // From here on an end of this side is a loss, unless all was taken.
            self.stream.set_breaks(true);
        }
        Ok(())
    }
}

/// Whether no more than this of a record in this time is too little.
fn is_too_slow(elapsed: Duration, moved: u64) -> bool {
    elapsed.as_secs() >= SLOWEST.as_secs().saturating_mul(1 + moved / PROGRESS)
}

impl Read for SenderBytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let is_over = match self.farewell {
                Some(until) => Instant::now() >= until,
                None => self.is_over(),
            };
            if is_over && self.wire == WireFormat::Text {
                return Ok(0);
            }
            if is_over || !self.waits && !self.stream.has_bytes() {
                return Err(ErrorKind::WouldBlock.into());
            }
            match self.stream.read(out) {
                Ok(0) => {
                    self.stream.set_breaks(false);
                    return Ok(0);
                }
                Ok(read) => {
                    if let Some((_, latest)) = &mut self.stopped {
                        *latest = Instant::now();
                    }
                    self.recognise(&out[..read])?;
                    if let Some(frames) = &mut self.frames {
                        frames.follow(&out[..read]);
                    }
                    if read > 0 {
                        self.begun.get_or_insert_with(Instant::now);
                    }
                    self.moved += read as u64;
                    self.how.meter.add_bytes(read as u64);
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.check_pace()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // One that ends TCP without a word in TLS: what was left out is told by the record that it cuts.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.stream.set_breaks(false);
                    return Ok(0);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for SenderBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_may_take_a_minute_for_each_64_kib_of_a_record() {
        for (seconds, moved, expected) in [
            (59, 0, false),
            (60, 0, true),
            (60, PROGRESS - 1, true),
            (60, PROGRESS, false),
            (119, PROGRESS, false),
            (120, PROGRESS, true),
            (u64::MAX, u64::MAX, true),
        ] {
            assert_eq!(is_too_slow(Duration::from_secs(seconds), moved), expected, "{seconds} s, {moved}");
        }
    }
}
