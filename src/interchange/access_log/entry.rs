//! What a line of a log says of an exchange, gathered field by field.

use std::borrow::Cow;

use super::time::{LogTime, duration, moment};

/// Nanoseconds of a second.
pub(super) const SECOND: f64 = 1e9;

/// What a field of a log means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LogField {
    /// The client's address, or its name, perhaps with a port.
    Client,
    ClientPort,
    ServerPort,
    /// When the line was written: after the response, unless the log has no finer time than seconds.
    Time,
    /// When the request came.
    Start,
    /// How long the exchange took, in units of so many nanoseconds.
    Duration(f64),
    /// The request line.
    Request,
    Method,
    /// The target of the request: path and query, or a URL.
    Target,
    /// The path, decoded.
    Path,
    Query,
    Protocol,
    Scheme,
    Status,
    /// Bytes of the response's body.
    Size,
    /// Bytes of the request's body.
    RequestSize,
    /// The host that was asked. Of several that with the highest rank counts.
    Host(u8),
    User,
    Header(String),
    ResponseHeader(String),
}

impl LogField {
    /// The field of a variable of nginx, without the dollar sign.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "remote_addr" => LogField::Client,
            "remote_port" => LogField::ClientPort,
            "server_port" => LogField::ServerPort,
            "time_local" | "time_iso8601" | "msec" => LogField::Time,
            "request_time" => LogField::Duration(SECOND),
            "request" => LogField::Request,
            "request_method" => LogField::Method,
            "request_uri" => LogField::Target,
            "uri" | "document_uri" => LogField::Path,
            "args" | "query_string" => LogField::Query,
            "server_protocol" => LogField::Protocol,
            "scheme" => LogField::Scheme,
            "status" => LogField::Status,
            "body_bytes_sent" => LogField::Size,
            "http_host" => LogField::Host(3),
            "host" => LogField::Host(2),
            "server_name" => LogField::Host(1),
            "remote_user" => LogField::User,
            "content_length" => LogField::Header("Content-Length".to_owned()),
            "content_type" => LogField::Header("Content-Type".to_owned()),
            _ => match (name.strip_prefix("http_"), name.strip_prefix("sent_http_")) {
                (Some(header), _) => LogField::Header(header_name(header)),
                (_, Some(header)) => LogField::ResponseHeader(header_name(header)),
                _ => return None,
            },
        })
    }
}

/// `user_agent` as `User-Agent`.
pub(super) fn header_name(variable: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + rest
    };
    variable.split(['_', '-']).map(capital).collect::<Vec<_>>().join("-")
}

type LogText<'a> = Cow<'a, [u8]>;

/// An exchange as a line tells it.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is something that the line says")]
pub(super) struct LogEntry<'a> {
    pub(super) client: Option<LogText<'a>>,
    pub(super) client_port: Option<u16>,
    pub(super) server_port: Option<u16>,
    pub(super) time: Option<LogTime>,
    pub(super) is_start: bool,
    pub(super) duration: Option<i64>,
    pub(super) request: Option<LogText<'a>>,
    pub(super) method: Option<LogText<'a>>,
    pub(super) target: Option<LogText<'a>>,
    pub(super) query: Option<LogText<'a>>,
    pub(super) protocol: Option<LogText<'a>>,
    pub(super) is_https: bool,
    pub(super) status: Option<u16>,
    pub(super) size: Option<u64>,
    pub(super) request_size: Option<u64>,
    pub(super) host: Option<(u8, LogText<'a>)>,
    pub(super) has_user: bool,
    pub(super) headers: Vec<(Cow<'a, str>, LogText<'a>)>,
    pub(super) response_headers: Vec<(Cow<'a, str>, LogText<'a>)>,
    /// Whether text follows the last field that is known.
    pub(super) has_more: bool,
}

impl<'a> LogEntry<'a> {
    /// Takes a value. An error says what is wrong with it. A hyphen and nothing at all mean that there is no value.
    pub(super) fn set(&mut self, field: &'a LogField, value: LogText<'a>) -> Result<(), &'static str> {
        if matches!(&*value, b"" | b"-") {
            return Ok(());
        }
        let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<u64>().ok();
        match field {
            LogField::Client => self.client = Some(value),
            LogField::ClientPort => self.client_port = number(&value).and_then(|port| port.try_into().ok()),
            LogField::ServerPort => self.server_port = number(&value).and_then(|port| port.try_into().ok()),
            LogField::Time => self.add_time(&value, false)?,
            LogField::Start => self.add_time(&value, true)?,
            LogField::Duration(unit) => self.duration = duration(&value, *unit),
            LogField::Request => self.request = Some(value),
            LogField::Method => self.method = Some(value),
            LogField::Target => self.target = Some(value),
            LogField::Path => {
                self.target.get_or_insert_with(|| Cow::Owned(percent_encoded(&value)));
            }
            LogField::Query => self.query = Some(value),
            LogField::Protocol => self.protocol = Some(value),
            LogField::Scheme => self.is_https = value.eq_ignore_ascii_case(b"https"),
            LogField::Status => {
                let status = number(&value).and_then(|status| u16::try_from(status).ok());
                let status = status
                    .filter(|status| *status < 1000)
                    .ok_or("the status is not a number of three digits")?;
                self.status = Some(status);
            }
            LogField::Size => self.size = Some(number(&value).ok_or("the size is not a number")?),
            LogField::RequestSize => self.request_size = number(&value),
            LogField::Host(rank) => {
                if self.host.as_ref().is_none_or(|(other, _)| rank > other) {
                    self.host = Some((*rank, value));
                }
            }
            LogField::User => self.has_user = true,
            LogField::Header(name) => self.headers.push((Cow::Borrowed(name), value)),
            LogField::ResponseHeader(name) => self.response_headers.push((Cow::Borrowed(name), value)),
        }
        Ok(())
    }

    /// Of several times that of the beginning counts, then one with a fraction of the second.
    fn add_time(&mut self, value: &[u8], is_start: bool) -> Result<(), &'static str> {
        let time = moment(value).ok_or("the time is in no form that is known")?;
        let is_better = |other: LogTime| (is_start, !time.is_whole) > (self.is_start, !other.is_whole);
        if self.time.is_none_or(is_better) {
            (self.time, self.is_start) = (Some(time), is_start);
        }
        Ok(())
    }
}

/// A decoded path as it may stand in a request line.
fn percent_encoded(path: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_graphic() && !b"%?#\"<>".contains(&byte) {
            out.push(byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    out
}
