//! An entry of a HAR file as records.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{Encoding, UTF_8};
use jiff::Timestamp;

use super::har::{HarContent, HarEntry, HarNameValue, HarPostData, HarResponse, nanoseconds};
use super::jsonl::has_true_header;
use super::remarks::Remarks;
use crate::http::{is_token, query};
use crate::record::{Block, Kind, Mark, Record};

/// Connections told apart at once; more than the ports of one address there are not.
const MAX_CONNECTIONS: usize = 60_000;

/// Bytes of the byte order mark of UTF-8.
const BYTE_ORDER_MARK: f64 = 3.0;

/// Names of fields that are about how a body was sent. Bodies in HAR files are decoded.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "content-encoding"];

/// Makes records of entries.
#[derive(Debug, Default)]
pub(super) struct HarRecords {
    connections: HashMap<String, u16>,
    entries: u32,
    /// The id of the latest entry, where the file has it.
    latest: Vec<u8>,
    /// What records cannot hold.
    pub(super) remarks: Remarks,
}

/// A body, and whether some of it is missing.
#[derive(Debug, Default)]
struct EntryBody {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl HarRecords {
    /// Adds the records of an entry. An error says why it has none.
    pub(super) fn add(&mut self, entry: &HarEntry, block: &mut Block) -> Result<(), &'static str> {
        let url = entry.request.url.as_bytes();
        let scheme = entry.request.url.split(':').next().unwrap_or_default();
        let (Some(authority), Some(port)) = (query::authority(url), port_of(scheme)) else {
            self.remarks.count(
                "entry whose URL is not of http, https, ws or wss",
                "entries whose URLs are not of http, https, ws or wss",
            );
            return Ok(());
        };
        let host = &entry.request.url[authority];
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let start: Timestamp =
            entry.started_date_time.parse().map_err(|_| "startedDateTime is not a time with a zone")?;
        let start = i64::try_from(start.as_nanosecond()).map_err(|_| "startedDateTime is out of range")?;
        let target = query::path_and_query(url);
        let target = target.split(|&byte| byte == b'#').next().unwrap_or_default();
        let target = std::str::from_utf8(target).unwrap_or_default();
        let timings = &entry.timings;
        let before = [timings.blocked, timings.dns, timings.connect]
            .map(nanoseconds)
            .iter()
            .fold(0, |sum, &part| i64::saturating_add(sum, part));
        let send = nanoseconds(timings.send);
        let mut request = Record {
            kind: Kind::Request,
            id: self.id(entry, host, port),
            timestamp: start.saturating_add(before),
            latency: Some(send),
            ..Record::default()
        };
        self.write_request(entry, host, target, &mut request)?;
        if !has_true_header(&request) {
            return Err("_id is not the id of a record");
        }
        let wait = nanoseconds(timings.wait);
        let response = match &entry.response {
            Some(response) if (100.0..1000.0).contains(&response.status) => {
                let is_replayed = entry.is_replayed == Some(true);
                let mut record = Record {
                    kind: if is_replayed { Kind::Replayed } else { Kind::Response },
                    id: request.id.clone(),
                    timestamp: request.timestamp.saturating_add(send).saturating_add(wait),
                    latency: Some(nanoseconds(timings.receive)),
                    ..Record::default()
                };
                if is_replayed {
                    // Of these the time is when the request was sent, and the latency that of both.
                    record.timestamp = request.timestamp;
                    record.latency =
                        Some(send.saturating_add(wait).saturating_add(nanoseconds(timings.receive)));
                } else if timings.wait.is_none() {
                    record.timestamp = start.saturating_add(nanoseconds(entry.time)).max(request.timestamp);
                }
                self.write_response(&entry.request.method, response, &mut record)?;
                Some(record)
            }
            _ => {
                self.remarks.count("request without response", "requests without responses");
                None
            }
        };
        if !entry.frames.is_empty() {
            self.remarks.count("connection's WebSocket messages", "connections' WebSocket messages");
        }
        // Writers here give the response of a replay an entry of its own, behind that of the recorded one.
        let is_again = response.as_ref().is_some_and(|response| response.kind == Kind::Replayed)
            && entry.id.is_some()
            && self.latest == request.id;
        for record in Some(&request).filter(|_| !is_again).into_iter().chain(&response) {
            block.push(&record.header(), &record.payload);
        }
        self.latest = entry.id.as_ref().map(|_| request.id).unwrap_or_default();
        Ok(())
    }

