//! The command line of `gor-record`.

mod dummy;
pub(in crate::tool) mod files;
pub(in crate::tool) mod live;
mod rights;
mod values;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Parser;

pub use self::values::{EngineName, ProtocolName, TimestampSourceName, VxlanNetwork};
use self::values::{address, buffer_size, buffer_timeout, port, threads, vlan};
use crate::Error;
use crate::capture::{self, Address, CaptureLedger, Subnet, Watch};
use crate::cli::values::{duration, field_name, listen_address, size};
use crate::cli::{
    Exit, KafkaOptions, OutputOptions, Profiles, Report, Reporting, SendArgs, ServiceOptions, WebSocketArgs,
};
use crate::endpoint::{KafkaSettings, PacketFile, WriteOptions};
use crate::packet::NetworkSelection;
use crate::packet::live as wire;

/// Record HTTP traffic from the network or from packet captures
///
/// Packets are captured from the network, or read from capture files (pcap or pcapng, plain, gzip or zstd). The TCP
/// streams in them are put in order, and the requests, with --responses also the responses, are written to standard
/// output, one record each.
///
/// Live capture needs root or the capability CAP_NET_RAW; --monitor and the clock of the network card also need
/// CAP_NET_ADMIN. Privileges are dropped once the network and the outputs are open; -v prints how.
///
/// SIGINT and SIGTERM end a live capture, and what was seen until then is written; a second signal ends it at once.
/// SIGHUP reopens output files that were moved away, as by logrotate.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "gor-record",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = LONG_EXAMPLES
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct Args {
    /// Servers to record: :80, 10.0.0.1:80,8000-8010, eth0:8080
    ///
    /// Also networks and IPv6: 10.0.0.0/8:80, [fd00::/8]:80, [fe80::1%eth0]:80.
    ///
    /// Live, packets are captured from all network interfaces, or from the interfaces named. :80 means servers at
    /// the addresses of this machine; --any-host, or a written-out address, records other servers too.
    ///
    /// With -r, :80 means any host. Without ADDRESS every TCP port is examined, and the side that sends a request is
    /// the client.
    #[arg(value_name = "ADDRESS", value_parser = address)]
    pub addresses: Vec<Address>,

    /// Read packets from FILE, a quoted glob or "-" (repeatable)
    ///
    /// Several files are read as one capture, in the order given.
    ///
    /// Objects of S3 are read as well: s3://BUCKET/KEY, s3://BUCKET/PREFIX/ or a quoted glob of keys.
    #[arg(short, long = "read", value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Input")]
    pub read: Vec<String>,
    /// Record servers at all addresses, not only those of this machine
    ///
    /// For bridges and mirrored ports.
    #[arg(long, conflicts_with = "read", help_heading = "Input")]
    pub any_host: bool,
    /// Capture in promiscuous mode, and record servers at all addresses
    ///
    /// The interfaces named, or else all that are up, also receive packets for other machines. Includes --any-host.
    #[arg(long, conflicts_with = "read", help_heading = "Input", hide_short_help = true)]
    pub promisc: bool,
    /// Ignore packets of this interface (repeatable)
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "read",
        help_heading = "Input",
        hide_short_help = true
    )]
    pub ignore_interface: Vec<String>,
    /// Record only packets that match a tcpdump expression, as 'net 10.0.0.0/8'
    ///
    /// Applies in addition to ADDRESS, and needs libpcap. Live, the kernel evaluates it; with -r, each packet of the
    /// files is tested. As in tcpdump, an expression without "vlan" matches only untagged frames in files; live, it
    /// also matches frames whose tag the kernel removed, and "vlan" needs a named interface. Packets in tunnels, and IP
    /// fragments after the first, have no ports to match: an expression with a port excludes them.
    #[arg(long, value_name = "EXPR", help_heading = "Input")]
    pub bpf: Option<String>,
    /// Capture engine [default: af_packet, with -r pcap_file]
    ///
    /// With vxlan, :80 means any host, as the traffic is that of other machines, and each packet that -w keeps has an
    /// IP and a UDP header with the addresses of its datagram.
    #[arg(long, value_enum, value_name = "ENGINE", help_heading = "Input", hide_short_help = true)]
    pub engine: Option<EngineName>,
    /// Size of the kernel's packet buffer, from 2MB to 2GB
    ///
    /// With --bpf or --engine libpcap each interface named has a buffer of its own, and they are emptied in turn: a
    /// response that leaves by another interface than its request arrived on may be recorded without its request.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64MB",
        value_parser = buffer_size,
        conflicts_with = "read",
        help_heading = "Input",
        hide_short_help = true
    )]
    pub buffer_size: u64,
    /// Empty the kernel's packet buffer at least this often, from 1ms to 10s
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "100ms",
        value_parser = buffer_timeout,
        conflicts_with = "read",
        help_heading = "Input",
        hide_short_help = true
    )]
    pub buffer_timeout: Duration,
    /// Capture with N threads, each with a packet buffer of its own
    ///
    /// All packets of a connection go to the same thread, except IPv6 fragments. Records are written in the order in
    /// which their messages were complete, up to three times --buffer-timeout later than with one thread.
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        value_parser = threads,
        conflicts_with = "read",
        help_heading = "Input",
        hide_short_help = true
    )]
    pub threads: usize,
    /// Put wireless interfaces into monitor mode, to capture all frames of their channel (needs --engine libpcap)
    #[arg(long, help_heading = "Input", hide_short_help = true)]
    pub monitor: bool,
    /// Clock for the times of packets, as far as the interface has it (needs --engine libpcap)
    #[arg(long, value_enum, value_name = "SOURCE", help_heading = "Input", hide_short_help = true)]
    pub timestamp_source: Option<TimestampSourceName>,
    /// Capture nothing; write made-up GET requests at this rate, as 100/s [default without RATE: 1/s]
    ///
    /// With --responses, responses too. For trying out other tools, as in gor-record --dummy 100/s | gor-show. Runs
    /// until interrupted or until --exit-after. What a slow output holds up is written later.
    #[arg(
        long, value_name = "RATE", num_args = 0..=1, default_missing_value = "1/s", value_parser = dummy::rate,
        help_heading = "Input", hide_short_help = true, conflicts_with_all = [
            "addresses", "read", "any_host", "promisc", "ignore_interface", "buffer_size", "threads",
            "buffer_timeout", "output_queue", "engine", "bpf", "monitor", "timestamp_source", "not_client", "vlan",
            "vxlan_port", "vxlan_vni", "protocol", "allow_incomplete", "real_ip_header", "expire", "max_message",
            "write", "metrics",
        ],
    )]
    pub dummy: Option<f64>,

    /// Record responses too, with the ids of their requests
    #[arg(long, help_heading = "What to record")]
    pub responses: bool,
    /// Skip clients in this network: 10.0.0.5, fd00::/8 (repeatable)
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = "What to record")]
    pub not_client: Vec<Subnet>,
    /// Add a header with the client's address to each request
    ///
    /// Headers of that name that the client sent are removed.
    #[arg(long, value_name = "NAME", value_parser = field_name, help_heading = "What to record")]
    pub real_ip_header: Option<String>,
    /// Write incomplete messages too, marked as gap
    #[arg(long, help_heading = "What to record", hide_short_help = true)]
    pub allow_incomplete: bool,
    /// Record only packets with the tag of this VLAN, 1 to 4094, at any depth (repeatable)
    ///
    /// Without it, all VLANs are recorded. Packets on the interface of a VLAN (eth0.5) have no tag any more.
    #[arg(
        long,
        value_name = "VID",
        value_delimiter = ',',
        value_parser = vlan,
        help_heading = "What to record",
        hide_short_help = true
    )]
    pub vlan: Vec<u16>,
    /// Look for VXLAN at this UDP port too, besides 4789 and 8472 (repeatable)
    ///
    /// With --engine vxlan, listen at these ports instead of 4789.
    #[arg(
        long,
        value_name = "PORT",
        value_delimiter = ',',
        value_parser = port,
        help_heading = "What to record",
        hide_short_help = true
    )]
    pub vxlan_port: Vec<u16>,
    /// Record only this VXLAN or Geneve network; with a minus sign, all except it (repeatable)
    #[arg(
        long,
        value_name = "VNI",
        value_delimiter = ',',
        allow_hyphen_values = true,
        help_heading = "What to record",
        hide_short_help = true
    )]
    pub vxlan_vni: Vec<VxlanNetwork>,
    /// Protocol of the connections
    ///
    /// With binary, a message is what one side sends until the other side answers, or until there is silence for
    /// the time of --expire [default: 2s].
    #[arg(
        long,
        value_enum,
        value_name = "PROTOCOL",
        default_value = "http",
        help_heading = "What to record",
        hide_short_help = true
    )]
    pub protocol: ProtocolName,

    /// Stop after DURATION, as at SIGINT
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "read", help_heading = "Limits")]
    pub exit_after: Option<Duration>,
    /// Cut messages that are longer than SIZE, and mark them as cut
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "5MB",
        value_parser = size,
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub max_message: u64,
    /// Give up on an incomplete message or a missing packet after DURATION without progress [default, live: 2s]
    ///
    /// The time is that of the packets. Without this option, nothing in a file is given up while its connection is open
    /// and memory suffices (except that a message of --protocol binary ends after 2s of silence).
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub expire: Option<Duration>,
    /// Queue up to SIZE of records for a slow output
    ///
    /// When the queue is full, whole exchanges are dropped and counted. Responses to requests that were not dropped may
    /// take up to the same size in addition.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "32MB",
        value_parser = size,
        conflicts_with = "read",
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub output_queue: u64,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub sending: SendArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub websocket: WebSocketArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub kafka: KafkaOptions,
    /// Keep the packets too, in FILE.pcap or FILE.pcapng
    ///
    /// The name may end in .gz or .zst to compress. FILE gets the packets at the recorded addresses, and IP fragments:
    /// gor-record -r FILE writes the same records. A .pcap file takes packets of one link type only. Live, up to
    /// --output-queue of packets wait for a slow file; more are dropped and counted. --force, --flush-interval,
    /// --compress-level and SIGHUP apply to FILE; the options about chunks and sizes do not.
    #[arg(short, long = "write", value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub write: Option<String>,

    /// Run as USER once everything is open [default: the user who called sudo, or nobody]
    ///
    /// NAME, NAME:GROUP or numbers; "root" keeps root. Existing output files and the network are opened as root; new
    /// files belong to USER. Files that are created later (chunks, names with the time in them, indexes, after SIGHUP)
    /// are created by USER, who needs write access to their directory. In any case capabilities are dropped, and
    /// the kernel denies access to other files, programs and TCP connections.
    #[arg(
        long,
        value_name = "USER",
        value_hint = clap::ValueHint::Username,
        conflicts_with_all = ["read", "dummy"],
        help_heading = "Privileges",
        hide_short_help = true
    )]
    pub user: Option<String>,

    /// Serve metrics for Prometheus over HTTP, at the path /metrics of ADDRESS
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = listen_address,
        conflicts_with = "read",
        help_heading = "Messages",
        hide_short_help = true
    )]
    pub metrics: Option<SocketAddr>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub services: ServiceOptions,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reporting: Reporting,
}

