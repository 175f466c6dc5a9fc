//! Records of what is on the network now, until it is told to end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Address, CaptureLedger, CaptureOptions, Ports, Recorder, Servers};
use crate::packet::live::{self, Engine, Interfaces, Tap, Wire};
use crate::packet::{Packet, PacketBatch};
use crate::record::Block;
use crate::{Error, Result};

/// Addresses of this machine are looked up so often.
const LOOK_UP: Duration = Duration::from_secs(1);

/// Addresses of this machine that are named.
const MAX_NAMED: usize = 8;

/// Nanoseconds that requests are remembered at least, to notice those that are replayed and recorded again.
const LEAST_REMEMBERED: i64 = 10_000_000_000;

/// Where to record, and how the kernel helps.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The kernel's buffer.
    pub wire: live::LiveOptions,
    /// Whether an address without a host means any host, not only this one.
    pub has_any_host: bool,
    /// Names of interfaces whose packets are not looked at.
    pub ignored: Vec<String>,
    /// Whether the packets themselves are kept too.
    pub keeps_packets: bool,
}

/// What one thread records from the network: all, or a share of the connections.
///
/// The clock is packet time; while no packet comes, the system's clock stands
/// in for it, far enough back that no packet still under way is before it.
pub(super) struct Live {
    setup: Setup,
    wire: Wire,
    recorder: Recorder,
    own: Servers,
    /// Interfaces at which it is recorded, by their indices, and what each was last called.
    names: BTreeMap<u32, String>,
    /// What is to be said of them.
    renamed: Vec<String>,
    /// Indices of interfaces that take in everything.
    promiscuous: BTreeSet<u32>,
    looked_up: Instant,
    ending: LiveEnd,
    /// The time of the latest packet, if there was one when it was last looked.
    latest: Option<i64>,
    /// No packet before this time will come.
    passed: i64,
    /// Packets at the addresses, where they are kept.
    kept: PacketBatch,
}

#[derive(Clone, Copy, Debug)]
enum LiveEnd {
    /// Packets come in.
    No,
    /// None come in since then, and those in the ring are read.
    Since(Instant),
    /// All were read.
    Drained,
    Done,
}

/// What a recording of the network begins with.
#[derive(Clone)]
pub(super) struct Setup {
    options: CaptureOptions,
    watch: Watch,
    interfaces: Interfaces,
    ignored: BTreeSet<u32>,
    is_stopping: Arc<AtomicBool>,
}

impl Setup {
    /// Finds the interfaces; what is to be captured there.
    pub(super) fn new(
        mut options: CaptureOptions,
        watch: Watch,
        is_stopping: Arc<AtomicBool>,
    ) -> Result<(Self, Vec<Tap>)> {
        let interfaces = Interfaces::read()?;
        for address in &mut options.addresses {
            let Some((name, _)) = address.interface() else { continue };
            let index = live::index_of(name).ok_or_else(|| unknown(name, address.has_host(), &interfaces))?;
            address.set_interface_index(index);
        }
        let mut ignored = BTreeSet::new();
        for name in &watch.ignored {
            ignored.insert(live::index_of(name).ok_or_else(|| unknown(name, true, &interfaces))?);
            if options.addresses.iter().filter_map(Address::interface).any(|(named, _)| named == name) {
                let fault = format!("'{name}' is to be recorded at, and --ignore-interface says not to");
                return Err(Error::Usage(fault));
            }
        }
        let taps = taps(&options.addresses, &options.selection.vxlan_ports, &ignored, &watch.wire)?;
        Ok((Setup { options, watch, interfaces, ignored, is_stopping }, taps))
    }

    /// Whose traffic is recorded, in one line.
    pub(super) fn scope(&self) -> String {
        let own = if self.means_any_host() { Servers::Any } else { self.own() };
        let mut scope = scope(&self.options.addresses, &own, &self.watch);
        if self.watch.wire.engine == Engine::Vxlan {
            let tunnels = self.options.selection.vxlan_ports.clone();
            let ports: Vec<_> = Tap { tunnels, ..Tap::default() }.vxlan_ports();
            let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
            scope = format!("{scope}; in VXLAN received at UDP port {}", ports.join(", "));
        }
        scope
    }

    fn own(&self) -> Servers {
        Servers::At(self.interfaces.addresses.clone())
    }

    /// The interfaces that addresses name.
    fn named(&self) -> impl Iterator<Item = (u32, String)> {
        let named = self.options.addresses.iter().filter_map(Address::interface);
        named.map(|(name, index)| (index, name.to_owned()))
    }

    fn means_any_host(&self) -> bool {
        let wire = &self.watch.wire;
        self.watch.has_any_host || wire.is_promiscuous || wire.engine == Engine::Vxlan
    }

