//! An exchange as one line of JSON.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;

use super::content::content;
use super::line::{client, latency};
use super::text::is_printable;
use super::{Exchange, Facts, FullMessage, StartLine};
use crate::http::Head;
use crate::record::Mark;

/// What is told of an exchange. What is not known is absent.
#[derive(Debug, Serialize)]
struct ExchangeJson<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<f64>,
    /// Whether the request was in an earlier object, without this answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    request_before: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<JsonMessage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<JsonMessage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<JsonMessage<'a>>,
}

/// What is told of a message.
#[derive(Debug, Serialize)]
struct JsonMessage<'a> {
    time: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<&'a str>,
    /// Whether it ends before its framing says, and has no mark.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
    /// Bytes of the body as it was sent, without chunked framing.
    size: u64,
    headers: Vec<(String, String)>,
    /// Without chunks and content codings, where it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The same where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    /// Why the body is not decoded, or not to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_fault: Option<String>,
}

/// Writes an exchange as an object, and a line feed.
pub fn write_json(exchange: &Exchange<FullMessage>, out: &mut String) {
    let Exchange { request, response, replayed, earlier } = exchange;
    let facts = exchange.facts();
    // Its headers and body are in the object that was written before.
    let request = request.as_ref().filter(|_| !earlier.is_shown());
    let Some(first) = facts.request.as_ref().or(facts.response.as_ref()).or(facts.replayed.as_ref()) else {
        return;
    };
    let (method, host, target) = match facts.request.as_ref().map(|request| &request.start) {
        Some(StartLine::Request { method, host, target }) => {
            (Some(text(method)), host.as_ref().map(|host| text(host)), Some(text(target)))
        }
        _ => (None, None, None),
    };
    let is_incomplete = facts.short();
    let answer = facts.response.as_ref().or(facts.replayed.as_ref());
    let object = ExchangeJson {
        id: text(&first.id),
        client: client(&first.id),
        time: time(first.time),
        method,
        host,
        target,
        status: answer.and_then(Facts::status),
        latency: latency(&facts).map(seconds),
        request_before: earlier.is_shown(),
        request: request.map(|message| part(message, is_incomplete[0])),
        response: response.as_ref().map(|message| part(message, is_incomplete[1])),
        replayed: replayed.as_ref().map(|message| part(message, is_incomplete[2])),
    };
    // Strings and numbers can always be written.
    if let Ok(json) = serde_json::to_string(&object) {
        escape(&json, out);
        out.push('\n');
    }
}

/// Writes a value over several lines.
pub(super) fn write_pretty(value: &serde_json::Value, out: &mut String) {
    escape(&format!("{value:#}\n"), out);
}

/// Escapes what JSON lets stand but a terminal would obey. Line feeds are between values only.
fn escape(json: &str, out: &mut String) {
    for sign in json.chars() {
        if is_printable(sign) || sign == '\n' {
            out.push(sign);
        } else {
            for unit in sign.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

fn part(message: &FullMessage, incomplete: bool) -> JsonMessage<'_> {
    let FullMessage { facts, payload } = message;
    let head = Head::of(payload);
    let (bytes, fault) = head.map_or((payload.to_vec(), None), |head| {
        let content = content(&head, payload);
        (content.bytes, content.fault)
    });
    let (body, body_base64) = match String::from_utf8(bytes) {
        Ok(body) => (Some(body).filter(|body| !body.is_empty()), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    };
    let headers = head.map(|head| head.fields().map(|field| (text(field.name), text(field.value))).collect());
    JsonMessage {
        time: time(facts.time),
        latency: facts.latency.map(seconds),
        status: facts.status(),
        mark: facts.mark.map(Mark::as_str),
        incomplete,
        size: facts.size,
        headers: headers.unwrap_or_default(),
        body,
        body_base64,
        body_fault: fault.map(|fault| fault.to_string()),
    }
}

/// Bytes that are not UTF-8 become U+FFFD.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// RFC 3339, in UTC; the number where that ends before it.
fn time(nanoseconds: i64) -> String {
    let time = Timestamp::from_nanosecond(nanoseconds.into());
    time.map_or_else(|_| nanoseconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Header, Kind};
    use crate::show::KeptMessage;

    #[test]
    fn what_controls_a_terminal_is_escaped_and_means_the_same() {
        let text = "a\u{9b}31m\u{202e}\u{7f}\u{e0001}🧀";
        let mut out = String::new();
        escape(&serde_json::to_string(text).expect("a string"), &mut out);
        assert!(out.chars().all(is_printable), "{out:?}");
        assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), text);
    }

    #[test]
    fn an_exchange_is_one_object_on_one_line() {
        let message = |kind, timestamp, payload: &[u8]| {
            let mut block = Block::new();
            let id = b"c74e1f900a00000200000001";
            let header = Header { kind, id, timestamp, latency: Some(500_000_000), ..Header::default() };
            block.push(&header, payload);
            FullMessage::keep(&block.get(0))
        };
        let exchange = Exchange {
            request: Some(message(Kind::Request, 1_000_000_000, b"GET /a?b HTTP/1.1\r\nHost: c\r\n\r\n")),
            response: Some(message(
                Kind::Response,
                2_000_000_000,
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\xff\xfe\r\n0\r\n\r\n",
            )),
            ..Exchange::default()
        };
        let mut out = String::new();
        write_json(&exchange, &mut out);
        assert_eq!(out.matches('\n').count(), 1);
        let found: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
        let expected = serde_json::json!({
            "id": "c74e1f900a00000200000001", "client": "10.0.0.2:51022", "time": "1970-01-01T00:00:01Z",
            "method": "GET", "host": "c", "target": "/a?b", "status": 200, "latency": 1.5,
            "request": {"time": "1970-01-01T00:00:01Z", "latency": 0.5, "size": 0, "headers": [["Host", "c"]]},
            "response": {
                "time": "1970-01-01T00:00:02Z", "latency": 0.5, "status": 200, "size": 2,
                "headers": [["Transfer-Encoding", "chunked"]], "body_base64": "//4=",
            },
        });
        assert_eq!(found, expected);
    }
}
