//! Values that only `gor-record` takes: engines and their clocks, addresses, networks.

use std::fs::File;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::capture::Address;
use crate::cli::values;
use crate::packet::live as wire;

/// How often the buffer may be emptied.
const BUFFER_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);

/// The values of `--protocol`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ProtocolName {
    /// HTTP/1.0 and HTTP/1.1
    Http,
    /// Any bytes
    Binary,
}

/// A network of VXLAN to record, or not to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VxlanNetwork {
    /// Its number, of 24 bits.
    pub number: u32,
    /// Whether everything else is recorded.
    pub is_barred: bool,
}

impl FromStr for VxlanNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix('-').unwrap_or(text);
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = number.parse().ok().filter(|number| is_plain && *number < 1 << 24);
        let number =
            parsed.ok_or("a VNI is a number from 0 to 16777215, with a minus in front to leave it out")?;
        Ok(VxlanNetwork { number, is_barred: text.starts_with('-') })
    }
}

/// The values of `--engine`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub enum EngineName {
    /// Packet sockets of Linux; needs no library
    AfPacket,
    /// The library libpcap, which must be installed
    Libpcap,
    /// Same as af_packet, for users of GoReplay
    RawSocket,
    /// Capture files; implied by -r
    PcapFile,
    /// UDP socket that receives traffic mirrored in VXLAN by routers and clouds; needs no privileges
    Vxlan,
}

/// The values of `--timestamp-source`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum TimestampSourceName {
    /// System clock
    Host,
    /// System clock, faster and less precise
    HostLowprec,
    /// System clock, precise
    HostHiprec,
    /// Clock of the network card, synchronised with the system clock
    Adapter,
    /// Clock of the network card, not synchronised
    AdapterUnsynced,
}

impl TimestampSourceName {
    pub(super) fn of_capture(self) -> wire::TimestampSource {
        match self {
            TimestampSourceName::Host => wire::TimestampSource::Host,
            TimestampSourceName::HostLowprec => wire::TimestampSource::HostLowprec,
            TimestampSourceName::HostHiprec => wire::TimestampSource::HostHiprec,
            TimestampSourceName::Adapter => wire::TimestampSource::Adapter,
            TimestampSourceName::AdapterUnsynced => wire::TimestampSource::AdapterUnsynced,
        }
    }
}

/// An address; the name of a capture or recording is none.
pub(super) fn address(text: &str) -> Result<Address, String> {
    values::no_file(text, |name| {
        let mut first = [0; 16];
        let length = File::open(name).and_then(|mut file| file.read(&mut first)).unwrap_or(0);
        match &first[..length] {
            [b'1'..=b'3', b' ', ..] => {
                "it looks like a recording, which the other tools read as it is".to_owned()
            }
            _ => format!("give captures with -r, as in -r {name}"),
        }
    })
}

/// As many sockets as the kernel lets share packets.
pub(super) fn threads(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=256).contains(number))
        .ok_or("expected a number of threads from 1 to 256, as 4".into())
}

/// The number of a VLAN (IEEE 802.1Q).
pub(super) fn vlan(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| (1..=4094).contains(number));
    number.ok_or("expected the number of a VLAN from 1 to 4094, as 100".into())
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|&port| port > 0).ok_or("expected a port from 1 to 65535, as 4789".into())
}

pub(super) fn buffer_size(text: &str) -> Result<u64, String> {
    let size = values::size(text)?;
    if wire::BUFFER_SIZE.contains(&size) {
        Ok(size)
    } else {
        Err("expected a size from 2MB to 2GB, as 64MB".into())
    }
}

pub(super) fn buffer_timeout(text: &str) -> Result<Duration, String> {
    let time = values::duration(text)?;
    if BUFFER_TIMEOUT.contains(&time) {
        Ok(time)
    } else {
        Err("expected a duration from 1ms to 10s, as 100ms".into())
    }
}
