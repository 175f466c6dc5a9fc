//! GoReplay's document: an exchange in strings.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::http::Head;

/// Fields of requests, and their names in the document.
const OF_REQUEST: [(&str, &[u8]); 7] = [
    ("Req_User-Agent", b"User-Agent"),
    ("Req_Accept-Language", b"Accept-Language"),
    ("Req_Accept", b"Accept"),
    ("Req_Accept-Encoding", b"Accept-Encoding"),
    ("Req_If-Modified-Since", b"If-Modified-Since"),
    ("Req_Connection", b"Connection"),
    ("Req_Cookies", b"Cookie"),
];

/// The same of responses.
const OF_RESPONSE: [(&str, &[u8]); 8] = [
    ("Resp_Content-Length", b"Content-Length"),
    ("Resp_Content-Type", b"Content-Type"),
    ("Resp_Transfer-Encoding", b"Transfer-Encoding"),
    ("Resp_Content-Encoding", b"Content-Encoding"),
    ("Resp_Expires", b"Expires"),
    ("Resp_Cache-Control", b"Cache-Control"),
    ("Resp_Vary", b"Vary"),
    ("Resp_Set-Cookie", b"Set-Cookie"),
];

/// Longest id of a document, in bytes, less what is added to that of a record.
const LONGEST_ID: usize = 400;

/// What a document is made of.
#[derive(Debug)]
pub(in crate::replay) struct DocumentExchange {
    /// The record's id.
    pub(super) id: Vec<u8>,
    /// Which target it was sent to.
    pub(super) target: u32,
    /// Beginnings of the messages, which hold their heads.
    pub(super) request: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) status: u16,
    /// When the request was sent: nanoseconds since the Unix epoch.
    pub(super) sent_at: i64,
    /// From then to the end of the response, in nanoseconds.
    pub(super) round_trip: u64,
}

impl DocumentExchange {
    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.request.len() + self.response.len()
    }

    /// Writes two lines of a bulk request: what is to be done, and the document. It has an id, so that it is written
    /// once however often it is sent.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let id = &self.id[..self.id.len().min(LONGEST_ID)];
        let id = format!("{}-{}-{}", String::from_utf8_lossy(id), self.sent_at, self.target);
        let action = json!({"create": {"_id": id}});
        if write!(out, "{action}\n{}\n", Value::Object(self.document())).is_err() {
            // A vector takes everything.
        }
    }

    fn document(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
        let (request, response) = (Head::of(&self.request), Head::of(&self.response));
        let mut document = Map::new();
        let mut add = |name: &str, value: Value| document.insert(name.to_owned(), value);
        let line = request.as_ref().and_then(Head::request_line);
        add("Req_URL", text(line.map_or(&[], |line| line.target)));
        add("Req_Method", text(line.map_or(&[], |line| line.method)));
        add("Req_User-Agent", text(b""));
        add("Resp_Status", Value::String(self.status.to_string()));
        add("Resp_Status-Code", Value::String(self.status.to_string()));
        if let Some(line) = response.as_ref().and_then(Head::status_line) {
            add("Resp_Proto", text(line.version));
        }
        for (head, fields) in [(&request, &OF_REQUEST[..]), (&response, &OF_RESPONSE[..])] {
            for (name, field) in fields {
                let value = head.as_ref().and_then(|head| head.values(field).next());
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    add(name, text(value));
                }
            }
        }
        add("RTT", json!(self.round_trip / 1_000_000));
        let timestamp = Timestamp::from_nanosecond(self.sent_at.into()).unwrap_or_default();
        add("Timestamp", Value::String(timestamp.to_string()));
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(exchange: &DocumentExchange) -> Vec<Value> {
        let mut out = Vec::new();
        exchange.write(&mut out);
        assert!(out.ends_with(b"\n"));
        let text = String::from_utf8(out).expect("it is text");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    #[test]
    fn a_document_has_goreplays_keys_and_leaves_out_what_is_empty() {
        let exchange = DocumentExchange {
            id: b"a1".to_vec(),
            target: 1,
            request: b"GET /a?b=\xff HTTP/1.1\r\nHost: h\r\nCookie: c=1\r\nUser-Agent: \"x\"\r\nAccept:\r\n\r\nbody".to_vec(),
            response: b"HTTP/1.0 404 Not Found\r\nContent-Length: 2\r\nSet-Cookie: d=2\r\nset-cookie: e=3\r\n\r\nok".to_vec(),
            status: 404,
            sent_at: 1_732_000_000_123_456_789,
            round_trip: 12_999_999,
        };
        let expected = json!({
            "Req_URL": "/a?b=\u{fffd}", "Req_Method": "GET", "Req_User-Agent": "\"x\"", "Req_Cookies": "c=1",
            "Resp_Status": "404", "Resp_Status-Code": "404", "Resp_Proto": "HTTP/1.0", "Resp_Content-Length": "2",
            "Resp_Set-Cookie": "d=2", "RTT": 12, "Timestamp": "2024-11-19T07:06:40.123456789Z",
        });
        let lines = lines(&exchange);
        assert_eq!(lines[0], json!({"create": {"_id": "a1-1732000000123456789-1"}}));
        assert_eq!(lines[1], expected);
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn what_goreplay_always_writes_is_there_where_nothing_is_known() {
        let nothing = DocumentExchange {
            id: vec![b'9'; 5000],
            target: 0,
            request: Vec::new(),
            response: Vec::new(),
            status: 200,
            sent_at: 0,
            round_trip: 0,
        };
        let lines = lines(&nothing);
        assert!(lines[0]["create"]["_id"].as_str().is_some_and(|id| id.len() < 512));
        let expected = json!({
            "Req_URL": "", "Req_Method": "", "Req_User-Agent": "", "Resp_Status": "200", "Resp_Status-Code": "200",
            "RTT": 0, "Timestamp": "1970-01-01T00:00:00Z",
        });
        assert_eq!(lines[1], expected);
    }
}
