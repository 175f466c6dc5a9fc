//! Packets from the network: by `AF_PACKET` sockets, or, where that is asked for, by libpcap or as VXLAN.
//!
//! [`Wire`] has a ring for all interfaces, or one for each that is named. The
//! kernel fills the ring's blocks, lends one when it is full or its time is
//! over, and gets it back when its packets were handed out. This is the only
//! room with `unsafe` in it: `ring` maps the ring and lends a block as a
//! slice while it is ours; what is in it is read by `block`, which is safe code.
//! `libpcap` loads that library and makes its calls; `pcap` and `expression`, which use it, are safe code.

mod block;
mod compose;
mod expression;
mod fanout;
mod filter;
mod interfaces;
mod libpcap;
mod pcap;
mod ring;
mod vxlan;

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use expression::Expression;
pub use filter::filter;
pub use interfaces::{Interfaces, index_of, name_of};
pub use vxlan::VXLAN_PORT;

use super::Packet;
use crate::error::{Error, Result};
use pcap::PcapHandle;
use ring::{BLOCK, NOTHING, Promiscuity, Ring};
use vxlan::Endpoint;

/// Sizes that a ring may have, in bytes: two blocks, and what the kernel can count.
pub const BUFFER_SIZE: RangeInclusive<u64> = 2 << 20..=2 << 30;

/// One interface, and the ports that are of interest there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tap {
    /// Its name and index. None: all there are, and those that come up later.
    pub interface: Option<(String, u32)>,
    /// In order. None: any.
    pub ports: Vec<RangeInclusive<u16>>,
    /// UDP ports that are tunnels, besides those that always may be.
    pub tunnels: Vec<u16>,
    /// Indices of interfaces, of which only the packets are looked at. None: all.
    pub only: Vec<u32>,
    /// Indices of interfaces whose packets are not looked at.
    pub ignored: Vec<u32>,
}

impl Tap {
    /// The ports at which [`Engine::Vxlan`] receives.
    pub fn vxlan_ports(&self) -> Vec<u16> {
        let mut ports = self.tunnels.clone();
        ports.sort_unstable();
        ports.dedup();
        if ports.is_empty() { vec![VXLAN_PORT] } else { ports }
    }
}

/// What captures.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Engine {
    /// Packet sockets of our own.
    #[default]
    AfPacket,
    /// UDP sockets that receive VXLAN, at the tunnels' ports or else at [`VXLAN_PORT`].
    Vxlan,
    /// libpcap, which is loaded then.
    Libpcap {
        /// Whether wireless interfaces show all frames of their channel.
        is_monitor: bool,
        /// None: what the interface has by default.
        timestamps: Option<TimestampSource>,
    },
}

/// What gives packets their times (`pcap-tstamp(7)`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each is libpcap's name")]
pub enum TimestampSource {
    Host,
    HostLowprec,
    HostHiprec,
    Adapter,
    AdapterUnsynced,
}

/// The kernel's side of it.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// What captures.
    pub engine: Engine,
    /// What packets must match besides, in tcpdump's language.
    pub bpf: Option<String>,
    /// Bytes of each ring.
    pub buffer_size: u64,
    /// After this time a block is handed out though it is not full.
    pub buffer_timeout: Duration,
    /// Whether [`Wire::be_promiscuous_on`] is wanted: what it needs the right to open is opened with the rest.
    pub is_promiscuous: bool,
}

impl Default for LiveOptions {
    fn default() -> Self {
        LiveOptions {
            engine: Engine::default(),
            bpf: None,
            buffer_size: 64 << 20,
            buffer_timeout: Duration::from_millis(100),
            is_promiscuous: false,
        }
    }
}

/// Packets as they come.
pub struct Wire {
    lines: Vec<(Tap, TapEngine)>,
    /// Whose block is handed out next.
    turn: usize,
    dropped: u64,
    promiscuity: Option<Promiscuity>,
    warnings: Vec<String>,
    /// What ends it, and since when, once the packets that were seen before are read.
    fault: Option<(Instant, Error)>,
    /// A packet comes out of its buffer within this time.
    delay: Duration,
}

/// What a tap captures by.
enum TapEngine {
    Ring(Ring),
    Pcap(PcapHandle),
    Vxlan(Endpoint),
}

