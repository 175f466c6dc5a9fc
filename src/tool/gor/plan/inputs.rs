//! Where records come from.

use std::path::Path;

use super::super::flags::GivenFlags;
use super::split_share;
use crate::pace::{Share, Speed};
use crate::tls::ServerTls;
use crate::{Error, Result};

/// An input.
#[derive(Clone, Debug)]
pub(in super::super) struct Input {
    /// As it was typed.
    pub(in super::super) name: String,
    pub(in super::super) kind: InputKind,
    /// Which of its exchanges go on.
    pub(in super::super) share: Option<Share>,
}

/// What kind of input it is.
#[derive(Clone, Debug)]
pub(in super::super) enum InputKind {
    /// Recordings: a file, a glob, a prefix of keys.
    Files { pattern: String, speed: Speed, repeats: bool },
    /// Packets, as this command line of gor-record says.
    Packets { args: Vec<String>, is_live: bool },
    /// Senders that connect to this place.
    Listener { place: String },
    /// A topic.
    Topic { place: String, speed: Speed },
    /// Exchanges that nobody had.
    Dummy,
}

impl Input {
    /// Whether what it has can wait until an output has room.
    pub(in super::super) fn can_wait(&self) -> bool {
        match self.kind {
            InputKind::Files { .. } | InputKind::Topic { .. } => true,
            InputKind::Packets { is_live, .. } => !is_live,
            InputKind::Listener { .. } | InputKind::Dummy => false,
        }
    }
}

/// The inputs of the command line, files first.
pub(super) fn inputs(flags: &GivenFlags) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for name in flags.texts("input-file") {
        let (pattern, speed, share) = with_speed("input-file", name)?;
        if pattern.is_empty() {
            let text =
                format!("--input-file {name:?}: the name is empty; expected a file or a quoted pattern");
            return Err(Error::Usage(text));
        }
        let kind = InputKind::Files { pattern, speed, repeats: flags.is("input-file-loop") };
        inputs.push(Input { name: name.to_owned(), kind, share });
    }
    for name in flags.texts("input-raw") {
        let (address, share) = split_share("input-raw", name)?;
        inputs.push(Input { name: name.to_owned(), kind: packets(flags, address)?, share });
    }
    for name in flags.texts("input-tcp") {
        let (address, share) = split_share("input-tcp", name)?;
        check_port("input-tcp", address)?;
        let scheme = if flags.is("input-tcp-secure") { "tls" } else { "tcp" };
        let kind = InputKind::Listener { place: format!("{scheme}://{address}") };
        inputs.push(Input { name: name.to_owned(), kind, share });
    }
    if let Some(brokers) = flags.text("input-kafka-host") {
        let topic = flags
            .text("input-kafka-topic")
            .ok_or_else(|| Error::Usage("--input-kafka-host needs --input-kafka-topic".into()))?;
        let (topic, speed, share) = with_speed("input-kafka-topic", topic)?;
        let offset = match flags.text("input-kafka-offset").unwrap_or("-1") {
            "-1" => "latest".to_owned(),
            "-2" => "earliest".to_owned(),
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => number.to_owned(),
            other => {
                let text = format!(
                    "--input-kafka-offset {other:?}: expected -1 (what comes), -2 (the oldest) or a number"
                );
                return Err(Error::Usage(text));
            }
        };
        let format = if flags.is("input-kafka-json-format") { "json" } else { "gor" };
        let place = format!("kafka://{brokers}/{topic}?offset={offset}&format={format}");
        inputs.push(Input { name: place.clone(), kind: InputKind::Topic { place, speed }, share });
    }
    for name in flags.texts("input-dummy") {
        let (_, share) = split_share("input-dummy", name)?;
        inputs.push(Input { name: "the dummy input".to_owned(), kind: InputKind::Dummy, share });
    }
    Ok(inputs)
}

/// `HOST:PORT` or `:PORT`; the host is looked at when it is needed.
pub(super) fn check_port(flag: &str, address: &str) -> Result<()> {
    let port = address.rsplit_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| port.parse::<u16>().is_ok()) {
        return Ok(());
    }
    Err(Error::Usage(format!("--{flag} {address:?}: expected HOST:PORT, as 127.0.0.1:28020")))
}

/// Our certificate and its key, for senders that want TLS.
pub(super) fn server_tls(flags: &GivenFlags) -> Result<Option<ServerTls>> {
    let certificate = flags.text("input-tcp-certificate").zip(flags.text("input-tcp-certificate-key"));
    match certificate {
        Some((certificate, key)) if flags.is("input-tcp-secure") => {
            Ok(Some(ServerTls { certificate: (certificate.into(), key.into()), client_ca: Vec::new() }))
        }
        None if flags.is("input-tcp-secure") => {
            let text = "--input-tcp-secure needs --input-tcp-certificate and --input-tcp-certificate-key";
            Err(Error::Usage(text.into()))
        }
        _ => Ok(None),
    }
}

