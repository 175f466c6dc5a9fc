//! What protocol one direction of a connection speaks, by its first bytes.
//!
//! Only sure tests: a few bytes that no other protocol begins with. What is certain of some bytes stays so
//! when more follow.

use memchr::memchr;

use super::head::{request_words, status_words, without_cr};
use super::resync::{KNOWN_METHODS, MAX_START_LINE};
use super::token;

/// What the first bytes of one direction of a connection are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recognised {
    /// An HTTP/1 request, whatever its method.
    Request,
    /// An HTTP/1 response.
    Response,
    /// A TLS record.
    Tls,
    /// An HTTP/2 preface, the client's or the server's (RFC 9113 §3.4).
    Http2,
    /// A PROXY protocol header, version 1 or 2, of so many bytes; what it carries follows it.
    Proxy(usize),
    /// Another protocol, by its usual name.
    Other(&'static str),
    /// Too few bytes to tell.
    NeedMore,
    /// Nothing that is known here.
    Unknown,
}

/// Beginnings that tell by themselves.
const SIGNATURES: [(&[u8], Recognised); 25] = [
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Recognised::Http2),
    (b"SSH-", Recognised::Other("SSH")),
    (b"220 ", Recognised::Other("SMTP or FTP")),
    (b"220-", Recognised::Other("SMTP or FTP")),
    (b"EHLO ", Recognised::Other("SMTP")),
    (b"HELO ", Recognised::Other("SMTP")),
    (b"* OK ", Recognised::Other("IMAP")),
    (b"+OK ", Recognised::Other("POP3")),
    (b"+OK\r\n", Recognised::Other("Redis")),
    (b"+PONG\r\n", Recognised::Other("Redis")),
    (b"AMQP\x00", Recognised::Other("AMQP")),
    (b"AMQP\x01", Recognised::Other("AMQP")),
    (b"AMQP\x02", Recognised::Other("AMQP")),
    (b"AMQP\x03", Recognised::Other("AMQP")),
    (b"RTSP/1.0 ", Recognised::Other("RTSP")),
    (b"RTSP/2.0 ", Recognised::Other("RTSP")),
    (b"SIP/2.0 ", Recognised::Other("SIP")),
    (b"RFB 003.", Recognised::Other("VNC")),
    (b"INFO {\"server_", Recognised::Other("NATS")),
    (b"\x13BitTorrent protocol", Recognised::Other("BitTorrent")),
    (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Recognised::Other("PostgreSQL")),
    (b"\x00\x00\x00\x08\x04\xd2\x16\x30", Recognised::Other("PostgreSQL")),
    (b"\x00\x00\x00\x10\x04\xd2\x16\x2e", Recognised::Other("PostgreSQL")),
    (b"\x3c?xml version", Recognised::Other("XMPP or XML")),
    (b"@RSYNCD: ", Recognised::Other("rsync")),
];

/// The twelve bytes that a PROXY header of version 2 begins with.
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest PROXY header of version 1, in bytes.
const MAX_PROXY_V1: usize = 107;

/// What one test says: `None` that it needs more bytes, `Some(None)` that it is not this.
type ProbeResult = Option<Option<Recognised>>;

/// What the first bytes of one direction of a connection are.
///
/// A request is certain from its method and the `/` after it when the method is a common one, otherwise from
/// its whole line; a response from its status. Empty lines before them are stepped over.
pub fn recognise(bytes: &[u8]) -> Recognised {
    let tests = [signature, tls, http2_settings, proxy, redis, mysql, postgres, mqtt, rdp, smb, mongo, http];
    let mut needs_more = false;
    for test in tests {
        match test(bytes) {
            Some(Some(recognised)) => return recognised,
            Some(None) => {}
            None => needs_more = true,
        }
    }
    if needs_more { Recognised::NeedMore } else { Recognised::Unknown }
}

/// Holds `bytes` against a pattern in which `None` is any byte.
fn matches(bytes: &[u8], pattern: &[Option<u8>], recognised: Recognised) -> ProbeResult {
    let differs = |(byte, wanted): (&u8, &Option<u8>)| wanted.is_some_and(|wanted| wanted != *byte);
    if bytes.iter().zip(pattern).any(differs) {
        Some(None)
    } else {
        (bytes.len() >= pattern.len()).then_some(Some(recognised))
    }
}

