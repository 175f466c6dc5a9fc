//! The records of a line of a log.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::entry::LogEntry;
use crate::http::{is_token, query};
use crate::interchange::remarks::Remarks;
use crate::record::{Kind, Mark, Record};

/// Stands for the client's port in ids where the log has none. Systems take higher ones for clients by themselves.
const NO_PORT: u16 = 1024;

/// What ids of clients with long addresses have for a port: from [`NO_PORT`] on so many.
const PORTS: u16 = 31 << 10;

/// What stands for the host where the log has none.
const NO_HOST: &[u8] = b"localhost";

/// Makes records of lines.
#[derive(Debug, Default)]
pub(super) struct LogRecords {
    /// Added to the numbers of lines, so that other logs have other ids: made of the first line.
    salt: Option<u32>,
    pub(super) remarks: Remarks,
    /// Whether some time so far is finer than a second.
    pub(super) has_fractions: bool,
    /// Whether requests of the same second stay together, which is told.
    keeps_seconds: bool,
    /// The time of the latest line.
    latest: Option<i64>,
}

/// The records of a line.
#[derive(Debug, Default)]
pub(super) struct LoggedExchange {
    pub(super) request: Record,
    pub(super) response: Option<Record>,
}

impl LogRecords {
    /// Makes records of which those of the same second stay together.
    pub(super) fn keeping_seconds() -> Self {
        LogRecords { keeps_seconds: true, ..LogRecords::default() }
    }

