//! A message as the JSON object that `GoReplay` makes of it: method, URL, header fields and body, all of them strings.
//!
//! It has no place for the HTTP version, the latency, nor the order, spelling and number of header fields.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::fault::MessageFault;
use crate::http::{Head, is_token};
use crate::record::{Block, Header, Kind, Mark};

/// The object. What it lacks is empty.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct MessageJson {
    #[serde(rename = "Req_URL")]
    url: String,
    #[serde(rename = "Req_Type")]
    kind: String,
    #[serde(rename = "Req_ID")]
    id: String,
    #[serde(rename = "Req_Ts")]
    timestamp: String,
    #[serde(rename = "Req_Method")]
    method: String,
    #[serde(rename = "Req_Body", skip_serializing_if = "String::is_empty")]
    body: String,
    /// A body that is not UTF-8.
    #[serde(rename = "Req_Body_Base64", skip_serializing_if = "String::is_empty")]
    body_base64: String,
    /// Why the message is not whole.
    #[serde(rename = "Req_Mark", skip_serializing_if = "String::is_empty")]
    mark: String,
    #[serde(rename = "Req_Headers", skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

/// Writes a record as JSON behind `value`. What fails leaves it as it was.
pub(super) fn encode(header: &Header<'_>, payload: &[u8], value: &mut Vec<u8>) -> Result<(), MessageFault> {
    let head =
        Head::of(payload).ok_or("it is not an HTTP message with a whole head, which JSON cannot hold")?;
    let (method, url) = words(header.kind, &head)?;
    let mut object = MessageJson {
        url,
        method,
        kind: char::from(header.kind.digit()).to_string(),
        id: text(header.id, "the id")?,
        timestamp: header.timestamp.to_string(),
        mark: header.mark.map_or_else(String::new, |mark| mark.as_str().to_owned()),
        ..MessageJson::default()
    };
    for field in head.fields() {
        let (name, value) = (field.name, field.value);
        if !is_token(name) || value.iter().any(|byte| is_line_end(*byte)) {
            return Err(
                "a header line has no name, or goes on in the next one, which JSON cannot hold".into()
            );
        }
        let value = text(value, "a header field")?;
        object
            .headers
            .entry(canonical(name))
            .and_modify(|values| {
                values.push_str(", ");
                values.push_str(&value);
            })
            .or_insert(value);
    }
    let body = &payload[head.len()..];
    match str::from_utf8(body) {
        Ok(body) => body.clone_into(&mut object.body),
        Err(_) => object.body_base64 = STANDARD.encode(body),
    }
    serde_json::to_writer(value, &object).map_err(|error| error.to_string())
}

/// What stands in the places of method and URL: of a response, its version, and its status with the reason.
fn words(kind: Kind, head: &Head<'_>) -> Result<(String, String), MessageFault> {
    let no_place = || -> MessageFault { "its first line is one that JSON cannot hold".into() };
    let (method, url) = if kind == Kind::Request {
        let line = head.request_line().ok_or_else(no_place)?;
        (line.method, line.target.to_vec())
    } else {
        let line = head.status_line().ok_or_else(no_place)?;
        let mut status = format!("{:03}", line.status).into_bytes();
        if !line.reason.is_empty() {
            status.push(b' ');
            status.extend_from_slice(line.reason);
        }
        (line.version, status)
    };
    let (method, url) = (text(method, "the method")?, text(&url, "the first line")?);
    if is_start(kind, &method, &url) { Ok((method, url)) } else { Err(no_place()) }
}