fn signature(bytes: &[u8]) -> ProbeResult {
    let mut needs_more = false;
    for (start, recognised) in SIGNATURES {
        if bytes.starts_with(start) {
            return Some(Some(recognised));
        }
        needs_more |= start.starts_with(bytes);
    }
    if needs_more { None } else { Some(None) }
}

/// RFC 8446 §5.1: a content type from 20 to 23, version 3.0 to 3.4, and a length that is possible.
fn tls(bytes: &[u8]) -> ProbeResult {
    let possible = match bytes {
        [] => true,
        [kind, rest @ ..] => {
            (20..=23).contains(kind)
                && rest.first().is_none_or(|&major| major == 3)
                && rest.get(1).is_none_or(|&minor| minor <= 4)
        }
    };
    match bytes {
        _ if !possible => Some(None),
        [_, _, _, high, low, ..] => {
            let length = u16::from_be_bytes([*high, *low]);
            Some((1..=(16 << 10) + 2048).contains(&length).then_some(Recognised::Tls))
        }
        _ => None,
    }
}

/// RFC 9113 §6.5: a SETTINGS frame on stream 0, as a server's preface is.
fn http2_settings(bytes: &[u8]) -> ProbeResult {
    let any = None;
    let zero = Some(0);
    let pattern = [zero, zero, any, Some(4), zero, zero, zero, zero, zero];
    match matches(bytes, &pattern, Recognised::Http2) {
        Some(Some(_)) if !bytes[2].is_multiple_of(6) => Some(None),
        answer => answer,
    }
}

/// The PROXY protocol, <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt> §2.1 and §2.2.
fn proxy(bytes: &[u8]) -> ProbeResult {
    if let Some(rest) = bytes.strip_prefix(PROXY_V2) {
        return match rest {
            [version, ..] if version >> 4 != 2 => Some(None),
            [_, _, high, low, ..] => {
                Some(Some(Recognised::Proxy(16 + usize::from(u16::from_be_bytes([*high, *low])))))
            }
            _ => None,
        };
    }
    let starts = [&b"PROXY TCP4 "[..], b"PROXY TCP6 ", b"PROXY UNKNOWN"];
    if starts.iter().any(|start| bytes.starts_with(start)) {
        let line = &bytes[..bytes.len().min(MAX_PROXY_V1)];
        return match memchr(b'\n', line) {
            Some(end) => Some((line[end - 1] == b'\r').then_some(Recognised::Proxy(end + 1))),
            None if line.len() == MAX_PROXY_V1 => Some(None),
            None => None,
        };
    }
    let may_become = PROXY_V2.starts_with(bytes) || starts.iter().any(|start| start.starts_with(bytes));
    if may_become { None } else { Some(None) }
}

