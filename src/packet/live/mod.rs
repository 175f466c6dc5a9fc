//! Packets from the network: `AF_PACKET` sockets, and nothing of a library.
//!
//! [`Wire`] has a ring for all interfaces, or one for each that is named. The
//! kernel fills the ring's blocks, lends one when it is full or its time is
//! over, and gets it back when its packets were handed out. This is the only
//! room with `unsafe` in it: `ring` maps the ring and lends a block as a
//! slice while it is ours; what is in it is read by `block`, which is safe code.

mod block;
mod filter;
mod interfaces;
mod ring;

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use filter::filter;
pub use interfaces::{Interfaces, index_of};

use super::Packet;
use crate::error::{Error, Result};
use ring::{BLOCK, Ring};

/// Sizes that a ring may have, in bytes: two blocks, and what the kernel can count.
pub const BUFFER_SIZE: RangeInclusive<u64> = 2 << 20..=2 << 30;

/// One interface, and the ports that are of interest there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tap {
    /// Its name and index. None: all there are, and those that come up later.
    pub interface: Option<(String, u32)>,
    /// None: any.
    pub ports: Vec<u16>,
}

/// The kernel's side of it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of each ring.
    pub buffer_size: u64,
    /// After this time a block is handed out though it is not full.
    pub buffer_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { buffer_size: 64 << 20, buffer_timeout: Duration::from_millis(100) }
    }
}

/// Packets as they come.
pub struct Wire {
    lines: Vec<(Tap, Ring)>,
    /// Whose block is handed out next.
    turn: usize,
    dropped: u64,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taps: Vec<_> = self.lines.iter().map(|(tap, _)| tap).collect();
        f.debug_struct("Wire").field("taps", &taps).field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl Wire {
    /// Begins to capture.
    pub fn open(taps: Vec<Tap>, options: Options) -> Result<Self> {
        let blocks = (options.buffer_size / BLOCK as u64).max(2) as usize;
        let open = |tap: Tap| {
            let interface = tap.interface.as_ref().map_or(0, |(_, index)| *index);
            match Ring::open(interface, &filter(&tap.ports), blocks, options.buffer_timeout) {
                Ok(ring) => Ok((tap, ring)),
                Err(error) => Err(explain(error, &tap, options)),
            }
        };
        let lines = taps.into_iter().map(open).collect::<Result<_>>()?;
        Ok(Wire { lines, turn: 0, dropped: 0 })
    }

    /// From now on no packet comes in; those that were seen come out within
    /// [`Options::buffer_timeout`].
    pub fn close(&mut self) -> Result<()> {
        for (_, ring) in &self.lines {
            ring.close()?;
        }
        Ok(())
    }

    /// Hands out the packets of one block, each with the index of its interface. False: there is none yet.
    pub fn read(&mut self, mut each: impl FnMut(u32, &Packet<'_>)) -> Result<bool> {
        for _ in 0..self.lines.len() {
            self.turn = (self.turn + 1) % self.lines.len();
            let Some((_, ring)) = self.lines.get_mut(self.turn) else { break };
            match ring.read(|block| block::packets(block, &mut each)) {
                Some(Some(())) => return Ok(true),
                Some(None) => return Err(Error::Invalid("the kernel's packet ring makes no sense".into())),
                None => {}
            }
        }
        Ok(false)
    }

    /// Waits for a block, at most for this time; a signal ends it too.
    pub fn wait(&self, timeout: Duration) -> Result<()> {
        let mut sockets: Vec<_> =
            self.lines.iter().map(|(_, ring)| PollFd::new(ring, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        match poll(&mut sockets, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        for (socket, (tap, ring)) in sockets.iter().zip(&self.lines) {
            if socket.revents().contains(PollFlags::ERR) {
                check(tap, ring)?;
            }
        }
        Ok(())
    }

    /// Packets that the kernel saw and had no room for.
    pub fn dropped(&mut self) -> Result<u64> {
        for (_, ring) in &self.lines {
            self.dropped += ring.dropped()?;
        }
        Ok(self.dropped)
    }
}

/// An interface that is down comes up again, one that is gone does not.
fn check(tap: &Tap, ring: &Ring) -> Result<()> {
    let Some(fault) = ring.fault()? else { return Ok(()) };
    let Some((name, index)) = &tap.interface else { return Err(fault.into()) };
    if fault.raw_os_error() == Some(libc::ENETDOWN) {
        if index_of(name) == Some(*index) {
            return Ok(());
        }
        return Err(Error::Invalid("the interface is gone".into()).at(name.as_str()));
    }
    Err(Error::from(fault).at(name.as_str()))
}

/// Says what to do about it.
fn explain(error: io::Error, tap: &Tap, options: Options) -> Error {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            let program =
                std::env::current_exe().map_or("gor-record".into(), |path| path.display().to_string());
            Error::Invalid(format!(
                "recording from the network needs root or CAP_NET_RAW: use sudo, \
                 or once 'sudo setcap cap_net_raw,cap_net_admin+ep {program}'"
            ))
        }
        Some(libc::ENOMEM) => Error::Invalid(format!(
            "the kernel has no memory for a buffer of {} MiB; a smaller --buffer-size needs less",
            options.buffer_size >> 20
        )),
        _ => {
            let place = tap.interface.as_ref().map_or("the network", |(name, _)| name.as_str());
            Error::from(error).at(place)
        }
    }
}
