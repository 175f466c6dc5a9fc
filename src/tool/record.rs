//! The command line of `gor-record`.

mod dummy;
mod files;
mod live;
mod rights;

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use crate::Error;
use crate::capture::{self, Address, CaptureLedger, Subnet, Watch};
use crate::cli::{self, Exit, OutputOptions, Verbosity, signals, values};
use crate::endpoint::{PacketFile, WriteOptions};
use crate::packet::NetworkSelection;
use crate::packet::live as wire;

/// Record HTTP traffic as gor text
///
/// Captures packets from the network, or reads packet captures (pcap or pcapng,
/// plain, gzip or zstd), puts the TCP streams in them in order, and writes the
/// requests, and with --responses the responses, one record each, to standard output.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "gor-record",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  sudo gor-record :80 | gor-replay http://staging.example.com
  sudo gor-record eth0:8080 --responses -o traffic.gor
  gor-record -r traffic.pcap --responses -o traffic.gor
  gor-record -r traffic.pcapng :80 :8080 | gor-filter --method GET
  tcpdump -i eth0 -w - tcp port 80 | gor-record -r - :80 -o requests.gor
  gor-record -r 'traffic-*.pcap.gz' --stats > requests.gor

Live capture needs root or the capability CAP_NET_RAW, and CAP_NET_ADMIN for
--monitor. They are given up once the network and the outputs are open; -v says how.
Live capture ends at SIGINT or SIGTERM, with what was seen by then; a second signal ends it at
once. At SIGHUP, output files that were moved away, as by logrotate, are begun anew.