const EXAMPLES: &str = "\
Examples:
  sudo gor-record :8080 --responses | gor-show
  sudo gor-record :8080 --responses -o live.gor
  gor-record -r traffic.pcapng :80 --responses -o traffic.gor

See gor-record --help for all options, more examples and the exit status.";

const LONG_EXAMPLES: &str = "\
Examples:
  Show requests and responses at port 8080 of this machine as they come:
    sudo gor-record :8080 --responses | gor-show
  Record them until Ctrl-C:
    sudo gor-record :8080 --responses -o live.gor
  Send live requests to another server as well:
    sudo gor-record eth0:80 | gor-replay http://staging.example.com
  Record the traffic in a capture file:
    gor-record -r traffic.pcapng --responses -o traffic.gor
  Keep the GET requests at two ports:
    gor-record -r traffic.pcapng :80 :8080 | gor-filter --method GET > get.gor
  Record from tcpdump:
    tcpdump -i eth0 -w - tcp port 80 | gor-record -r - :80 -o requests.gor
  Read several capture files as one, and print what became of each packet:
    gor-record -r 'traffic/*.pcap.gz' --stats > requests.gor

Exit status: 0 success; 1 a file could not be read to its end, the kernel dropped
packets, or the output failed or was too slow; 2 wrong command line. Other losses
(packets missing in the capture, messages incomplete at its end) are reported on
standard error and do not change the exit status.";

