//! Whether a child writes without end: lines that are no records, or on and on without reading what it is given.

use std::time::{Duration, Instant};

use super::traffic::Traffic;
use crate::observe::Size;

/// Bytes a child may write without a record among them, or without reading its input. Far more than programs keep
/// in buffers.
const FLOOD: u64 = 64 << 20;

/// How far the child has come with what it was given.
#[derive(Clone, Copy, Debug, Default)]
struct ChildProgress {
    /// Bytes that it has read of its input.
    read: u64,
    /// Records that it was given and has sent back.
    returned: u64,
}

/// What the child had done when it was last seen to go on with its work.
#[derive(Debug)]
pub(super) struct FloodWatch {
    work: ChildProgress,
    written: u64,
    since: Instant,
}

impl FloodWatch {
    pub(super) fn new() -> Self {
        FloodWatch { work: ChildProgress::default(), written: 0, since: Instant::now() }
    }

    /// What the child does, if it is not to go on. `unread` tells how many bytes are in its input, and is asked only
    /// after it has written much.
    pub(super) fn fault(
        &mut self,
        traffic: &Traffic,
        unread: impl FnOnce() -> std::io::Result<u64>,
        patience: Duration,
    ) -> std::io::Result<Option<String>> {
        let garbage = traffic.garbage_in_a_row();
        if garbage > FLOOD {
            return Ok(Some(format!("wrote {} without a record among them; it was killed", Size(garbage))));
        }
        let is_hurried = traffic.is_hurried();
        let written = traffic.moved().1;
        if !is_hurried && written.saturating_sub(self.written) <= FLOOD {
            return Ok(None);
        }
        // In this order: what it reads meanwhile makes the sum smaller, never larger.
        let sent = traffic.moved().0;
        let unread = unread()?;
        let work = ChildProgress { read: sent.saturating_sub(unread), returned: traffic.balance().returned };
        let has_worked = work.read > self.work.read || work.returned > self.work.returned;
        // At the end of its input a program may still have very much to write, of its own too.
        let is_idle = unread == 0 && !traffic.is_blocked() && !traffic.is_last_call();
        if has_worked || is_idle {
            *self = FloodWatch { work, written, since: Instant::now() };
            return Ok(None);
        }
        if self.since.elapsed() < patience {
            return Ok(None);
        }
        let wrote = Size(written.saturating_sub(self.written));
        Ok(Some(if unread > 0 {
            format!("read nothing of its input for {patience:?}, while it wrote {wrote}; it was killed")
        } else {
            format!(
                "did not end, and sent back no record for {patience:?}, while it wrote {wrote}; it was killed"
            )
        }))
    }
}