    /// Begins to record what was captured.
    pub(super) fn begin(self, wire: Wire) -> Result<Live> {
        let mut live = Live {
            wire,
            recorder: Recorder::new(self.options.clone()),
            own: Servers::Any,
            names: self.named().collect(),
            renamed: Vec::new(),
            promiscuous: BTreeSet::new(),
            looked_up: Instant::now(),
            ending: LiveEnd::No,
            latest: None,
            passed: i64::MIN,
            kept: PacketBatch::default(),
            setup: self,
        };
        let slow = live.setup.watch.wire.buffer_timeout.as_nanos().saturating_mul(64);
        let window = i64::try_from(slow).unwrap_or(i64::MAX).max(LEAST_REMEMBERED);
        live.recorder.notice_echoes(window);
        live.serve()?;
        Ok(live)
    }
}

impl Live {
    /// The counts of the capture so far.
    pub(super) fn ledger(&mut self) -> Result<CaptureLedger> {
        let mut ledger = self.recorder.ledger();
        ledger.packets.dropped = self.wire.dropped()?;
        Ok(ledger)
    }

    /// What is not as it was asked for, though it records.
    pub(super) fn warnings(&self) -> &[String] {
        self.wire.warnings()
    }

    /// What the user should know at once, when there is something.
    pub(super) fn warning(&mut self) -> Option<String> {
        if let Some(renamed) = self.renamed.pop() {
            return Some(renamed);
        }
        let echo = self.recorder.echo()?;
        let own = echo.client.ip();
        let is_here = self.setup.own().include(echo.server.ip());
        let instead = match (self.setup.watch.wire.is_promiscuous, self.setup.watch.has_any_host) {
            _ if is_here => "replay to another server, or ",
            (true, _) => "leave out --promisc or ",
            (false, true) => "leave out --any-host or ",
            (false, false) => "",
        };
        Some(format!(
            "this machine's own replay is being recorded: {own} sends to {} what was recorded before; \
             {instead}use --not-client {own}",
            echo.server
        ))
    }

    fn serve(&mut self) -> Result<()> {
        if self.setup.watch.wire.is_promiscuous {
            self.widen()?;
        }
        let own = self.setup.own();
        self.recorder.own(&own);
        if !self.setup.means_any_host() && own != self.own {
            self.recorder.serve(own.clone());
            self.own = own;
        }
        Ok(())
    }

    /// Has the interfaces that are named, or else all that are up, take in what is for other machines.
    fn widen(&mut self) -> Result<()> {
        let named: Option<Vec<_>> = self.setup.options.addresses.iter().map(Address::interface).collect();
        let index = |name: &str| live::index_of(name).filter(|index| !self.setup.ignored.contains(index));
        let up = || {
            self.setup.interfaces.up.iter().filter_map(|name| Some((name.as_str(), index(name)?))).collect()
        };
        let wanted: Vec<(&str, u32)> = named.unwrap_or_else(up);
        for (name, index) in wanted {
            if !self.promiscuous.contains(&index) {
                self.wire.be_promiscuous_on(index).map_err(|error| Error::from(error).at(name))?;
                self.promiscuous.insert(index);
            }
        }
        Ok(())
    }

    /// Addresses come and go while it runs.
    fn look_up(&mut self) -> Result<()> {
        if self.looked_up.elapsed() >= LOOK_UP {
            self.looked_up = Instant::now();
            for (index, name) in &mut self.names {
                match live::name_of(*index) {
                    // Of several that share a buffer none is missed by the kernel.
                    None => self.wire.fail(Error::Invalid("the interface is gone".into()).at(name.as_str())),
                    Some(now) if now != *name => {
                        // libpcap looks for the old name when the interface was down, and ends then.
                        let is_libpcap = matches!(self.setup.watch.wire.engine, Engine::Libpcap { .. });
                        let goes_on = if is_libpcap { "" } else { ", and is still recorded at" };
                        self.renamed.push(format!("{name} is called {now} now{goes_on}"));
                        *name = now;
                    }
                    Some(_) => {}
                }
            }
            // One that was taken away and made again has another index.
            self.setup
                .ignored
                .extend(self.setup.watch.ignored.iter().filter_map(|name| live::index_of(name)));
            self.setup.interfaces = Interfaces::read()?;
            self.serve()?;
        }
        Ok(())
    }

    /// As [`NetworkRecording::poll`](super::NetworkRecording::poll), but adds to the block.
    pub(super) fn poll(&mut self, block: &mut Block) -> Result<bool> {
        let polled = self.take(block);
        if polled.is_err() {
            self.ending = LiveEnd::Drained;
        }
        polled
    }

    /// How long ago the latest packet looked at was seen by the kernel, if more may wait; else nothing.
    pub(super) fn lag(&self) -> Duration {
        self.latest.map_or(Duration::ZERO, |latest| {
            Duration::from_nanos(now(Duration::ZERO).saturating_sub(latest) as u64)
        })
    }