/// Whether a first line can be made of these, out of which both are read again.
fn is_start(kind: Kind, method: &str, url: &str) -> bool {
    if kind == Kind::Request {
        return is_token(method.as_bytes())
            && !url.is_empty()
            && url.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    }
    let is_version = matches!(method.strip_prefix("HTTP/"), Some(version)
        if version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !version.is_empty());
    let status = url.as_bytes();
    let is_status = status.len() >= 3 && status[..3].iter().all(u8::is_ascii_digit);
    let reason = status.get(3..).unwrap_or_default();
    is_version
        && is_status
        && (reason.is_empty() || reason[0] == b' ')
        && !reason.iter().any(|byte| is_line_end(*byte))
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

fn text(bytes: &[u8], what: &str) -> Result<String, MessageFault> {
    String::from_utf8(bytes.to_vec()).map_err(|_| format!("{what} is not UTF-8, as JSON is"))
}

/// `content-type` as `Content-Type`.
fn canonical(name: &[u8]) -> String {
    let mut begins = true;
    let letters = name.iter().map(|&byte| {
        let byte = if begins { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        begins = byte == b'-';
        char::from(byte)
    });
    letters.collect()
}

/// Adds the record that a JSON object is to `block`.
pub(super) fn decode(value: &[u8], block: &mut Block) -> Result<(), MessageFault> {
    let object: MessageJson = serde_json::from_slice(value).map_err(|error| {
        format!("it is not the JSON of a message: {}", error.to_string().replace('\n', " "))
    })?;
    let kind = match &*object.kind {
        "1" => Kind::Request,
        "2" => Kind::Response,
        "3" => Kind::Replayed,
        _ => return Err("Req_Type is not 1, 2 or 3".into()),
    };
    let mark = match &*object.mark {
        "" => None,
        "cut" => Some(Mark::Cut),
        "gap" => Some(Mark::Gap),
        "doubtful" => Some(Mark::Doubtful),
        _ => return Err("Req_Mark is not cut, gap or doubtful".into()),
    };
    let id = object.id.as_bytes();
    if id.is_empty() || id.len() > 512 || id.iter().any(|byte| *byte <= b' ') {
        return Err("Req_ID is missing, too long, or has white space in it".into());
    }
    let timestamp = object.timestamp.parse().map_err(|_| "Req_Ts is not a number of nanoseconds")?;
    if !is_start(kind, &object.method, &object.url) {
        return Err("Req_Method and Req_URL do not make the first line of a message".into());
    }
    let mut payload = if kind == Kind::Request {
        format!("{} {} HTTP/1.1\r\n", object.method, object.url)
    } else {
        format!("{} {}\r\n", object.method, object.url)
    };
    for (name, value) in &object.headers {
        if !is_token(name.as_bytes()) || value.bytes().any(is_line_end) {
            return Err("Req_Headers has a name or a value that no header line can have".into());
        }
        payload.extend([name, ": ", value, "\r\n"]);
    }
    payload.push_str("\r\n");
    let mut payload = payload.into_bytes();
    if object.body_base64.is_empty() {
        payload.extend_from_slice(object.body.as_bytes());
    } else {
        let body = STANDARD.decode(&object.body_base64).map_err(|_| "Req_Body_Base64 is not base64")?;
        payload.extend_from_slice(&body);
    }
    block.push(&Header { kind, id, timestamp, mark, ..Header::default() }, &payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(header: &Header<'_>, payload: &[u8]) -> Result<String, MessageFault> {
        let mut value = Vec::new();
        encode(header, payload, &mut value).map(|()| String::from_utf8(value).expect("JSON is text"))
    }

    fn decoded(value: &str) -> Result<Block, MessageFault> {
        let mut block = Block::new();
        decode(value.as_bytes(), &mut block).map(|()| block)
    }

    const HEADER: Header<'static> = Header {
        kind: Kind::Request,
        id: b"a1",
        timestamp: 1_732_000_000_000_000_000,
        latency: Some(9),
        length: None,
        mark: None,
        extra: b"",
    };

    #[test]
    fn a_request_is_the_object_of_its_parts() {
        let request = b"POST /path?q HTTP/1.1\r\nhost: a\r\nX: v1\r\nx: v2\r\ncontent-LENGTH: 2\r\n\r\nhi";
        let expected = r#"{"Req_URL":"/path?q","Req_Type":"1","Req_ID":"a1","Req_Ts":"1732000000000000000","Req_Method":"POST","Req_Body":"hi","Req_Headers":{"Content-Length":"2","Host":"a","X":"v1, v2"}}"#;
        assert_eq!(encoded(&HEADER, request).as_deref(), Ok(expected));
        let block = decoded(expected).expect("it is a record");
        let expected = b"POST /path?q HTTP/1.1\r\nContent-Length: 2\r\nHost: a\r\nX: v1, v2\r\n\r\nhi";
        assert_eq!(block.get(0).payload, expected);
        assert_eq!(block.get(0).header, Header { latency: None, ..HEADER });
    }

    #[test]
    fn empty_parts_are_left_out_and_odd_bodies_are_base64() {
        let expected = r#"{"Req_URL":"*","Req_Type":"1","Req_ID":"a1","Req_Ts":"1732000000000000000","Req_Method":"OPTIONS"}"#;
        assert_eq!(encoded(&HEADER, b"OPTIONS * HTTP/1.1\r\n\r\n").as_deref(), Ok(expected));
        let found = encoded(&HEADER, b"PUT / HTTP/1.1\r\n\r\n\xff\x00").expect("it fits");
        assert!(found.contains(r#""Req_Body_Base64":"/wA=""#) && !found.contains("Req_Body\""), "{found}");
        assert_eq!(decoded(&found).expect("a record").get(0).payload, b"PUT / HTTP/1.1\r\n\r\n\xff\x00");
    }

    #[test]
    fn responses_and_marks_come_back() {
        let header = Header { kind: Kind::Replayed, mark: Some(Mark::Cut), ..HEADER };
        for response in ["HTTP/1.0 404 Not Found\r\nA: b\r\n\r\nno", "HTTP/1.1 200\r\n\r\n"] {
            let found = encoded(&header, response.as_bytes()).expect("it fits");
            let block = decoded(&found).expect("a record");
            assert_eq!(block.get(0).payload, response.as_bytes());
            assert_eq!(
                (block.get(0).header.kind, block.get(0).header.mark),
                (Kind::Replayed, Some(Mark::Cut))
            );
        }
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for payload in [
            &b"\x00\x01"[..],
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: \xff\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"GET /a b HTTP/1.1\r\n\r\n",
            b"HTTP\r\n\r\n",
        ] {
            assert!(encoded(&HEADER, payload).is_err(), "{}", String::from_utf8_lossy(payload));
        }
    }

    #[test]
    fn objects_that_would_make_other_messages_are_refused() {
        let object = |change: &str, to: &str| {
            r#"{"Req_Type":"1","Req_ID":"a","Req_Ts":"1","Req_Method":"GET","Req_URL":"/","Req_Headers":{"A":"b"}}"#
                .replace(change, to)
        };
        assert!(decoded(&object("", "")).is_ok());
        for (change, to, why) in [
            ("GET", "GET /x HTTP/1.1\\r\\nB: c\\r\\n", "Req_Method"),
            ("\"/\"", "\"/ x\"", "Req_URL"),
            ("\"/\"", "\"\"", "Req_URL"),
            ("\"b\"", "\"b\\r\\nC: d\"", "Req_Headers"),
            ("\"A\"", "\"A: b\\r\\nC\"", "Req_Headers"),
            ("\"1\"", "\"4\"", "Req_Type"),
            ("\"Req_Ts\":\"1\"", "\"Req_Ts\":\"1s\"", "Req_Ts"),
            ("\"a\"", "\"a b\"", "Req_ID"),
            ("\"A\":\"b\"", "\"A\":1", "not the JSON of a message"),
            ("{", "[", "not the JSON of a message"),
        ] {
            let fault = decoded(&object(change, to)).expect_err(to);
            assert!(fault.contains(why), "{to}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn canonical_requests_come_back_as_they_were(
            method in "[A-Z]{1,8}", url in "/[!-~]{0,20}", id in "[a-f0-9]{1,24}", timestamp: i64,
            fields in prop::collection::btree_map("[A-Z][a-z0-9]{0,6}(-[A-Z][a-z]{0,5})?", "[!-~]([ -~]{0,20}[!-~])?", 0..5),
            body in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut payload = format!("{method} {url} HTTP/1.1\r\n");
            for (name, value) in &fields {
                payload.extend([name, ": ", value, "\r\n"]);
            }
            payload.push_str("\r\n");
            let payload = [payload.into_bytes(), body].concat();
            let header = Header { id: id.as_bytes(), timestamp, ..Header::default() };
            let value = encoded(&header, &payload).expect("it fits");
            let block = decoded(&value).expect("it is a record");
            prop_assert_eq!(block.get(0).payload, &payload[..]);
            prop_assert_eq!(block.get(0).header, header);
        }
    }
}