    /// The id of the entry's records: what the file says, or a number for the connection and one for the exchange. The
    /// address is none, as the file does not have the client's.
    fn id(&mut self, entry: &HarEntry, host: &str, port: u16) -> Vec<u8> {
        let number = self.entries;
        self.entries = number.wrapping_add(1);
        if let Some(id) = &entry.id {
            return id.to_string().into_bytes();
        }
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(port);
        let connection = entry.connection.as_ref().map(ToString::to_string).unwrap_or_default();
        if self.connections.len() >= MAX_CONNECTIONS {
            self.connections.clear();
        }
        let next = self.connections.len() as u16 + 1;
        let client = *self.connections.entry(format!("{host} {connection}")).or_insert(next);
        format!("{client:04x}{port:04x}{:08x}{number:08x}", 0).into_bytes()
    }

    fn write_request(
        &mut self,
        entry: &HarEntry,
        host: &str,
        target: &str,
        record: &mut Record,
    ) -> Result<(), &'static str> {
        let request = &entry.request;
        if !is_token(request.method.as_bytes()) || target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("method or url is not of HTTP");
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        let version = self.version(&request.http_version);
        let EntryBody { bytes, is_cut } = match &request.post_data {
            Some(data) => self.post_data(data),
            None if request.body_size.is_some_and(|size| size > 0.0) => self.missing(),
            None => EntryBody::default(),
        };
        record.mark = is_cut.then_some(Mark::Cut);
        let out = &mut record.payload;
        out.extend_from_slice(format!("{} {slash}{target} {version}\r\n", request.method).as_bytes());
        let is_host = |field: &&HarNameValue| {
            [":authority", "host"].iter().any(|name| field.name.eq_ignore_ascii_case(name))
        };
        let named = request.headers.iter().find(is_host).and_then(|field| field.value.as_deref());
        out.extend_from_slice(format!("Host: {}\r\n", named.unwrap_or(host)).as_bytes());
        let others = request.headers.iter().filter(|field| !is_host(field));
        let has_length =
            request.headers.iter().any(|field| field.name.eq_ignore_ascii_case("content-length"));
        self.write_fields(others, out)?;
        if !bytes.is_empty() || has_length || is_cut {
            let size = if is_cut {
                request.body_size.unwrap_or(0.0).max(bytes.len() as f64 + 1.0) as usize
            } else {
                bytes.len()
            };
            out.extend_from_slice(format!("Content-Length: {size}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&bytes);
        if named.is_some_and(|host| host.bytes().any(|byte| byte < b' ')) {
            return Err("a header has a line end in it");
        }
        Ok(())
    }

    fn write_response(
        &mut self,
        method: &str,
        response: &HarResponse,
        record: &mut Record,
    ) -> Result<(), &'static str> {
        let version = self.version(&response.http_version);
        let reason = response.status_text.as_deref().unwrap_or_default();
        if reason.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err("statusText has a line end in it");
        }
        let status = response.status as u16;
        let out = &mut record.payload;
        out.extend_from_slice(format!("{version} {status:03} {reason}\r\n").as_bytes());
        // These have no body, whatever length they tell.
        let has_none = method == "HEAD" || status < 200 || matches!(status, 204 | 304);
        let EntryBody { bytes, is_cut } =
            if has_none { EntryBody::default() } else { self.content(&response.content) };
        record.mark = is_cut.then_some(Mark::Cut);
        self.write_fields(response.headers.iter(), out)?;
        if has_none {
            for field in
                response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("content-length"))
            {
                if let Some(length) = field.value.as_ref().filter(|_| method == "HEAD" || status == 304) {
                    let length: u64 = length.trim().parse().map_err(|_| "Content-Length is not a number")?;
                    out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
                }
            }
        } else {
            let size = if is_cut {
                response.content.size.unwrap_or(0.0).max(bytes.len() as f64 + 1.0) as usize
            } else {
                bytes.len()
            };
            out.extend_from_slice(format!("Content-Length: {size}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&bytes);
        Ok(())
    }

    /// Writes fields, but for pseudo fields of HTTP/2 and those about framing.
    fn write_fields<'a>(
        &mut self,
        fields: impl Iterator<Item = &'a HarNameValue>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        for HarNameValue { name, value } in fields {
            if name.starts_with(':') || FRAMING.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                if name.eq_ignore_ascii_case("content-encoding") {
                    self.remarks.count("content coding of a body", "content codings of bodies");
                }
                continue;
            }
            if !is_token(name.as_bytes()) {
                return Err("the name of a header is not of HTTP");
            }
            // Chromium joins the values of several fields of one name by line feeds.
            for value in value.as_deref().unwrap_or_default().split('\n') {
                if value.contains('\r') {
                    return Err("a header has a line end in it");
                }
                out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
        }
        Ok(())
    }