    /// The packets at the addresses to record at that came since this was emptied, where they are to be kept.
    pub(super) fn kept(&mut self) -> &mut PacketBatch {
        &mut self.kept
    }

    /// What comes is of packets after this time: nanoseconds since the Unix epoch.
    pub(super) fn passed(&self) -> i64 {
        self.passed
    }

    fn take(&mut self, block: &mut Block) -> Result<bool> {
        // A packet is in the ring at most so long before its block is handed out.
        let delay = self.setup.watch.wire.buffer_timeout * 2;
        if matches!(self.ending, LiveEnd::No) && self.setup.is_stopping.load(Ordering::Relaxed) {
            self.wire.close()?;
            self.ending = LiveEnd::Since(Instant::now());
        }
        match self.ending {
            LiveEnd::Done => return Ok(false),
            LiveEnd::Drained => {
                self.recorder.finish(block);
                self.ending = LiveEnd::Done;
                return Ok(true);
            }
            LiveEnd::No | LiveEnd::Since(_) => {}
        }
        self.look_up()?;
        let Live { wire, recorder, latest, setup, kept, .. } = self;
        let each = |interface, packet: &Packet<'_>| {
            *latest = Some(packet.time);
            if !setup.ignored.contains(&interface)
                && recorder.packet_on(interface, packet, block)
                && setup.watch.keeps_packets
            {
                kept.push(packet);
            }
        };
        if wire.read(each)? {
            self.passed = self.passed.max(latest.unwrap_or(i64::MIN));
            return Ok(true);
        }
        self.latest = None;
        match self.ending {
            LiveEnd::Since(stopped) if stopped.elapsed() >= delay => self.ending = LiveEnd::Drained,
            _ => {
                let passed = now(delay);
                self.passed = self.passed.max(passed);
                self.recorder.pass(passed, block);
                if block.is_empty() {
                    self.wire.wait(self.setup.watch.wire.buffer_timeout)?;
                }
            }
        }
        Ok(true)
    }
}

/// Nanoseconds since the Unix epoch, so long ago.
fn now(ago: Duration) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.saturating_sub(ago).as_nanos()).unwrap_or(i64::MAX)
}

/// One for all interfaces, or for the one that is named. Several that are named share one too, since a request may come
/// in on one interface, and its response go out on another: of two buffers nobody could tell which packet was first.
/// But libpcap opens one interface or all of them, and `--bpf` is compiled for one or for all.
fn taps(
    addresses: &[Address],
    tunnels: &[u16],
    ignored: &BTreeSet<u32>,
    options: &live::LiveOptions,
) -> Result<Vec<Tap>> {
    let for_ports = |addresses: &[&Address]| Tap {
        ports: Ports::union(addresses.iter().map(|address| address.ports())),
        tunnels: tunnels.to_vec(),
        ..Tap::default()
    };
    let all: Vec<_> = addresses.iter().collect();
    let mut by_interface: BTreeMap<_, Vec<&Address>> = BTreeMap::new();
    for address in addresses {
        by_interface.entry(address.interface()).or_default().push(address);
    }
    if by_interface.contains_key(&None) {
        if matches!(options.engine, Engine::Libpcap { .. }) && (by_interface.len() > 1 || !ignored.is_empty())
        {
            return Err(Error::Usage(
                "libpcap does not say where it saw a packet when it captures on all interfaces: \
                 with --engine libpcap name an interface at every address, or at none and without \
                 --ignore-interface"
                    .into(),
            ));
        }
        return Ok(vec![Tap { ignored: ignored.iter().copied().collect(), ..for_ports(&all) }]);
    }
    if by_interface.len() > 1 && options.engine == Engine::AfPacket && options.bpf.is_none() {
        let only = by_interface.keys().flatten().map(|(_, index)| *index).collect();
        return Ok(vec![Tap { only, ..for_ports(&all) }]);
    }
    let tap = |(interface, addresses): (Option<(&str, u32)>, Vec<&Address>)| Tap {
        interface: interface.map(|(name, index)| (name.to_owned(), index)),
        ..for_ports(&addresses)
    };
    Ok(by_interface.into_iter().map(tap).collect())
}

/// What is called so is no interface; is that the only thing that it could be?
fn unknown(name: &str, must_be_interface: bool, interfaces: &Interfaces) -> Error {
    let names: Vec<_> = interfaces.names.iter().map(String::as_str).collect();
    let nothing = if must_be_interface { "no interface" } else { "neither an IP address nor an interface" };
    Error::Usage(format!("'{name}' is {nothing}; there are {}", names.join(", ")))
}

