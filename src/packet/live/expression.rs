//! Expressions of tcpdump's language (`pcap-filter(7)`), compiled by libpcap.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use libc::sock_filter;

use super::super::Packet;
use super::super::link_type::LinkType;
use super::compose;
use super::libpcap::{Compiled, Handle, HandleFault, HandleSettings, Library};
use super::{Engine, no_right};
use crate::error::{Error, Result};

/// The longest packet that libpcap hands out.
pub(super) const SNAPSHOT: u32 = 262_144;

/// `DLT_RAW`, which differs from its number in files.
const RAW: i32 = 12;

/// Has an IP interface of its own in every network namespace, with an Ethernet header.
const LOOPBACK: &str = "lo";

/// An expression that compiles.
pub struct Expression {
    text: String,
    library: Arc<Library>,
    /// One for each link type that was met.
    programs: BTreeMap<LinkType, Compiled>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expression").field("text", &self.text).finish_non_exhaustive()
    }
}

impl Expression {
    /// Loads libpcap. An expression that compiles for no link type is an error of usage.
    pub fn new(text: &str) -> Result<Self> {
        let expression =
            Expression { text: text.to_owned(), library: load("--bpf")?, programs: BTreeMap::new() };
        if let Err(reason) = expression.compile(LinkType::ETHERNET)
            && LinkType::KNOWN.iter().all(|link| expression.compile(*link).is_err())
        {
            return Err(expression.wrong(&reason));
        }
        Ok(expression)
    }

    /// Whether it selects a packet. One of a link type that is not looked into is left to the decoder to count.
    pub fn matches(&mut self, packet: &Packet<'_>) -> Result<bool> {
        if !LinkType::KNOWN.contains(&packet.link) {
            return Ok(true);
        }
        if !self.programs.contains_key(&packet.link) {
            let program = self.compile(packet.link).map_err(|reason| {
                Error::Invalid(format!("--bpf cannot filter packets of link type {}: {reason}", packet.link))
            })?;
            self.programs.insert(packet.link, program);
        }
        let program = self.programs.get(&packet.link);
        Ok(program.is_some_and(|program| self.library.matches(program, packet.wire_length, packet.bytes)))
    }

    fn compile(&self, link: LinkType) -> Result<Compiled, String> {
        let number = if link == LinkType::RAW { RAW } else { link.0.into() };
        let compiled =
            Handle::dead(&self.library, number, SNAPSHOT).and_then(|handle| handle.compile(&self.text));
        compiled.map_err(|fault| match fault {
            HandleFault::Other(reason) => reason,
            HandleFault::Permission => "permission denied".into(),
        })
    }

    /// Compiles it for a handle, of one interface or of all. That may take less than Ethernet does.
    pub(super) fn compile_with(&self, handle: &Handle, interface: Option<&str>) -> Result<Compiled> {
        handle.compile(&self.text).map_err(|fault| match fault {
            HandleFault::Other(reason) if interface.is_none() => self.not_for_all(&reason),
            HandleFault::Other(reason) => self.wrong(&reason),
            HandleFault::Permission => no_right(Engine::AfPacket),
        })
    }

    /// A program for an `AF_PACKET` socket, of one interface or of all: what the expression selects,
    /// `ours` decides on.
    pub(super) fn before(&self, interface: Option<&str>, ours: &[sock_filter]) -> Result<Vec<sock_filter>> {
        let name = interface.unwrap_or(LOOPBACK);
        let (compiled, link) = self.compile_live(name).map_err(|error| match error {
            Error::At { error, .. } if interface.is_none() => Error::Invalid(format!(
                "--bpf for all interfaces is compiled at {name} ({error}): name them, as in eth0:80"
            )),
            error => error,
        })?;
        let program = if interface.is_some() {
            if [LinkType::LINUX_SLL, LinkType::LINUX_SLL2].iter().any(|cooked| i32::from(cooked.0) == link) {
                return Err(Error::Usage(format!(
                    "--bpf cannot be applied to the frames of {name} in the kernel; --engine libpcap can"
                )));
            }
            compose::both(compiled.code(), ours)
        } else {
            let network = self.compile(LinkType::RAW).map_err(|reason| self.not_for_all(&reason))?;
            compose::by_hardware(compiled.code(), network.code(), ours)
        };
        program.ok_or_else(|| self.wrong("libpcap made a program that cannot be followed by another"))
    }

    /// Compiles it as libpcap itself would on an interface: only a handle that is active
    /// knows what the kernel does with VLAN tags.
    fn compile_live(&self, name: &str) -> Result<(Compiled, i32)> {
        let settings = HandleSettings {
            snapshot: SNAPSHOT,
            buffer_size: 2 << 20,
            timeout_ms: 100,
            is_promiscuous: false,
        };
        let handle = Handle::create(&self.library, name).and_then(|mut handle| {
            handle.set(&settings)?;
            handle.activate()?;
            Ok(handle)
        });
        match handle {
            Ok(handle) => Ok((self.compile_with(&handle, Some(name))?, handle.link())),
            Err(HandleFault::Permission) => Err(no_right(Engine::AfPacket)),
            Err(HandleFault::Other(reason)) => Err(Error::Invalid(reason).at(name)),
        }
    }