/// A name, and the speed or the limit behind it. A file that has such a name is that file.
fn with_speed(flag: &str, name: &str) -> Result<(String, Speed, Option<Share>)> {
    match name.rsplit_once('|') {
        Some((bare, percent)) if percent.ends_with('%') && !Path::new(name).exists() => {
            let speed =
                percent.parse().map_err(|reason| Error::Usage(format!("--{flag} {name:?}: {reason}")))?;
            Ok((bare.to_owned(), speed, None))
        }
        _ => {
            let (bare, share) = split_share(flag, name)?;
            Ok((bare.to_owned(), Speed::RECORDED, share))
        }
    }
}

/// Packets of a network or of a capture file, as a command line of gor-record.
fn packets(flags: &GivenFlags, address: &str) -> Result<InputKind> {
    // GoReplay's own engine, where what only that one has is asked for.
    let needs_libpcap = flags.is("input-raw-monitor") || flags.text("input-raw-timestamp-type").is_some();
    let engine = flags.text("input-raw-engine").or(needs_libpcap.then_some("libpcap"));
    let is_file = engine == Some("pcap_file");
    let mut args = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    if is_file {
        // `FILE:PORT`; the file's name may hold colons itself.
        let (file, port) = address.rsplit_once(':').ok_or_else(|| no_port(address))?;
        add(&["-r", file, &format!(":{port}")]);
    } else {
        if !address.contains(':') {
            return Err(no_port(address));
        }
        // What GoReplay takes for all addresses of this machine is a port alone.
        let (host, ports) = address.rsplit_once(':').unwrap_or(("", address));
        let address = match host {
            "0.0.0.0" | "[::]" | "::" => format!(":{ports}"),
            "localhost" => format!("127.0.0.1:{ports}"),
            _ => address.to_owned(),
        };
        add(&[&address]);
        if let Some(engine) = engine {
            add(&["--engine", engine]);
        }
    }
    if let Some(protocol) = flags.text("input-raw-protocol") {
        add(&["--protocol", protocol]);
    }
    for (flag, option) in
        [("input-raw-track-response", "--responses"), ("input-raw-allow-incomplete", "--allow-incomplete")]
    {
        if flags.is(flag) {
            add(&[option]);
        }
    }
    for (flag, option) in [("input-raw-realip-header", "--real-ip-header"), ("input-raw-bpf-filter", "--bpf")]
    {
        if let Some(value) = flags.text(flag) {
            add(&[option, value]);
        }
    }
    if !is_file {
        for (flag, option) in [("input-raw-promisc", "--promisc"), ("input-raw-monitor", "--monitor")] {
            if flags.is(flag) {
                add(&[option]);
            }
        }
        if let Some(source) = flags.text("input-raw-timestamp-type") {
            add(&["--timestamp-source", source]);
        }
        for name in flags.texts("input-raw-ignore-interface") {
            add(&["--ignore-interface", name]);
        }
        if let Some(size) = flags.number("input-raw-buffer-size").filter(|size| *size > 0) {
            add(&["--buffer-size", &size.to_string()]);
        }
        if let Some(time) = flags.duration("input-raw-buffer-timeout").filter(|time| !time.is_zero()) {
            add(&["--buffer-timeout", &format!("{}ms", time.as_millis().max(1))]);
        }
        if let Some(time) = flags.duration("input-raw-expire") {
            add(&["--expire", &format!("{}ms", time.as_millis().max(1))]);
        }
    }
    for number in flags.numbers("input-raw-vlan-vid") {
        add(&[&format!("--vlan={number}")]);
    }
    if let Some(port) = flags.number("input-raw-vxlan-port").filter(|port| *port != 4789) {
        add(&[&format!("--vxlan-port={port}")]);
    }
    for number in flags.numbers("input-raw-vxlan-vni") {
        add(&[&format!("--vxlan-vni={number}")]);
    }
    if let Some(size) = flags.number("copy-buffer-size") {
        add(&["--max-message", &size.to_string()]);
    }
    Ok(InputKind::Packets { args, is_live: !is_file })
}

/// As GoReplay has it, this is no matter of the command line's form.
fn no_port(address: &str) -> Error {
    Error::Invalid(format!("--input-raw {address:?}: the port is missing, as in :80 or 10.0.0.1:80"))
}