impl AsFd for TapEngine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            TapEngine::Ring(ring) => ring.as_fd(),
            TapEngine::Pcap(pcap) => pcap.as_fd(),
            TapEngine::Vxlan(endpoint) => endpoint.as_fd(),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taps: Vec<_> = self.lines.iter().map(|(tap, _)| tap).collect();
        f.debug_struct("Wire").field("taps", &taps).field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl Wire {
    /// Begins to capture.
    pub fn open(taps: Vec<Tap>, options: &LiveOptions) -> Result<Self> {
        let mut wire = Wire::without_lines(options);
        let expression = options.bpf.as_deref().map(Expression::new).transpose()?;
        let library = match options.engine {
            Engine::AfPacket | Engine::Vxlan => None,
            Engine::Libpcap { .. } => Some(expression::load("--engine libpcap")?),
        };
        for tap in taps {
            if options.engine == Engine::Vxlan {
                wire.listen(&tap, options)?;
                continue;
            }
            let line = if let Some(library) = &library {
                let (pcap, warning) = PcapHandle::open(library, &tap, options, expression.as_ref())?;
                wire.warnings.extend(warning);
                TapEngine::Pcap(pcap)
            } else {
                let program = program(&tap, expression.as_ref())?;
                TapEngine::Ring(open_ring(&tap, options, &program, expression.is_some())?)
            };
            wire.lines.push((tap, line));
        }
        wire.promiscuity = promiscuity(options)?;
        Ok(wire)
    }

    /// Receives VXLAN at the tunnels' ports.
    fn listen(&mut self, tap: &Tap, options: &LiveOptions) -> Result<()> {
        for port in tap.vxlan_ports() {
            let (endpoint, warning) = Endpoint::open(port, options.buffer_size)?;
            self.warnings.extend(warning);
            self.lines.push((tap.clone(), TapEngine::Vxlan(endpoint)));
        }
        Ok(())
    }

    /// Captures a share of the connections.
    pub fn of(share: TapShare, options: &LiveOptions) -> Self {
        let lines = share.rings.into_iter().map(|(tap, ring)| (tap, TapEngine::Ring(ring))).collect();
        Wire { lines, promiscuity: share.promiscuity, ..Wire::without_lines(options) }
    }

    fn without_lines(options: &LiveOptions) -> Self {
        Wire {
            lines: Vec::new(),
            turn: 0,
            dropped: 0,
            promiscuity: None,
            warnings: Vec::new(),
            fault: None,
            delay: options.buffer_timeout * 2,
        }
    }

    /// What is not as it was asked for, though it captures.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Has an interface take in packets for other machines too, for as long as this lives. It must have been
    /// [asked for](LiveOptions::is_promiscuous).
    pub fn be_promiscuous_on(&mut self, interface: u32) -> io::Result<()> {
        // Whichever socket asks for it, it is the interface's.
        let promiscuity = self.promiscuity.as_ref().ok_or(io::ErrorKind::PermissionDenied)?;
        promiscuity.add(interface)
    }

    /// Something ends it: an error of [`Wire::read`] once the packets that were seen before are handed out.
    pub fn fail(&mut self, error: Error) {
        self.fault.get_or_insert((Instant::now(), error));
    }

    /// From now on no packet comes in; those that were seen come out within
    /// [`LiveOptions::buffer_timeout`].
    pub fn close(&mut self) -> Result<()> {
        for (_, line) in &mut self.lines {
            match line {
                TapEngine::Ring(ring) => ring.close()?,
                TapEngine::Pcap(pcap) => pcap.close()?,
                TapEngine::Vxlan(endpoint) => endpoint.close()?,
            }
        }
        Ok(())
    }

    /// Hands out the packets of one block, each with the index of its interface, or 0 if that is not known. False:
    /// there is none yet.
    ///
    /// What goes wrong with an interface is an error once all packets that were seen before are handed out.
    pub fn read(&mut self, mut each: impl FnMut(u32, &Packet<'_>)) -> Result<bool> {
        for _ in 0..self.lines.len() {
            self.turn = (self.turn + 1) % self.lines.len();
            let Some((_, line)) = self.lines.get_mut(self.turn) else { break };
            let has_read = match line {
                TapEngine::Ring(ring) => match ring.read(|block| block::packets(block, &mut each)) {
                    Some(None) => {
                        return Err(Error::Invalid("the kernel's packet ring makes no sense".into()));
                    }
                    packets => packets.is_some(),
                },
                TapEngine::Pcap(pcap) => pcap.read(&mut each).unwrap_or_else(|error| {
                    self.fault.get_or_insert((Instant::now(), error));
                    false
                }),
                TapEngine::Vxlan(endpoint) => endpoint.read(&mut each)?,
            };
            if has_read {
                return Ok(true);
            }
        }
        match self.fault.take_if(|(since, _)| since.elapsed() >= self.delay) {
            Some((_, error)) => Err(error),
            None => Ok(false),
        }
    }

    /// Waits for a block, at most for this time; a signal ends it too.
    pub fn wait(&mut self, timeout: Duration) -> Result<()> {
        let mut sockets: Vec<_> =
            self.lines.iter().map(|(_, line)| PollFd::new(line, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        match poll(&mut sockets, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        for (socket, (tap, line)) in sockets.iter().zip(&self.lines) {
            // libpcap finds it when it is read next.
            if let TapEngine::Ring(ring) = line
                && socket.revents().contains(PollFlags::ERR)
                && let Err(error) = check(tap, ring)
            {
                self.fault.get_or_insert((Instant::now(), error));
            }
        }
        Ok(())
    }

    /// Packets that the kernel saw and had no room for.
    pub fn dropped(&mut self) -> Result<u64> {
        for (_, line) in &mut self.lines {
            self.dropped += match line {
                TapEngine::Ring(ring) => ring.dropped()?,
                TapEngine::Pcap(pcap) => pcap.dropped()?,
                TapEngine::Vxlan(endpoint) => endpoint.dropped()?,
            };
        }
        Ok(self.dropped)
    }
}

/// The packets of some connections, all of them whole: buffers that the kernel fills.
pub struct TapShare {
    rings: Vec<(Tap, Ring)>,
    promiscuity: Option<Promiscuity>,
}

impl TapShare {
    /// Begins to capture with [`Engine::AfPacket`], in several shares. Each has buffers of its own.
    pub fn open(taps: &[Tap], options: &LiveOptions, number: usize) -> Result<Vec<Self>> {
        let expression = options.bpf.as_deref().map(Expression::new).transpose()?;
        let empty = || Ok(TapShare { rings: Vec::new(), promiscuity: promiscuity(options)? });
        let mut shares: Vec<_> = (0..number).map(|_| empty()).collect::<Result<_>>()?;
        for tap in taps {
            let program = program(tap, expression.as_ref())?;
            let mut group = None;
            for share in &mut shares {
                let ring = open_ring(tap, options, &NOTHING, false)?;
                group = Some(ring.share(group).map_err(|error| explain(error, tap, options))?);
                share.rings.push((tap.clone(), ring));
            }
            // No packet goes to a ring before its group is complete, and with it the choice of the ring.
            for (tap, ring) in shares.iter().filter_map(|share| share.rings.last()) {
                let admitted = ring.admit(&program);
                admitted.map_err(|error| explain_filter(error, tap, options, expression.is_some()))?;
            }
        }
        Ok(shares)
    }
}

/// What has interfaces take in packets for other machines too, if that is wanted.
fn promiscuity(options: &LiveOptions) -> Result<Option<Promiscuity>> {
    let open = || match Promiscuity::new() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
            Err(no_right(options.engine))
        }
        opened => Ok(opened?),
    };
    options.is_promiscuous.then(open).transpose()
}

/// What a tap's packets must pass in the kernel.
fn program(tap: &Tap, expression: Option<&Expression>) -> Result<Vec<libc::sock_filter>> {
    let name = tap.interface.as_ref().map(|(name, _)| name.as_str());
    let ours = filter(tap);
    expression.map_or(Ok(ours.clone()), |expression| expression.before(name, &ours))
}

fn open_ring(
    tap: &Tap,
    options: &LiveOptions,
    program: &[libc::sock_filter],
    has_expression: bool,
) -> Result<Ring> {
    let blocks = (options.buffer_size / BLOCK as u64).max(2) as usize;
    let index = tap.interface.as_ref().map_or(0, |(_, index)| *index);
    let ring = Ring::open(index, program, blocks, options.buffer_timeout);
    ring.map_err(|error| explain_filter(error, tap, options, has_expression))
}

/// As [`explain`], where the filter may be what is wrong.
fn explain_filter(error: io::Error, tap: &Tap, options: &LiveOptions, has_expression: bool) -> Error {
    match error.raw_os_error() {
        Some(libc::EINVAL) if has_expression => Error::Usage(
            "the kernel does not take the program of --bpf: it is too long, or goes in circles (protochain)"
                .into(),
        ),
        _ => explain(error, tap, options),
    }
}

/// An interface that is down comes up again, one that is gone does not.
fn check(tap: &Tap, ring: &Ring) -> Result<()> {
    let Some(fault) = ring.fault()? else { return Ok(()) };
    let Some((name, index)) = &tap.interface else { return Err(fault.into()) };
    if fault.raw_os_error() == Some(libc::ENETDOWN) {
        if name_of(*index).is_some() {
            return Ok(());
        }
        return Err(Error::Invalid("the interface is gone".into()).at(name.as_str()));
    }
    Err(Error::from(fault).at(name.as_str()))
}

/// Says what to do about it.
fn explain(error: io::Error, tap: &Tap, options: &LiveOptions) -> Error {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => no_right(options.engine),
        Some(libc::ENOMEM) => Error::Invalid(format!(
            "the kernel has no memory for a buffer of {:.1}MB; a smaller --buffer-size needs less",
            options.buffer_size as f64 / 1e6
        )),
        _ => {
            let place = tap.interface.as_ref().map_or("the network", |(name, _)| name.as_str());
            Error::from(error).at(place)
        }
    }
}

/// The process may not capture.
fn no_right(engine: Engine) -> Error {
    let capabilities = match engine {
        Engine::AfPacket | Engine::Vxlan | Engine::Libpcap { is_monitor: false, timestamps: None } => {
            "cap_net_raw"
        }
        // These change the interface.
        Engine::Libpcap { .. } => "cap_net_raw,cap_net_admin",
    };

    let program = std::env::current_exe().map_or("gor-record".into(), |path| path.display().to_string());
    Error::Invalid(format!(
        "recording from the network needs root or CAP_NET_RAW: use sudo, \
         or once 'sudo setcap {capabilities}+ep {program}'"
    ))
}