Exit status: 0 done; 1 a file could not be read to its end, the kernel dropped
packets, or the output could not be written or was too slow; 2 wrong command line. What the
capture lacks otherwise (lost packets, messages under way at its end) is told on
standard error, and is no failure."
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Where the servers are: `:80`, `10.0.0.1:80,8000-8010`, `10.0.0.0/8:80`, `[fd00::/8]:80`, `eth0:80`,
    /// `[fe80::1%eth0]:80`. Several may be given.
    ///
    /// Without -r, packets are captured from all network interfaces, or from those that are named. `:80` means
    /// servers at the addresses of this machine then; --any-host, or an address that is written out, records
    /// others too. With -r, `:80` means any host, and without ADDRESS every TCP port is looked at, and whoever
    /// sends a request is the client.
    #[arg(value_name = "ADDRESS", value_parser = address)]
    pub addresses: Vec<Address>,

    /// Capture to read: a file, a quoted glob, or `-`. May be repeated; several
    /// are one capture continued.
    #[arg(short, long = "read", value_name = "FILE", help_heading = "Input")]
    pub read: Vec<String>,

    /// Capture nothing: write the request `GET /`, and with --responses its answer, so often; once a second without N.
    ///
    /// It is for trying out what comes after, as in `gor-record --dummy 100/s | gor-replay http://127.0.0.1:8080`, and
    /// goes on until it is stopped or --exit-after is over. What an output that is slow keeps back comes later.
    #[arg(
        long, value_name = "N/s", num_args = 0..=1, default_missing_value = "1/s", value_parser = dummy::rate,
        help_heading = "Input", conflicts_with_all = [
            "addresses", "read", "any_host", "promisc", "ignore_interface", "buffer_size", "threads",
            "buffer_timeout", "output_queue", "engine", "bpf", "monitor", "timestamp_source", "not_client", "vlan",
            "vxlan_port", "vxlan_vni", "protocol", "allow_incomplete", "real_ip_header", "expire", "max_message",
            "write", "metrics",
        ],
    )]
    pub dummy: Option<f64>,

    /// Record servers at all addresses, not only at those of this machine, as on bridges and mirrored ports.
    #[arg(long, conflicts_with = "read", help_heading = "Input")]
    pub any_host: bool,

    /// Have the interfaces that are named, or else all that are up, take in packets for other machines too
    /// (promiscuous mode), and record servers at all addresses, as --any-host does.
    #[arg(long, conflicts_with = "read", help_heading = "Input")]
    pub promisc: bool,

    /// Do not look at packets of these interfaces. May be repeated.
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "read", help_heading = "Input")]
    pub ignore_interface: Vec<String>,

    /// Size of the kernel's packet buffer, from 2mb to 2gb.
    ///
    /// With --bpf or --engine libpcap each interface that is named has its own, and they are emptied in turn: a
    /// response that leaves by another interface than its request came in on may be recorded without it.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = buffer_size, conflicts_with = "read", help_heading = "Input")]
    pub buffer_size: u64,

    /// Capture with N threads, each of which gets whole connections (except IPv6 fragments), and a buffer of its own.
    ///
    /// Records come out in the order in which their messages were complete, up to three times --buffer-timeout later than with one thread.
    #[arg(long, value_name = "N", default_value = "1", value_parser = threads, conflicts_with = "read", help_heading = "Input")]
    pub threads: usize,

    /// Take packets out of the buffer at least this often, from 1ms to 10s.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = buffer_timeout, conflicts_with = "read", help_heading = "Input")]
    pub buffer_timeout: Duration,

    /// Stop after TIME, as at SIGINT.
    #[arg(long, value_name = "TIME", value_parser = values::duration, conflicts_with = "read", help_heading = "Limits")]
    pub exit_after: Option<Duration>,

    /// Let up to SIZE of records wait for a slow output; when more would, whole exchanges are dropped and counted.
    ///
    /// The responses to requests that were not dropped may take as much again.
    #[arg(long, value_name = "SIZE", default_value = "32mb", value_parser = values::size, conflicts_with = "read", help_heading = "Limits")]
    pub output_queue: u64,

    /// Capture with this engine; the default is `af_packet`, or `pcap_file` with -r.
    ///
    /// With `vxlan`, `:80` means any host, as the traffic is that of others, and each packet that -w keeps has an IP
    /// and a UDP header that say where its datagram came from and went to.
    #[arg(long, value_enum, value_name = "ENGINE", help_heading = "Input")]
    pub engine: Option<Engine>,

    /// Record only packets that match this expression of tcpdump's language, as in 'net 10.0.0.0/8'.
    ///
    /// It comes in addition to ADDRESS, and needs the library libpcap. It is applied in the kernel, and with -r to
    /// each packet of the files. VLANs are as in tcpdump: in files an expression without `vlan` matches only
    /// frames without a tag; live it also matches frames whose tag the kernel took off, and `vlan` needs
    /// the interface to be named. Packets in tunnels, and later fragments of IP packets, have no ports that it could
    /// match: they are left out where it asks for one.
    #[arg(long, value_name = "EXPR", help_heading = "Input")]
    pub bpf: Option<String>,

    /// Put wireless interfaces into monitor mode, to see all frames of their channel. Needs --engine libpcap.
    #[arg(long, help_heading = "Input")]
    pub monitor: bool,

    /// Take times from this clock; which ones there are depends on the interface. Needs --engine libpcap.
    #[arg(long, value_enum, value_name = "SOURCE", help_heading = "Input")]
    pub timestamp_source: Option<TimestampSource>,

    /// Leave out connections of clients at these addresses: `10.0.0.5`, `10.0.0.0/8`, `fd00::/8`. May be repeated.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = "What to record")]
    pub not_client: Vec<Subnet>,

    /// Record only what has a tag of one of these VLANs (1 to 4094), at whichever depth. May be repeated.
    ///
    /// Without it, tags are looked through, and all VLANs are recorded. Packets that the kernel hands
    /// out on the VLAN's own interface (eth0.5) have no tag any more.
    #[arg(long, value_name = "VID", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=4094), help_heading = "What to record")]
    pub vlan: Vec<u16>,

    /// Look for VXLAN at these UDP ports too, besides 4789 and 8472; with --engine vxlan, listen at these instead of at
    /// 4789. May be repeated.
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..), help_heading = "What to record")]
    pub vxlan_port: Vec<u16>,

    /// Record only what is in a VXLAN (or Geneve) network of one of these numbers; with a minus, what is not in that
    /// one. May be repeated.
    #[arg(
        long,
        value_name = "VNI",
        value_delimiter = ',',
        allow_hyphen_values = true,
        help_heading = "What to record"
    )]
    pub vxlan_vni: Vec<VxlanNetwork>,

    /// Give up root for this user once everything is open: `NAME`, `NAME:GROUP`, or numbers. `root` keeps it.
    ///
    /// Root becomes the user who called sudo unless this says otherwise, or else `nobody`. What is there at the
    /// beginning, output files and the network, is opened as root; files that are created then belong to the
    /// user. Files that are begun later (chunks, names made from the time, indexes, after SIGHUP) are made
    /// by the user, who must have the right to write in their directory. Capabilities are given up in any case,
    /// and the kernel refuses what is not needed from then on: files elsewhere, programs, TCP connections.
    #[arg(long, value_name = "USER", conflicts_with_all = ["read", "dummy"], help_heading = "Privileges")]
    pub user: Option<String>,

    /// Record responses too, with the id of their request.
    #[arg(long, help_heading = "What to record")]
    pub responses: bool,

    /// What the connections speak. `binary`: a message is what one side says
    /// until the other answers, or until it is quiet for the time of --expire (2s without it).
    #[arg(
        long,
        value_enum,
        value_name = "PROTOCOL",
        default_value = "http",
        help_heading = "What to record"
    )]
    pub protocol: Protocol,

    /// Write what there is of messages that are not whole, marked as `gap`.
    #[arg(long, help_heading = "What to record")]
    pub allow_incomplete: bool,

    /// Put the client's address into this field of recorded requests, in place
    /// of any that the client sent under that name.
    #[arg(long, value_name = "NAME", value_parser = field_name, help_heading = "What to record")]
    pub real_ip_header: Option<String>,

    /// Give up an unfinished message, or a missing packet, after TIME of the capture's time without progress.
    ///
    /// The default of live capture is 2s. Without it, a file is read with patience: nothing is given up as long as its connection is open and memory
    /// has room (a message of --protocol binary ends after 2s of quiet).
    #[arg(long, value_name = "TIME", value_parser = values::duration, help_heading = "Limits")]
    pub expire: Option<Duration>,

    /// Keep so much of a message; what is longer is cut and marked as `cut`.
    #[arg(long, value_name = "SIZE", default_value = "5mb", value_parser = values::size, help_heading = "Limits")]
    pub max_message: u64,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputOptions,

    /// Keep the packets too, in a capture: FILE.pcap or FILE.pcapng, maybe with .gz or .zst. `gor-record -r FILE`
    /// gives the same records.
    ///
    /// These are the packets at the addresses that are recorded at, and IP fragments. A .pcap file holds packets of
    /// one link type only. Live, up to --output-queue of packets wait for a slow file, and more are dropped and
    /// counted. --force, --flush-interval, --compress-level and SIGHUP are for this file too, chunks and limits of
    /// size are not.
    #[arg(short, long = "write", value_name = "FILE", help_heading = "Output")]
    pub write: Option<String>,

    /// Print what became of every packet, byte and message at the end. So does -v. Live, also print a line every 5s.
    #[arg(long, help_heading = "Messages")]
    pub stats: bool,

    /// Serve counters at the path /metrics of ADDRESS, over HTTP and in the text format of Prometheus.
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address, conflicts_with = "read", help_heading = "Messages")]
    pub metrics: Option<SocketAddr>,

    /// Write the same as JSON to this file.
    #[arg(long, value_name = "FILE", value_parser = values::report, help_heading = "Messages")]
    pub stats_json: Option<std::path::PathBuf>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub verbosity: Verbosity,
}

