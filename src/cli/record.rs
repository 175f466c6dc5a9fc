//! The command line of `gor-record`.

use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::{OutputOptions, Verbosity, values};
use crate::capture::{self, Address};

/// Record HTTP traffic as gor text
///
/// Reads packet captures (pcap or pcapng, plain, gzip or zstd), puts the TCP
/// streams in them in order, and writes the requests, and with --responses the
/// responses, one record each, to standard output.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "gor-record",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  gor-record -r traffic.pcap --responses -o traffic.gor
  gor-record -r traffic.pcapng :80 :8080 | gor-filter --method GET
  tcpdump -i eth0 -w - tcp port 80 | gor-record -r - :80 -o requests.gor
  gor-record -r 'traffic-*.pcap.gz' --stats > requests.gor

Exit status: 0 done; 1 a file could not be read to its end, or the output not
be written; 2 wrong command line. What the capture lacks (lost packets, messages
under way at its end) is told on standard error, and is no failure."
)]
pub struct Args {
    /// Where the servers are: `:80`, `10.0.0.1:80,8080`, `[::1]:`. Several may be given.
    ///
    /// Without it every TCP port is looked at, and whoever sends a request is
    /// the client.
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<Address>,

    /// Capture to read: a file, a quoted glob, or `-`. May be repeated; several
    /// are one capture continued.
    #[arg(short, long = "read", value_name = "FILE", required = true, help_heading = "Input")]
    pub read: Vec<String>,

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
    /// Without it, a file is read with patience: nothing is given up as long as its connection is open and memory
    /// has room (a message of --protocol binary ends after 2s of quiet).
    #[arg(long, value_name = "TIME", value_parser = values::duration, help_heading = "Limits")]
    pub expire: Option<Duration>,

    /// Keep so much of a message; what is longer is cut and marked as `cut`.
    #[arg(long, value_name = "SIZE", default_value = "5mb", value_parser = values::size, help_heading = "Limits")]
    pub max_message: u64,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputOptions,

    /// Print what became of every packet, byte and message at the end. So does -v.
    #[arg(long, help_heading = "Messages")]
    pub stats: bool,

    /// Write the same as JSON to this file.
    #[arg(long, value_name = "FILE", help_heading = "Messages")]
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

impl Args {
    /// What the capture room makes of these.
    pub fn capture_options(&self) -> capture::Options {
        capture::Options {
            addresses: self.addresses.clone(),
            protocol: match self.protocol {
                Protocol::Http => capture::Protocol::Http,
                Protocol::Binary => capture::Protocol::Binary,
            },
            has_responses: self.responses,
            expire: self.expire.map(|expire| i64::try_from(expire.as_nanos()).unwrap_or(i64::MAX)),
            max_message: usize::try_from(self.max_message).unwrap_or(usize::MAX),
            allows_incomplete: self.allow_incomplete,
            real_ip_header: self.real_ip_header.clone(),
            ..capture::Options::default()
        }
    }
}

/// A name that may stand in a header line (RFC 9110 §5.1).
fn field_name(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) {
        return Ok(text.to_string());
    }
    Err("a field name is letters, digits and hyphens, as in X-Real-IP".into())
}