fn scope(addresses: &[Address], own: &Servers, watch: &Watch) -> String {
    let mut scopes = Vec::new();
    let mut is_narrow = false;
    for address in addresses {
        let on = address.interface().map_or(String::new(), |(name, _)| format!(" on {name}"));
        let ports = address.ports();
        let ports = match ports.to_string() {
            _ if ports.is_any() => "any port".to_owned(),
            one if one.bytes().all(|byte| byte.is_ascii_digit()) => format!("port {one}"),
            several => format!("ports {}", several.replace(',', ", ")),
        };
        scopes.push(match own {
            _ if address.has_host() => address.to_string(),
            Servers::Any => format!("any host, {ports}{on}"),
            Servers::At(own) => {
                is_narrow = true;
                let names: Vec<_> = own.iter().take(MAX_NAMED).map(ToString::to_string).collect();
                let more = match own.len() - names.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("{}{more}, {ports}{on}", names.join(", "))
            }
        });
    }
    let mut said = format!("recording servers at {}", scopes.join("; "));
    if is_narrow {
        said.push_str("; --any-host also records others, as on bridges and mirrored ports");
    }
    if watch.wire.is_promiscuous {
        said.push_str("; in promiscuous mode, packets for other machines included");
    }
    if !watch.ignored.is_empty() {
        said = format!("{said}; not on {}", watch.ignored.join(", "));
    }
    said
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        let index = |text: &str| if text.starts_with("eth1") { 9 } else { 7 };
        let parse = |text: &&str| {
            let mut address: Address = text.parse().expect("an address");
            address.set_interface_index(index(text));
            address
        };
        texts.iter().map(parse).collect()
    }

    #[test]
    fn whose_traffic_is_recorded_is_said() {
        let own = Servers::At(["10.0.0.5", "127.0.0.1", "::1"].map(|ip| ip.parse().unwrap()).into());
        let hint = "; --any-host also records others, as on bridges and mirrored ports";
        let cases = [
            (&[":80"][..], &own, "10.0.0.5, 127.0.0.1, ::1, port 80", hint),
            (&["eth0:80,81"], &own, "10.0.0.5, 127.0.0.1, ::1, ports 80, 81 on eth0", hint),
            (&["10.1.1.1:80"], &own, "10.1.1.1:80", ""),
            (&["10.0.0.0/8:80"], &own, "10.0.0.0/8:80", ""),
            (&["[fe80::1%eth0]:80"], &own, "[fe80::1%eth0]:80", ""),
            (&[":80"], &Servers::Any, "any host, port 80", ""),
            (&[":8000-8010,80"], &Servers::Any, "any host, ports 8000-8010, 80", ""),
            (&[":"], &Servers::Any, "any host, any port", ""),
            (&["10.1.1.1:80", ":8"], &Servers::Any, "10.1.1.1:80; any host, port 8", ""),
        ];
        for (texts, own, said, hint) in cases {
            let expected = format!("recording servers at {said}{hint}");
            assert_eq!(scope(&addresses(texts), own, &Watch::default()), expected, "{texts:?}");
        }
        let many = Servers::At((0..10).map(|last| [10, 0, 0, last].into()).collect());
        let said = scope(&addresses(&[":80"]), &many, &Watch::default());
        assert!(said.contains("10.0.0.7 and 2 more, port 80"), "{said}");
        let watch = Watch {
            wire: live::LiveOptions { is_promiscuous: true, ..live::LiveOptions::default() },
            ignored: vec!["eth1".into()],
            ..Watch::default()
        };
        let said = scope(&addresses(&[":80"]), &Servers::Any, &watch);
        let expected = "recording servers at any host, port 80; in promiscuous mode, packets for other machines \
                        included; not on eth1";
        assert_eq!(said, expected);
    }

    #[test]
    fn one_socket_is_for_all_interfaces_or_for_those_that_are_named() {
        let plain = |ports: &[RangeInclusive<u16>]| Tap {
            ports: ports.to_vec(),
            tunnels: vec![4788],
            ..Tap::default()
        };
        let all = |ports: &[RangeInclusive<u16>]| Tap { ignored: vec![3], ..plain(ports) };
        let cases = [
            (&[":80", "10.0.0.1:90,80"][..], all(&[80..=80, 90..=90])),
            (&[":80", "10.0.0.1:"], all(&[])),
            (&[":80", "eth0:81"], all(&[80..=81])),
            (
                &["eth0:8000-8010", "[fe80::1%eth0]:8005-8020"],
                Tap { interface: Some(("eth0".to_owned(), 7)), ..plain(&[8000..=8020]) },
            ),
            (&["eth1:80", "eth0:81", "eth0:90"], Tap { only: vec![7, 9], ..plain(&[80..=81, 90..=90]) }),
        ];
        for (texts, expected) in cases {
            let found = taps(&addresses(texts), &[4788], &[3].into(), &live::LiveOptions::default());
            assert_eq!(found.expect("any mixture will do"), [expected], "{texts:?}");
        }
    }
}