/// The values of `--protocol`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    Http,
    /// Any bytes.
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
pub enum Engine {
    /// Packet sockets of Linux, without any library.
    AfPacket,
    /// The library libpcap, which must be installed.
    Libpcap,
    /// The same as `af_packet`; GoReplay's name.
    RawSocket,
    /// Capture files: the same as -r alone.
    PcapFile,
    /// A UDP socket that receives VXLAN, in which routers and clouds send mirrored traffic. It needs no rights.
    Vxlan,
}

/// The values of `--timestamp-source`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum TimestampSource {
    /// The system's clock.
    Host,
    /// The system's clock, read faster and less precisely.
    HostLowprec,
    /// The system's clock, read precisely.
    HostHiprec,
    /// The network card's clock, kept in step with the system's.
    Adapter,
    /// The network card's clock as it is.
    AdapterUnsynced,
}

/// How long live capture waits for what is missing.
const LIVE_EXPIRE: Duration = Duration::from_secs(2);

/// How often the buffer may be emptied.
const BUFFER_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);

impl Args {
    /// Whether packets come from the network.
    pub fn is_live(&self) -> bool {
        self.read.is_empty()
    }

    /// What clap cannot tell.
    pub fn check(&self) -> crate::Result<()> {
        self.check_engine()?;
        if let Some(path) = &self.write {
            PacketFile::format(path)?;
        }
        if self.is_live() && self.addresses.is_empty() && self.dummy.is_none() {
            return Err(Error::Usage(
                "nothing to record: say where the servers are, as in 'gor-record :80', \
                 or which capture to read, as in 'gor-record -r traffic.pcap'"
                    .into(),
            ));
        }
        if let Some(address) = self.addresses.iter().find(|address| address.interface().is_some())
            && let Some((name, _)) = address.interface()
            && !self.is_live()
        {
            let is_what = if address.has_host() { "is an interface" } else { "is no IP address" };
            return Err(Error::Usage(format!(
                "'{name}' {is_what}, and with -r an interface cannot be chosen; \
                 name servers as in 10.0.0.1:80 or :80"
            )));
        }
        Ok(())
    }