/// An array of bulk strings, as every Redis client sends.
fn redis(bytes: &[u8]) -> ProbeResult {
    let Some(rest) = bytes.strip_prefix(b"*") else { return no_unless_empty(bytes) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let expected = b"\r\n$";
    match &rest[digits..] {
        _ if digits > 7 => Some(None),
        after if digits > 0 && after.starts_with(expected) => Some(Some(Recognised::Other("Redis"))),
        [] => None,
        after if digits > 0 && expected.starts_with(after) => None,
        _ => Some(None),
    }
}

/// The server's greeting: packet 0, protocol version 10, a version that begins with a digit.
fn mysql(bytes: &[u8]) -> ProbeResult {
    let pattern = [None, None, Some(0), Some(0), Some(10), None];
    match matches(bytes, &pattern, Recognised::Other("MySQL")) {
        Some(Some(_)) if !bytes[5].is_ascii_digit() => Some(None),
        answer => answer,
    }
}

/// A start-up message of protocol 3.0, the first of whose parameters follows at once.
fn postgres(bytes: &[u8]) -> ProbeResult {
    let zero = Some(0);
    matches(bytes, &[zero, zero, None, None, zero, Some(3), zero, zero], Recognised::Other("PostgreSQL"))
}

/// A CONNECT packet: a remaining length of one to four bytes, then the protocol's name.
fn mqtt(bytes: &[u8]) -> ProbeResult {
    let Some(rest) = bytes.strip_prefix(b"\x10") else { return no_unless_empty(bytes) };
    let more = rest.iter().take(4).take_while(|&&byte| byte >= 0x80).count();
    if more == 4 {
        return Some(None);
    }
    let (_, name) = rest.split_at_checked(more + 1)?;
    let names: [&[u8]; 2] = [b"\x00\x04MQTT", b"\x00\x06MQIsdp"];
    match names {
        names if names.iter().any(|known| name.starts_with(known)) => Some(Some(Recognised::Other("MQTT"))),
        names if names.iter().any(|known| known.starts_with(name)) => None,
        _ => Some(None),
    }
}

/// TPKT version 3 around an X.224 connection request or confirm.
fn rdp(bytes: &[u8]) -> ProbeResult {
    let request = [Some(3), Some(0), Some(0), None, None, Some(0xe0)];
    let confirm = [Some(3), Some(0), Some(0), None, None, Some(0xd0)];
    let recognised = Recognised::Other("RDP");
    match matches(bytes, &request, recognised) {
        Some(None) => matches(bytes, &confirm, recognised),
        answer => answer,
    }
}

/// A `NetBIOS` session message around SMB 1, 2 or 3.
fn smb(bytes: &[u8]) -> ProbeResult {
    let pattern = [Some(0), None, None, None, None, Some(b'S'), Some(b'M'), Some(b'B')];
    match matches(bytes, &pattern, Recognised::Other("SMB")) {
        Some(Some(_)) if !(0xfd..=0xff).contains(&bytes[4]) => Some(None),
        answer => answer,
    }
}

/// The operation code of `MongoDB`'s messages, at its place in the header of a first request.
fn mongo(bytes: &[u8]) -> ProbeResult {
    let recognised = Recognised::Other("MongoDB");
    let mut pattern = [None; 16];
    pattern[3] = Some(0);
    pattern[8..12].fill(Some(0));
    let mut needs_more = false;
    for code in [2013_u32, 2004] {
        for (place, byte) in pattern[12..].iter_mut().zip(code.to_le_bytes()) {
            *place = Some(byte);
        }
        match matches(bytes, &pattern, recognised) {
            Some(None) => {}
            Some(found) => return Some(found),
            None => needs_more = true,
        }
    }
    if needs_more { None } else { Some(None) }
}

/// HTTP/1, and what looks like it.
fn http(bytes: &[u8]) -> ProbeResult {
    let bytes = &bytes[token::empty_lines(bytes)..];
    if matches!(bytes, [] | [b'\r']) {
        return None;
    }
    let version = b"HTTP/1.";
    if bytes.starts_with(version) || version.starts_with(bytes) {
        let start = &bytes[..bytes.len().min(12)];
        let is_status = status_words(start).is_some_and(|words| token::is_version(words.version));
        return match start.len() {
            12 => Some(is_status.then_some(Recognised::Response)),
            _ => None,
        };
    }
    let method = &bytes[..memchr(b' ', bytes).unwrap_or(bytes.len()).min(super::framing::MAX_METHOD + 1)];
    if !token::is_token(method) || method.len() > super::framing::MAX_METHOD {
        return Some(None);
    }
    if KNOWN_METHODS.contains(&method) && bytes.get(method.len() + 1) == Some(&b'/') {
        return Some(Some(Recognised::Request));
    }
    let Some(end) = memchr(b'\n', &bytes[..bytes.len().min(MAX_START_LINE)]) else {
        return if bytes.len() < MAX_START_LINE { None } else { Some(None) };
    };
    let line = without_cr(&bytes[..end]);
    let words = request_words(line);
    Some(match words.map(|words| words.version) {
        Some(version) if token::is_version(version) => Some(Recognised::Request),
        _ if line.ends_with(b" RTSP/1.0") || line.ends_with(b" RTSP/2.0") => Some(Recognised::Other("RTSP")),
        _ if line.ends_with(b" SIP/2.0") => Some(Recognised::Other("SIP")),
        _ => None,
    })
}

/// Not this, unless there are no bytes at all.
fn no_unless_empty(bytes: &[u8]) -> ProbeResult {
    if bytes.is_empty() { None } else { Some(None) }
}

#[cfg(test)]
mod tests;