    fn version(&mut self, version: &str) -> &'static str {
        match version.to_ascii_lowercase().as_str() {
            "http/1.0" => "HTTP/1.0",
            "http/1.1" | "" | "unknown" => "HTTP/1.1",
            _ => {
                self.remarks.count(
                    "message of HTTP/2 or HTTP/3, now HTTP/1.1",
                    "messages of HTTP/2 or HTTP/3, now HTTP/1.1",
                );
                "HTTP/1.1"
            }
        }
    }

    fn post_data(&mut self, data: &HarPostData) -> EntryBody {
        if let Some(text) = &data.text {
            return self.decoded(text, data.encoding.as_deref(), &data.mime_type);
        }
        if data.params.is_empty() {
            return EntryBody::default();
        }
        if !data.mime_type.starts_with("application/x-www-form-urlencoded") {
            return self.missing();
        }
        let pair =
            |field: &HarNameValue| format!("{}={}", field.name, field.value.as_deref().unwrap_or_default());
        // Browsers keep them as they were sent.
        let form = data.params.iter().map(pair).collect::<Vec<_>>().join("&");
        EntryBody { bytes: form.into_bytes(), is_cut: false }
    }

    fn content(&mut self, content: &HarContent) -> EntryBody {
        let size = content.size.unwrap_or(0.0);
        let Some(text) = &content.text else {
            return if size > 0.0 { self.missing() } else { EntryBody::default() };
        };
        let mime_type = content.mime_type.as_deref().unwrap_or_default();
        let mut body = self.decoded(text, content.encoding.as_deref(), mime_type);
        // Of text in UTF-8 no more than the byte order mark is left out.
        let left_out = match content.encoding.as_deref() {
            Some("base64") => 0.0,
            _ if charset(mime_type).is_none_or(|charset| charset == UTF_8) => BYTE_ORDER_MARK,
            _ => f64::INFINITY,
        };
        if !body.is_cut && (body.bytes.len() as f64) + left_out < size {
            body.is_cut = true;
            self.remarks.count(
                "end of a body that the file has not whole",
                "ends of bodies that the file has not whole",
            );
        }
        body
    }

    /// The bytes of a text. Text in another charset than UTF-8 was decoded from that.
    fn decoded(&mut self, text: &str, encoding: Option<&str>, mime_type: &str) -> EntryBody {
        match encoding {
            Some("base64") => {
                if let Ok(bytes) = STANDARD.decode(text.trim_ascii()) {
                    return EntryBody { bytes, is_cut: false };
                }
                self.remarks.count(
                    "body that is not the base64 that the file calls it",
                    "bodies that are not the base64 that the file calls them",
                );
                EntryBody { bytes: Vec::new(), is_cut: true }
            }
            Some(other) if !other.is_empty() => {
                self.remarks.count(
                    "body in an encoding that HAR does not have",
                    "bodies in encodings that HAR does not have",
                );
                EntryBody { bytes: Vec::new(), is_cut: true }
            }
            _ => {
                let charset = charset(mime_type).filter(|charset| *charset != UTF_8 && !text.is_ascii());
                let Some(charset) = charset else {
                    return EntryBody { bytes: text.as_bytes().to_vec(), is_cut: false };
                };
                let (bytes, used, has_others) = charset.encode(text);
                if used != charset || has_others {
                    self.remarks.count(
                        "body that is UTF-8 now, unlike its Content-Type",
                        "bodies that are UTF-8 now, unlike their Content-Type",
                    );
                    return EntryBody { bytes: text.as_bytes().to_vec(), is_cut: false };
                }
                EntryBody { bytes: bytes.into_owned(), is_cut: false }
            }
        }
    }

    fn missing(&mut self) -> EntryBody {
        self.remarks.count("body that the file does not have", "bodies that the file does not have");
        EntryBody { bytes: Vec::new(), is_cut: true }
    }
}

/// The port that a scheme means.
fn port_of(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// The charset that a Content-Type names, if it is known.
pub(super) fn charset(mime_type: &str) -> Option<&'static Encoding> {
    let parameters = mime_type.split(';').skip(1);
    let values = parameters.filter_map(|parameter| parameter.split_once('='));
    let mut charsets = values.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let (_, label) = charsets.next()?;
    Encoding::for_label(label.trim().trim_matches('"').as_bytes())
}