    /// Whether the engine is of the same kind as the input, and has what was asked of it.
    fn check_engine(&self) -> crate::Result<()> {
        let fault = match self.engine {
            Some(Engine::PcapFile) if self.is_live() => {
                "--engine pcap_file reads captures: say which with -r, as in 'gor-record -r traffic.pcap'"
            }
            Some(Engine::AfPacket | Engine::Libpcap | Engine::RawSocket | Engine::Vxlan)
                if !self.is_live() =>
            {
                "with -r nothing is captured from the network: leave out --engine, or -r"
            }
            Some(Engine::Libpcap) if self.threads > 1 => {
                "--threads is for --engine af_packet; libpcap has one"
            }
            Some(Engine::Libpcap) => return Ok(()),
            Some(Engine::Vxlan) if self.threads > 1 => "--threads is for --engine af_packet; vxlan has one",
            Some(Engine::Vxlan) if self.bpf.is_some() => {
                "--bpf selects packets that are captured, and --engine vxlan receives datagrams; leave out one"
            }
            Some(Engine::Vxlan)
                if self.promisc
                    || !self.ignore_interface.is_empty()
                    || self.addresses.iter().any(|address| address.interface().is_some()) =>
            {
                "--engine vxlan listens at all interfaces, for what was on others: name none, \
                 and leave out --promisc and --ignore-interface"
            }
            _ if self.monitor => "--monitor needs --engine libpcap",
            _ if self.timestamp_source.is_some() => "--timestamp-source needs --engine libpcap",
            _ => return Ok(()),
        };
        Err(Error::Usage(fault.into()))
    }

    /// How live capture is done.
    pub fn watch(&self) -> Watch {
        let engine = match self.engine {
            Some(Engine::Libpcap) => wire::Engine::Libpcap {
                is_monitor: self.monitor,
                timestamps: self.timestamp_source.map(TimestampSource::of_capture),
            },
            Some(Engine::Vxlan) => wire::Engine::Vxlan,
            _ => wire::Engine::AfPacket,
        };
        let wire = wire::LiveOptions {
            engine,
            bpf: self.bpf.clone(),
            buffer_size: self.buffer_size,
            buffer_timeout: self.buffer_timeout,
            is_promiscuous: self.promisc,
        };
        Watch {
            wire,
            has_any_host: self.any_host,
            ignored: self.ignore_interface.clone(),
            keeps_packets: self.write.is_some(),
        }
    }