    /// All interfaces have no more in common than IP.
    fn not_for_all(&self, reason: &str) -> Error {
        Error::Usage(format!(
            "--bpf '{}' cannot be applied to all interfaces at once ({reason}): name them, as in eth0:80",
            self.text
        ))
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::Usage(format!("--bpf '{}': {reason}", self.text))
    }
}

/// Loads libpcap for an option. An error says where to get it.
pub(super) fn load(option: &str) -> Result<Arc<Library>> {
    Library::load().map_err(|reason| {
        Error::Invalid(format!(
            "{option} needs the library libpcap, which cannot be loaded ({reason}); it comes with \
             'apt install libpcap0.8', 'dnf install libpcap' or 'apk add libpcap'"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::ring;
    use super::*;

    const SEGMENT: &[u8] = b"\x45\0\0\x28\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02\
        \x9c\x40\0\x50\0\0\0\0\0\0\0\0\x50\x18\0\0\0\0\0\0";

    /// None: it was said that there is no library.
    fn expression(text: &str) -> Option<Expression> {
        if Library::load().is_err() {
            eprintln!("skipped: libpcap is not installed");
            return None;
        }
        Some(Expression::new(text).expect("it compiles"))
    }

    fn packet(link: LinkType, bytes: &[u8]) -> Packet<'_> {
        Packet { link, time: 0, wire_length: bytes.len() as u32, bytes }
    }

    #[test]
    fn it_is_judged_by_the_link_type_of_each_packet() {
        let Some(mut tcp_80) = expression("tcp port 80") else { return };
        let ethernet = [b"aaaaaabbbbbb\x08\0", SEGMENT].concat();
        let null = [&2u32.to_ne_bytes(), SEGMENT].concat();
        let tagged = [b"aaaaaabbbbbb\x81\0\0\x05\x08\0", SEGMENT].concat();
        let other = [&SEGMENT[..20], b"\x9c\x40\0\x51", &SEGMENT[24..]].concat();
        let cases = [
            (LinkType::ETHERNET, &ethernet[..], true),
            (LinkType::RAW, SEGMENT, true),
            (LinkType::IPV4, SEGMENT, true),
            (LinkType::NULL, &null, true),
            (LinkType::RAW, &other, false),
            (LinkType::ETHERNET, &tagged, false),
            // Cut before the ports.
            (LinkType::RAW, &SEGMENT[..20], false),
            (LinkType::RAW, b"", false),
            // The decoder counts it.
            (LinkType::UNLISTED, b"", true),
        ];
        for (link, bytes, is_selected) in cases {
            let found = tcp_80.matches(&packet(link, bytes)).expect("it compiles for this link type");
            assert_eq!(found, is_selected, "{link} {bytes:x?}");
        }
    }

    /// Any socket takes a filter, with no right of its own.
    #[test]
    fn the_kernel_takes_it_before_our_own_filter() {
        let ports = (1..=300).map(|port| port * 2..=port * 2).collect();
        let tap = super::super::Tap { ports, only: vec![1, 2], ..super::super::Tap::default() };
        for text in
            ["", "tcp", "net 10.0.0.0/8 and not port 22", "ip[2:2] - ((ip[0]&0xf)<<2) > 100", "less 900"]
        {
            let Some(expression) = expression(text) else { return };
            let [ethernet, network] = [LinkType::ETHERNET, LinkType::RAW]
                .map(|link| expression.compile(link).expect("both have what it asks for"));
            let ours = super::super::filter(&tap);
            let programs = [
                compose::both(ethernet.code(), &ours),
                compose::by_hardware(ethernet.code(), network.code(), &ours),
            ];
            for program in programs {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                let program = program.expect("it returns constants");
                ring::attach(&socket, &program).unwrap_or_else(|error| panic!("{text}: {error}"));
            }
        }
    }

    #[test]
    fn one_that_asks_what_a_link_type_has_not_is_an_error_there() {
        let Some(mut tagged) = expression("vlan") else { return };
        let error = tagged.matches(&packet(LinkType::RAW, SEGMENT)).expect_err("raw IP has no tags");
        assert!(error.to_string().contains("link type 101 (RAW)"), "{error}");
    }

    #[test]
    fn one_that_no_link_type_has_is_wrong_usage() {
        let Some(_) = expression("") else { return };
        let error = Expression::new("port prot").expect_err("no such thing");
        assert!(matches!(error, Error::Usage(_)), "{error}");
    }
}