    /// The records of the line of this number. None: no HTTP request came, as a line may tell as well.
    pub(super) fn of(
        &mut self,
        entry: &LogEntry<'_>,
        line: &[u8],
        number: u64,
    ) -> Result<Option<LoggedExchange>, &'static str> {
        let time = entry.time.ok_or("it has no time")?;
        if entry.request.is_none() && (entry.method.is_none() != entry.target.is_none()) {
            return Err("it has only a part of a request");
        }
        // Of no line is it known before whether it is the first that is valid.
        let salt = *self.salt.get_or_insert_with(|| four_bytes(line));
        let Some(start) = WrittenRequestLine::of(entry) else {
            self.remarks.count("line without an HTTP request", "lines without an HTTP request");
            return Ok(None);
        };
        self.has_fractions |= !time.is_whole;
        let is_same_second = self.latest.replace(time.nanoseconds) == Some(time.nanoseconds);
        if self.keeps_seconds && is_same_second && !self.has_fractions {
            self.remarks.count(
                "fraction of a second (requests of the same second come at once; those of a file are spread)",
                "fractions of seconds (requests of the same second come at once; those of a file are spread)",
            );
        }
        if time.lacks_zone {
            self.remarks.count("time without a zone (taken as UTC)", "times without a zone (taken as UTC)");
        }
        if start.is_converted {
            self.remarks.count(
                "request of another version of HTTP (written as HTTP/1.1)",
                "requests of other versions of HTTP (written as HTTP/1.1)",
            );
        }
        if entry.has_user {
            self.remarks.count("request's credentials", "requests' credentials");
        }
        if entry.has_more {
            self.remarks.count("line's text behind the known fields", "lines' text behind the known fields");
        }
        // Whole seconds are not exact enough to go back from, and lines of a second are to keep their order.
        let is_end = !entry.is_start && !time.is_whole;
        let before = entry.duration.filter(|_| is_end).unwrap_or(0);
        let request = Record {
            kind: Kind::Request,
            id: id(entry, salt.wrapping_add(number as u32)),
            timestamp: time.nanoseconds.saturating_sub(before),
            latency: Some(0),
            mark: self.lacks_body(entry, &start).then_some(Mark::Cut),
            payload: self.request(entry, &start),
            ..Record::default()
        };
        let response = entry.status.filter(|status| *status >= 100).map(|status| Record {
            kind: Kind::Response,
            id: request.id.clone(),
            timestamp: request.timestamp.saturating_add(entry.duration.unwrap_or(0)),
            latency: Some(0),
            mark: Some(Mark::Cut),
            payload: self.response(entry, &start, status),
            ..Record::default()
        });
        if response.is_some() && entry.duration.is_none() {
            self.remarks.count(
                "duration (the response has the time of its request)",
                "durations (the responses have the times of their requests)",
            );
        }
        Ok(Some(LoggedExchange { request, response }))
    }

    /// Whether the request had a body, as far as can be told. Logs have none.
    fn lacks_body(&mut self, entry: &LogEntry<'_>, start: &WrittenRequestLine) -> bool {
        let header = |name: &str| {
            entry
                .headers
                .iter()
                .find(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| &**value)
        };
        let length =
            header("content-length").and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
        let may_have = matches!(&*start.method, b"POST" | b"PUT" | b"PATCH");
        let lacks = match length.or(entry.request_size.filter(|_| !may_have)) {
            Some(0) => header("transfer-encoding").is_some(),
            Some(_) => true,
            None => may_have || header("transfer-encoding").is_some(),
        };
        if lacks {
            self.remarks.count(
                "body of a request (it is marked as cut and not replayed)",
                "bodies of requests (these are marked as cut and not replayed)",
            );
        }
        lacks
    }

    fn request(&mut self, entry: &LogEntry<'_>, start: &WrittenRequestLine) -> Vec<u8> {
        let mut out = [&*start.method, b" ", &start.target, b" ", start.version, b"\r\nHost: "].concat();
        let named = entry.host.as_ref().map(|(_, host)| &**host).or(start.host.as_deref());
        let host = named.filter(|host| is_value(host) && !host.contains(&b' '));
        if host.is_none() {
            self.remarks.count("host (localhost is written)", "hosts (localhost is written)");
        }
        out.extend_from_slice(host.unwrap_or(NO_HOST));
        out.extend_from_slice(b"\r\n");
        for (number, (name, value)) in entry.headers.iter().enumerate() {
            // Two keys may have the same header.
            let is_repeated =
                || entry.headers[..number].iter().any(|before| before.0.eq_ignore_ascii_case(name));
            let is_single = ["user-agent", "referer"].iter().any(|single| name.eq_ignore_ascii_case(single));
            let is_left_out = name.eq_ignore_ascii_case("host") || is_single && is_repeated();
            if !is_left_out {
                self.add_header(name, value, &mut out);
            }
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    fn response(&mut self, entry: &LogEntry<'_>, start: &WrittenRequestLine, status: u16) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {status} \r\n").into_bytes();
        let may_have_body = &*start.method != b"HEAD" && !matches!(status, 100..=199 | 204 | 304);
        for (name, value) in &entry.response_headers {
            // The size that was sent is surer.
            let is_length =
                name.eq_ignore_ascii_case("content-length") && may_have_body && entry.size.is_some();
            if !is_length && !name.eq_ignore_ascii_case("transfer-encoding") {
                self.add_header(name, value, &mut out);
            }
        }
        if may_have_body {
            if let Some(size) = entry.size {
                out.extend_from_slice(format!("Content-Length: {size}\r\n").as_bytes());
            }
            if entry.size != Some(0) {
                self.remarks.count("body of a response", "bodies of responses");
            }
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    fn add_header(&mut self, name: &str, value: &[u8], out: &mut Vec<u8>) {
        if !is_token(name.as_bytes()) || !is_value(value) {
            self.remarks.count("header that HTTP/1.1 does not allow", "headers that HTTP/1.1 does not allow");
            return;
        }
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}

/// The request line that is written.
#[derive(Debug)]
struct WrittenRequestLine {
    method: Vec<u8>,
    target: Vec<u8>,
    version: &'static [u8],
    /// Whether it was another version.
    is_converted: bool,
    /// Of a target that is a URL.
    host: Option<Vec<u8>>,
}

impl WrittenRequestLine {
    /// None: there was no HTTP request, or none that could be written.
    fn of(entry: &LogEntry<'_>) -> Option<Self> {
        let (method, target, version) = if let Some(line) = &entry.request {
            let (method, rest) = line.split_at(memchr::memchr(b' ', line)?);
            let (target, version) = rest[1..].split_at(memchr::memrchr(b' ', &rest[1..])?);
            (method, target.to_vec(), &version[1..])
        } else {
            let mut target = entry.target.as_ref()?.to_vec();
            if let Some(query) = entry.query.as_ref().filter(|_| !target.contains(&b'?')) {
                target.push(b'?');
                target.extend_from_slice(query.strip_prefix(b"?").unwrap_or(query));
            }
            // Some have the scheme here, or a name as h2.
            let version = entry.protocol.as_deref().filter(|version| version.starts_with(b"HTTP/"));
            let version = match (version, entry.protocol.as_deref()) {
                (Some(version), _) => version,
                (None, Some(b"h2" | b"h3")) => b"HTTP/2",
                (None, _) => b"HTTP/1.1",
            };
            (&**entry.method.as_ref()?, written(&target), version)
        };
        let host = query::authority(&target).map(|authority| {
            let host = &target[authority];
            host.rsplit(|byte| *byte == b'@').next().unwrap_or(host).to_vec()
        });
        let mut target = target;
        if entry.request.is_none() && host.is_some() {
            // A URL of a log is no request to a proxy.
            target = query::path_and_query(&target).to_vec();
            if !target.starts_with(b"/") {
                target.insert(0, b'/');
            }
        }
        let (version, is_converted): (&'static [u8], bool) = match version {
            b"HTTP/1.1" => (b"HTTP/1.1", false),
            b"HTTP/1.0" => (b"HTTP/1.0", false),
            b"HTTP/2" | b"HTTP/2.0" | b"HTTP/3" | b"HTTP/3.0" => (b"HTTP/1.1", true),
            _ => return None,
        };
        let is_target = !target.is_empty() && target.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
        (is_token(method) && is_target).then(|| WrittenRequestLine {
            method: method.to_vec(),
            target,
            version,
            is_converted,
            host,
        })
    }
}

/// A target with everything encoded that a request line cannot hold.
fn written(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len());
    for &byte in target {
        if byte.is_ascii_graphic() {
            out.push(byte);
        } else {
            out.extend(format!("%{byte:02X}").bytes());
        }
    }
    out
}

/// Whether a header may have this value.
fn is_value(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// The id of an exchange: of ports, client and number, as recorders make it.
fn id(entry: &LogEntry<'_>, number: u32) -> Vec<u8> {
    let client = entry.client.as_deref().unwrap_or_default();
    let text = std::str::from_utf8(client).unwrap_or_default();
    // An address with a port has that behind it.
    let with_port = text.parse::<std::net::SocketAddr>().ok();
    let address = with_port.map(|client| client.ip()).or_else(|| text.parse::<IpAddr>().ok());
    let port = entry.client_port.or(with_port.map(|client| client.port())).filter(|port| *port > 0);
    let (address, port) = match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => (address.to_bits(), port.unwrap_or(NO_PORT)),
        Some(IpAddr::V6(address)) => {
            // The last bytes of several clients are often the same.
            let bits = address.to_bits();
            let folded = (1..8).fold(0_u16, |all, word| all.rotate_left(5) ^ (bits >> (16 * word)) as u16);
            (bits as u32, port.unwrap_or(NO_PORT + folded % PORTS))
        }
        None if client.is_empty() => (0, port.unwrap_or(NO_PORT)),
        None => (four_bytes(client), port.unwrap_or(NO_PORT)),
    };
    let server = entry.server_port.unwrap_or(if entry.is_https { 443 } else { 80 });
    format!("{port:04x}{server:04x}{address:08x}{number:08x}").into_bytes()
}

/// A number that is the same for the same text.
fn four_bytes(text: &[u8]) -> u32 {
    let digest = Sha256::digest(text);
    digest.first_chunk().map_or(0, |four| u32::from_be_bytes(*four))
}