    /// How the outputs are written.
    pub fn write_options(&self) -> WriteOptions<'_> {
        let mut options = self.output.write_options(&self.read);
        options.packets = self.write.as_deref();
        options.reports.extend(self.stats_json.as_deref());
        options
    }

    fn selection(&self) -> NetworkSelection {
        let overlays = |is_barred| {
            let networks = self.vxlan_vni.iter().filter(move |network| network.is_barred == is_barred);
            networks.map(|network| network.number).collect()
        };
        NetworkSelection {
            vxlan_ports: self.vxlan_port.clone(),
            vlans: self.vlan.clone(),
            overlays: overlays(false),
            barred_overlays: overlays(true),
        }
    }

    /// What the capture room makes of these.
    pub fn capture_options(&self) -> capture::CaptureOptions {
        capture::CaptureOptions {
            addresses: self.addresses.clone(),
            not_clients: self.not_client.clone(),
            selection: self.selection(),
            protocol: match self.protocol {
                Protocol::Http => capture::Protocol::Http,
                Protocol::Binary => capture::Protocol::Binary,
            },
            has_responses: self.responses,
            expire: self
                .expire
                .or(self.is_live().then_some(LIVE_EXPIRE))
                .map(|expire| i64::try_from(expire.as_nanos()).unwrap_or(i64::MAX)),
            max_message: usize::try_from(self.max_message).unwrap_or(usize::MAX),
            allows_incomplete: self.allow_incomplete,
            real_ip_header: self.real_ip_header.clone(),
            ..capture::CaptureOptions::default()
        }
    }
}

impl TimestampSource {
    fn of_capture(self) -> wire::TimestampSource {
        match self {
            TimestampSource::Host => wire::TimestampSource::Host,
            TimestampSource::HostLowprec => wire::TimestampSource::HostLowprec,
            TimestampSource::HostHiprec => wire::TimestampSource::HostHiprec,
            TimestampSource::Adapter => wire::TimestampSource::Adapter,
            TimestampSource::AdapterUnsynced => wire::TimestampSource::AdapterUnsynced,
        }
    }
}

/// An address; the name of a capture or recording is none.
fn address(text: &str) -> Result<Address, String> {
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

/// Where to listen: `9187` and `:9187` are ports of all addresses.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    match (text.parse(), port) {
        (Ok(address), _) => Ok(address),
        (_, Ok(port)) => Ok(SocketAddr::from(([0, 0, 0, 0], port))),
        _ => Err("an address to listen at looks like 127.0.0.1:9187, [::1]:9187 or :9187".into()),
    }
}

/// As many sockets as the kernel lets share packets.
fn threads(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=256).contains(number))
        .ok_or("a number of threads is from 1 to 256".into())
}

fn buffer_size(text: &str) -> Result<u64, String> {
    let size = values::size(text)?;
    if wire::BUFFER_SIZE.contains(&size) { Ok(size) } else { Err("the buffer is from 2mb to 2gb".into()) }
}

fn buffer_timeout(text: &str) -> Result<Duration, String> {
    let time = values::duration(text)?;
    if BUFFER_TIMEOUT.contains(&time) { Ok(time) } else { Err("this is a time from 1ms to 10s".into()) }
}

/// A name that may stand in a header line (RFC 9110 §5.1).
fn field_name(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) {
        return Ok(text.to_string());
    }
    Err("a field name is letters, digits and hyphens, as in X-Real-IP".into())
}

/// Records as the command line says.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    args.check()?;
    let stop = signals::stop()?;
    if let Some(rate) = args.dummy {
        let (ledger, exit) = dummy::run(args, rate, &stop)?;
        tell(args, &ledger, None)?;
        return Ok(exit);
    }
    if args.is_live() {
        let ended = live::run(args, &stop)?;
        tell(args, &ended.ledger, ended.stats_json)?;
        return Ok(ended.exit);
    }
    files::run(args, &stop)
}

/// Tells what became of everything, as far as that was asked for or is a loss; as JSON in a file that may be open
/// already.
fn tell(args: &Args, ledger: &CaptureLedger, open: Option<File>) -> anyhow::Result<()> {
    if args.stats || args.verbosity.verbose > 0 {
        cli::report(ledger);
    }
    if let Some(path) = &args.stats_json {
        let write = || -> anyhow::Result<()> {
            let mut file = BufWriter::new(open.map_or_else(|| File::create(path), Ok)?);
            if file.get_ref().metadata()?.is_file() {
                file.get_ref().set_len(0)?;
            }
            serde_json::to_writer_pretty(&mut file, ledger)?;
            file.write_all(b"\n")?;
            file.flush()?;
            Ok(())
        };
        write().with_context(|| path.display().to_string())?;
    }
    if let Some(losses) = ledger.losses(args.verbosity.quiet) {
        cli::note(losses);
    }
    Ok(())
}
