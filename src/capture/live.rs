//! Records of what is on the network now, until it is told to end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Address, Ledger, Options, Recorder, Servers};
use crate::packet::Packet;
use crate::packet::live::{self, Engine, Interfaces, Tap, Wire};
use crate::record::{Block, Intake};
use crate::{Error, Result};

/// Addresses of this machine are looked up so often.
const LOOK_UP: Duration = Duration::from_secs(1);

/// Addresses of this machine that are named.
const MAX_NAMED: usize = 8;

/// Where to record, and how the kernel helps.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The kernel's buffer.
    pub wire: live::Options,
    /// Whether an address without a host means any host, not only this one.
    pub has_any_host: bool,
}

/// What is recorded from the network.
///
/// The clock is packet time; while no packet comes, the system's clock stands
/// in for it, far enough back that no packet still under way is before it.
pub struct Live {
    wire: Wire,
    recorder: Recorder,
    watch: Watch,
    addresses: Vec<Address>,
    own: Servers,
    looked_up: Instant,
    is_stopping: Arc<AtomicBool>,
    ending: Ending,
    intake: Intake,
    /// The time of the latest packet, if there was one when it was last looked.
    latest: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    /// Packets come in.
    No,
    /// None come in since then, and those in the ring are read.
    Since(Instant),
    /// All were read.
    Drained,
    Done,
}

impl Live {
    /// Begins to record, at `options.addresses`.
    pub fn open(mut options: Options, watch: Watch, is_stopping: Arc<AtomicBool>) -> Result<Self> {
        let interfaces = Interfaces::read()?;
        for address in &mut options.addresses {
            let Some((name, _)) = address.interface() else { continue };
            let index = live::index_of(name).ok_or_else(|| unknown(name, &interfaces))?;
            address.set_interface_index(index);
        }
        let addresses = options.addresses.clone();
        let wire = Wire::open(taps(&addresses, watch.wire.engine)?, &watch.wire)?;
        let mut live = Live {
            wire,
            recorder: Recorder::new(options),
            watch,
            addresses,
            own: Servers::Any,
            looked_up: Instant::now(),
            is_stopping,
            ending: Ending::No,
            intake: Intake::default(),
            latest: None,
        };
        live.serve(interfaces);
        Ok(live)
    }

    /// The books of the capture so far.
    pub fn ledger(&mut self) -> Result<Ledger> {
        let mut ledger = self.recorder.ledger();
        ledger.packets.dropped = self.wire.dropped()?;
        Ok(ledger)
    }

    /// Whose traffic it records, in one line.
    pub fn scope(&self) -> impl fmt::Display {
        scope(&self.addresses, &self.own)
    }

    /// What is not as it was asked for, though it records.
    pub fn warnings(&self) -> &[String] {
        self.wire.warnings()
    }

    fn serve(&mut self, interfaces: Interfaces) {
        if self.watch.has_any_host {
            return;
        }
        let own = Servers::At(interfaces.addresses);
        if own != self.own {
            self.recorder.serve(own.clone());
            self.own = own;
        }
    }

    /// Addresses come and go while it runs.
    fn look_up(&mut self) -> Result<()> {
        if self.looked_up.elapsed() >= LOOK_UP {
            self.looked_up = Instant::now();
            self.serve(Interfaces::read()?);
        }
        Ok(())
    }

    /// Takes the records that packets have completed, and waits for packets if there are none: at most for
    /// [`live::Options::buffer_timeout`]. False: it has ended. The block may be empty meanwhile.
    ///
    /// An error ends it too. The block then holds what was seen just before, and the next call gives what was
    /// under way.
    pub fn poll(&mut self, block: &mut Block) -> Result<bool> {
        block.clear();
        let polled = self.take(block);
        if polled.is_err() {
            self.ending = Ending::Drained;
        }
        block.continue_after(self.intake.records, self.intake.bytes);
        self.intake.records += block.len() as u64;
        self.intake.bytes += block.bytes().len() as u64;
        polled
    }

    /// How long ago the latest packet looked at was seen by the kernel, if more may wait; else nothing.
    pub fn lag(&self) -> Duration {
        self.latest.map_or(Duration::ZERO, |latest| {
            Duration::from_nanos(now(Duration::ZERO).saturating_sub(latest) as u64)
        })
    }

    /// What was recorded so far.
    pub fn intake(&self) -> Intake {
        self.intake
    }