/// How long live capture waits for what is missing.
const LIVE_EXPIRE: Duration = Duration::from_secs(2);

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
            let is_what = if address.has_host() { "is an interface" } else { "is not an IP address" };
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
            Some(EngineName::PcapFile) if self.is_live() => {
                "--engine pcap_file reads captures: say which with -r, as in 'gor-record -r traffic.pcap'"
            }
            Some(EngineName::AfPacket | EngineName::Libpcap | EngineName::RawSocket | EngineName::Vxlan)
                if !self.is_live() =>
            {
                "with -r nothing is captured from the network: leave out --engine, or -r"
            }
            Some(EngineName::Libpcap) if self.threads > 1 => {
                "--threads is for --engine af_packet; libpcap has one"
            }
            Some(EngineName::Libpcap) => return Ok(()),
            Some(EngineName::Vxlan) if self.threads > 1 => {
                "--threads is for --engine af_packet; vxlan has one"
            }
            Some(EngineName::Vxlan) if self.bpf.is_some() => {
                "--bpf selects packets that are captured, and --engine vxlan receives datagrams; leave out one"
            }
            Some(EngineName::Vxlan)
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
            Some(EngineName::Libpcap) => wire::Engine::Libpcap {
                is_monitor: self.monitor,
                timestamps: self.timestamp_source.map(TimestampSourceName::of_capture),
            },
            Some(EngineName::Vxlan) => wire::Engine::Vxlan,
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

    /// How brokers of Kafka are talked to.
    pub fn kafka(&self) -> crate::Result<KafkaSettings> {
        self.kafka.settings(false, &[], &self.output.output)
    }

    /// How the outputs are written.
    ///
    /// `is_stopping` turns true when the tool is to end.
    pub fn write_options(&self, is_stopping: &Arc<AtomicBool>) -> crate::Result<WriteOptions<'_>> {
        let mut options = self.output.write_options(&self.read);
        options.sending = self.sending.options(options.sending, is_stopping);
        options.sending.websocket = self.websocket.options(&[], &self.output.output)?;
        options.packets = self.write.as_deref();
        options.reports.extend(self.reporting.files());
        options.services = self.services.services();
        options.objects.is_verbose = self.reporting.verbose;
        Ok(options)
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
                ProtocolName::Http => capture::Protocol::Http,
                ProtocolName::Binary => capture::Protocol::Binary,
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

/// Records as the command line says.
pub fn run(args: &Args, profiles: &Profiles) -> anyhow::Result<Exit> {
    args.check()?;
    args.services.check(args.read.iter().chain(&args.output.output))?;
    if args.dummy.is_none() && args.is_live() {
        return live::run(args, profiles);
    }
    profiles.serve()?;
    args.dummy.map_or_else(|| files::run(args), |rate| dummy::run(args, rate))
}

/// What became of every packet, byte and message.
fn report(ledger: &CaptureLedger, is_quiet: bool) -> anyhow::Result<Report> {
    let mut report = Report::new(ledger, serde_json::to_value(ledger)?);
    if let Some(losses) = ledger.losses(is_quiet) {
        report.loss(losses);
    }
    Ok(report)
}
