//! An interface, or all of them, captured by libpcap.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use libc::sock_filter;

use super::super::Packet;
use super::super::link_type::LinkType;
use super::expression::{Expression, SNAPSHOT};
use super::libpcap::{Handle, HandleFault, HandleSettings, Library};
use super::{Engine, LiveOptions, Tap, TimestampSource, filter, no_right};
use crate::error::{Error, Result};

/// What libpcap calls all interfaces together.
const ALL: &str = "any";

/// Packets that are handed out in one go.
const BATCH: usize = 256;

impl TimestampSource {
    /// All of them.
    const ALL: [TimestampSource; 5] = [
        TimestampSource::Host,
        TimestampSource::HostLowprec,
        TimestampSource::HostHiprec,
        TimestampSource::Adapter,
        TimestampSource::AdapterUnsynced,
    ];

    /// Its number in libpcap.
    fn number(self) -> i32 {
        match self {
            TimestampSource::Host => 0,
            TimestampSource::HostLowprec => 1,
            TimestampSource::HostHiprec => 2,
            TimestampSource::Adapter => 3,
            TimestampSource::AdapterUnsynced => 4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            TimestampSource::Host => "host",
            TimestampSource::HostLowprec => "host_lowprec",
            TimestampSource::HostHiprec => "host_hiprec",
            TimestampSource::Adapter => "adapter",
            TimestampSource::AdapterUnsynced => "adapter_unsynced",
        }
    }
}

/// A handle of libpcap that captures.
pub(super) struct PcapHandle {
    handle: Handle,
    name: String,
    /// Index of the interface, or 0: libpcap keeps it to itself where it captures on all.
    interface: u32,
    link: LinkType,
    /// What the library counted when it was asked last.
    counted: [u32; 2],
}

impl PcapHandle {
    /// Begins to capture. With it, what libpcap has to warn of.
    pub(super) fn open(
        library: &Arc<Library>,
        tap: &Tap,
        options: &LiveOptions,
        expression: Option<&Expression>,
    ) -> Result<(Self, Option<String>)> {
        let (name, interface) =
            tap.interface.as_ref().map_or((ALL, 0), |(name, index)| (name.as_str(), *index));
        let place = |fault: HandleFault| match fault {
            HandleFault::Permission => no_right(options.engine),
            fault @ HandleFault::Other(_) => explain(fault, name),
        };
        let mut handle = Handle::create(library, name).map_err(place)?;
        let timeout = options.buffer_timeout.as_millis().clamp(1, i32::MAX as u128);
        let settings = HandleSettings {
            snapshot: SNAPSHOT,
            buffer_size: options.buffer_size,
            timeout_ms: timeout as u32,
            is_promiscuous: false,
        };
        handle.set(&settings).map_err(place)?;
        if let Engine::Libpcap { is_monitor, timestamps } = options.engine {
            if is_monitor && !handle.monitor().map_err(place)? {
                return Err(Error::Usage(format!("{name} has no monitor mode; leave out --monitor")));
            }
            if let Some(source) = timestamps {
                set_timestamps(&mut handle, source, name)?;
            }
        }
        handle.ask_for_nanoseconds();
        let warning = handle.activate().map_err(place)?.map(|warning| format!("{name}: {warning}"));
        match expression {
            Some(expression) => {
                let program = expression.compile_with(&handle, tap.interface.as_ref().map(|_| name))?;
                handle.set_filter(&program).map_err(place)?;
            }
            // Our own program finds its place by itself, which libpcap's checks would not follow.
            None => handle.attach(&filter(tap)).map_err(|error| Error::from(error).at(name))?,
        }
        let link = u16::try_from(handle.link()).map_or(LinkType::UNLISTED, LinkType);
        Ok((PcapHandle { handle, name: name.to_owned(), interface, link, counted: [0; 2] }, warning))
    }

    /// From now on no packet comes in; those that are in the buffer can still be read.
    pub(super) fn close(&self) -> io::Result<()> {
        let refuse = sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
        self.handle.attach(&[refuse])
    }

    /// Hands out packets that are there. False: there is none yet.
    pub(super) fn read(&mut self, each: &mut impl FnMut(u32, &Packet<'_>)) -> Result<bool> {
        let (link, interface) = (self.link, self.interface);
        for number in 0..BATCH {
            let captured = self.handle.next().map_err(|fault| explain(fault, &self.name))?;
            let Some(captured) = captured else { return Ok(number > 0) };
            let (time, wire_length, bytes) = (captured.time, captured.wire_length, captured.bytes);
            each(interface, &Packet { link, time, wire_length, bytes });
        }
        Ok(true)
    }

    /// Packets that there was no room for, in the buffer or in the interface, since the last call.
    pub(super) fn dropped(&mut self) -> Result<u64> {
        let counted = self.handle.dropped().map_err(|fault| explain(fault, &self.name))?;
        let news = counted.iter().zip(self.counted).map(|(now, then)| u64::from(now.wrapping_sub(then)));
        let sum = news.sum();
        self.counted = counted;
        Ok(sum)
    }
}

impl AsFd for PcapHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// A source of time that the interface has not is wrong usage, and those that it has are said.
fn set_timestamps(handle: &mut Handle, source: TimestampSource, name: &str) -> Result<()> {
    let numbers = handle.timestamp_types().map_err(|fault| explain(fault, name))?;
    let is_there = |source: &TimestampSource| {
        numbers.contains(&source.number()) || (*source == TimestampSource::Host && numbers.is_empty())
    };
    if !is_there(&source) {
        let names: Vec<_> =
            TimestampSource::ALL.into_iter().filter(is_there).map(TimestampSource::name).collect();
        return Err(Error::Usage(format!(
            "{name} has no timestamps of --timestamp-source {}; it has {}",
            source.name(),
            names.join(", ")
        )));
    }
    handle.set_timestamp_type(source.number()).map_err(|fault| explain(fault, name))
}

fn explain(fault: HandleFault, name: &str) -> Error {
    match fault {
        HandleFault::Permission => no_right(Engine::AfPacket),
        HandleFault::Other(reason) => Error::Invalid(reason).at(name),
    }
}