    fn take(&mut self, block: &mut Block) -> Result<bool> {
        // A packet is in the ring at most so long before its block is handed out.
        let delay = self.watch.wire.buffer_timeout * 2;
        if matches!(self.ending, Ending::No) && self.is_stopping.load(Ordering::Relaxed) {
            self.wire.close()?;
            self.ending = Ending::Since(Instant::now());
        }
        match self.ending {
            Ending::Done => return Ok(false),
            Ending::Drained => {
                self.recorder.finish(block);
                self.ending = Ending::Done;
                return Ok(true);
            }
            Ending::No | Ending::Since(_) => {}
        }
        self.look_up()?;
        let Live { wire, recorder, latest, .. } = self;
        let each = |interface, packet: &Packet<'_>| {
            *latest = Some(packet.time);
            recorder.packet_on(interface, packet, block);
        };
        if wire.read(each)? {
            return Ok(true);
        }
        self.latest = None;
        match self.ending {
            Ending::Since(stopped) if stopped.elapsed() >= delay => self.ending = Ending::Drained,
            _ => {
                self.recorder.pass(now(delay), block);
                if block.is_empty() {
                    self.wire.wait(self.watch.wire.buffer_timeout)?;
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

/// One for all interfaces, or one for each that is named.
fn taps(addresses: &[Address], engine: Engine) -> Result<Vec<Tap>> {
    let ports = |addresses: &[&Address]| -> Vec<u16> {
        if addresses.iter().any(|address| address.ports().is_empty()) {
            return Vec::new();
        }
        let mut ports: Vec<_> = addresses.iter().flat_map(|address| address.ports()).copied().collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    };
    let mut by_interface: BTreeMap<_, Vec<&Address>> = BTreeMap::new();
    for address in addresses {
        by_interface.entry(address.interface()).or_default().push(address);
    }
    if by_interface.contains_key(&None) {
        if engine != Engine::AfPacket && by_interface.len() > 1 {
            return Err(Error::Usage(
                "libpcap does not say where it saw a packet when it captures on all interfaces: \
                 with --engine libpcap name an interface at every address, or at none"
                    .into(),
            ));
        }
        return Ok(vec![Tap { interface: None, ports: ports(&addresses.iter().collect::<Vec<_>>()) }]);
    }
    let tap = |(interface, addresses): (Option<(&str, u32)>, Vec<&Address>)| Tap {
        interface: interface.map(|(name, index)| (name.to_owned(), index)),
        ports: ports(&addresses),
    };
    Ok(by_interface.into_iter().map(tap).collect())
}

fn unknown(name: &str, interfaces: &Interfaces) -> Error {
    let names: Vec<_> = interfaces.names.iter().map(String::as_str).collect();
    Error::Usage(format!("'{name}' is no IP address and no interface; there are {}", names.join(", ")))
}

fn scope(addresses: &[Address], own: &Servers) -> String {
    let mut scopes = Vec::new();
    let mut is_narrow = false;
    for address in addresses {
        let on = address.interface().map_or(String::new(), |(name, _)| format!(" on {name}"));
        let ports: Vec<_> = address.ports().iter().map(ToString::to_string).collect();
        let ports = match ports.len() {
            0 => "any port".to_owned(),
            1 => format!("port {}", ports.concat()),
            _ => format!("ports {}", ports.join(", ")),
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
    let hint = "; --any-host also records others, as on bridges and mirrored ports";
    format!("recording servers at {}{}", scopes.join("; "), if is_narrow { hint } else { "" })
}

#[cfg(test)]
mod tests {
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
            (&[":80"], &Servers::Any, "any host, port 80", ""),
            (&[":"], &Servers::Any, "any host, any port", ""),
            (&["10.1.1.1:80", ":8"], &Servers::Any, "10.1.1.1:80; any host, port 8", ""),
        ];
        for (texts, own, said, hint) in cases {
            let expected = format!("recording servers at {said}{hint}");
            assert_eq!(scope(&addresses(texts), own), expected, "{texts:?}");
        }
        let many = Servers::At((0..10).map(|last| [10, 0, 0, last].into()).collect());
        let said = scope(&addresses(&[":80"]), &many);
        assert!(said.contains("10.0.0.7 and 2 more, port 80"), "{said}");
    }

    #[test]
    fn there_is_a_socket_for_all_interfaces_or_one_for_each_that_is_named() {
        let tap = |interface: Option<(&str, u32)>, ports: &[u16]| Tap {
            interface: interface.map(|(name, index)| (name.to_owned(), index)),
            ports: ports.to_vec(),
        };
        let cases = [
            (&[":80", "10.0.0.1:81,80"][..], vec![tap(None, &[80, 81])]),
            (&[":80", "10.0.0.1:"], vec![tap(None, &[])]),
            (&[":80", "eth0:81"], vec![tap(None, &[80, 81])]),
            (
                &["eth1:", "eth0:81", "eth0:80"],
                vec![tap(Some(("eth0", 7)), &[80, 81]), tap(Some(("eth1", 9)), &[])],
            ),
        ];
        for (texts, expected) in cases {
            let found = taps(&addresses(texts), Engine::AfPacket).expect("any mixture will do");
            assert_eq!(found, expected, "{texts:?}");
        }
    }
}
