//! Exchanges as entries of a HAR 1.2 file.

use std::borrow::Cow;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cookie::{Cookie, Expiration};
use encoding_rs::UTF_8;
use serde::Serialize;

use super::exchange_sink::ExchangeFormat;
use super::har_records::charset;
use super::json_array::JsonArray;
use super::jsonl::time;
use super::message::{Message, Start, text};
use super::remarks::Remarks;
use crate::http::query;
use crate::record::{Kind, Origin, Record};

/// The type of a body of which nothing is known, as browsers have it.
const NO_TYPE: &str = "x-unknown";

/// Writes a HAR file.
#[derive(Debug, Default)]
pub(super) struct HarFormat {
    entries: JsonArray,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEntry<'a> {
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "_replayed", skip_serializing_if = "std::ops::Not::not")]
    is_replayed: bool,
    started_date_time: String,
    /// Milliseconds, as all durations.
    time: f64,
    request: WrittenRequest<'a>,
    response: WrittenResponse<'a>,
    cache: Cache,
    timings: WrittenTimings,
    /// The client's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
}

/// What was cached: nothing is known of that.
#[derive(Debug, Serialize)]
struct Cache {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRequest<'a> {
    method: &'a str,
    url: String,
    http_version: Cow<'a, str>,
    cookies: Vec<HarCookie>,
    headers: Vec<WrittenPair<'a>>,
    query_string: Vec<WrittenPair<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post_data: Option<WrittenPostData<'a>>,
    headers_size: i64,
    body_size: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPostData<'a> {
    mime_type: Cow<'a, str>,
    text: Cow<'a, str>,
    /// HAR has none for requests.
    #[serde(rename = "_encoding", skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    params: [(); 0],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenResponse<'a> {
    status: u16,
    status_text: Cow<'a, str>,
    http_version: Cow<'a, str>,
    cookies: Vec<HarCookie>,
    headers: Vec<WrittenPair<'a>>,
    content: WrittenContent<'a>,
    #[serde(rename = "redirectURL")]
    redirect_url: String,
    headers_size: i64,
    body_size: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenContent<'a> {
    size: usize,
    mime_type: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct WrittenPair<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HarCookie {
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secure: Option<bool>,
}

/// What is negative did not happen, or is not known.
#[derive(Debug, Serialize)]
struct WrittenTimings {
    blocked: f64,
    dns: f64,
    connect: f64,
    send: f64,
    wait: f64,
    receive: f64,
    ssl: f64,
}

impl ExchangeFormat for HarFormat {
    const NAME: &'static str = "HAR";
    const HAS_RESPONSES: bool = true;

    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let creator = format!("{{\"name\": \"gor-tools\", \"version\": \"{version}\"}}");
        let begin = format!("{{\"log\": {{\"version\": \"1.2\", \"creator\": {creator}, \"entries\": [");
        out.extend_from_slice(begin.as_bytes());
        Ok(())
    }

    fn write(
        &mut self,
        request: &Message<'_>,
        responses: &[Message<'_>],
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        request.count_lost(remarks);
        if responses.is_empty() {
            remarks.count("response that is missing", "responses that are missing");
            self.entries.push(&entry(request, None, remarks), out)?;
        }
        for response in responses {
            response.count_lost(remarks);
            self.entries.push(&entry(request, Some(response), remarks), out)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(b"\n]}}\n");
        Ok(())
    }
}

fn entry<'a>(
    message: &'a Message<'a>,
    response: Option<&'a Message<'a>>,
    remarks: &mut Remarks,
) -> WrittenEntry<'a> {
    let record = message.record;
    let id = str::from_utf8(&record.id).ok();
    if id.is_none() {
        remarks.count("id that is no text", "ids that are no text");
    }
    let timings = timings(record, response.map(|response| response.record), remarks);
    WrittenEntry {
        id,
        is_replayed: response.is_some_and(|response| response.record.kind == Kind::Replayed),
        started_date_time: time(record.timestamp),
        time: timings.send + timings.wait + timings.receive,
        request: request(message, remarks),
        response: response.map_or_else(no_response, |response| self::response(response, remarks)),
        cache: Cache {},
        timings,
        connection: Origin::of(&record.id).map(|origin| origin.client_port.to_string()),
    }
}

/// Durations of an exchange. Those of a record that has none are 0, as HAR wants a number.
fn timings(request: &Record, response: Option<&Record>, remarks: &mut Remarks) -> WrittenTimings {
    let latency = |record: &Record| record.latency.unwrap_or(0).max(0);
    let (mut send, mut wait, mut receive) = (latency(request), 0, 0);
    match response {
        Some(replayed) if replayed.kind == Kind::Replayed => {
            // Its time is when it was sent again; its latency is that of the whole.
            let whole = latency(replayed);
            send = send.min(whole);
            wait = whole - send;
        }
        Some(response) => {
            let begins = response.timestamp.saturating_sub(request.timestamp);
            if begins < 0 {
                remarks.count("response before its request", "responses before their requests");
            } else if begins < send {
                remarks.count(
                    "request's end after its response had begun",
                    "requests' ends after their responses had begun",
                );
            }
            send = send.min(begins.max(0));
            wait = begins.max(0) - send;
            receive = latency(response);
        }
        None => {}
    }
    let [send, wait, receive] = [send, wait, receive].map(|nanoseconds| nanoseconds as f64 / 1e6);
    WrittenTimings { blocked: -1.0, dns: -1.0, connect: -1.0, send, wait, receive, ssl: -1.0 }
}

fn request<'a>(message: &'a Message<'a>, remarks: &mut Remarks) -> WrittenRequest<'a> {
    let hosts = message.head.values(b"host").count();
    if hosts > 1 {
        remarks.count("request's further Host headers", "requests' further Host headers");
    }
    let mime_type = mime_type(message, "");
    let body = message.decoded(remarks);
    let post_data = (!body.is_empty()).then(|| {
        let (text, encoding) = text_or_base64(body, &mime_type);
        if encoding.is_some() {
            remarks.count(
                "binary body of a request, in base64 that other programs take for text",
                "binary bodies of requests, in base64 that other programs take for text",
            );
        }
        WrittenPostData { mime_type, text, encoding, params: [] }
    });
    let query = query::query(message.target()).unwrap_or_default();
    let lossy = |bytes| String::from_utf8_lossy(&query::form_decoded(bytes)).into_owned().into();
    let pair = |(name, value)| WrittenPair { name: lossy(name), value: lossy(value) };
    WrittenRequest {
        method: message.method(),
        url: message.url(remarks),
        http_version: message.version(),
        cookies: message.head.values(b"cookie").flat_map(sent_cookies).collect(),
        headers: headers(message, remarks),
        query_string: query::parameters(query).map(pair).collect(),
        post_data,
        headers_size: message.head.len() as i64,
        body_size: (message.record.payload.len() - message.head.len()) as i64,
    }
}

fn response<'a>(message: &'a Message<'a>, remarks: &mut Remarks) -> WrittenResponse<'a> {
    let Start::Response(line) = message.start else { return no_response() };
    let mime_type = mime_type(message, NO_TYPE);
    let body = message.decoded(remarks);
    let size = body.len();
    let (text, encoding) = text_or_base64(body, &mime_type);
    let text = Some(text).filter(|text| !text.is_empty());
    let location = message.field(b"location").unwrap_or_default();
    WrittenResponse {
        status: line.status,
        status_text: String::from_utf8_lossy(line.reason),
        http_version: message.version(),
        cookies: message.head.values(b"set-cookie").filter_map(set_cookie).collect(),
        headers: headers(message, remarks),
        content: WrittenContent { size, mime_type, text, encoding },
        redirect_url: String::from_utf8_lossy(location).into_owned(),
        headers_size: message.head.len() as i64,
        body_size: (message.record.payload.len() - message.head.len()) as i64,
    }
}

/// What stands for a response that is not there, as browsers have it.
fn no_response<'a>() -> WrittenResponse<'a> {
    WrittenResponse {
        status: 0,
        status_text: "".into(),
        http_version: "".into(),
        cookies: Vec::new(),
        headers: Vec::new(),
        content: WrittenContent { size: 0, mime_type: NO_TYPE.into(), text: None, encoding: None },
        redirect_url: String::new(),
        headers_size: -1,
        body_size: -1,
    }
}

fn headers<'a>(message: &Message<'a>, remarks: &mut Remarks) -> Vec<WrittenPair<'a>> {
    let fields = message.fields(remarks);
    fields
        .iter()
        .map(|field| WrittenPair { name: field.name.into(), value: text(&field.value, remarks) })
        .collect()
}

fn mime_type<'a>(message: &Message<'a>, unknown: &'static str) -> Cow<'a, str> {
    message.field(b"content-type").map_or(unknown.into(), String::from_utf8_lossy)
}

/// The text of a body in its charset, where that gives the same bytes again, otherwise base64.
fn text_or_base64<'a>(bytes: Cow<'a, [u8]>, mime_type: &str) -> (Cow<'a, str>, Option<&'static str>) {
    let charset = charset(mime_type).filter(|charset| *charset != UTF_8 && !bytes.is_ascii());
    let text = match charset {
        // It may be large: there is no copy of it.
        None => match bytes {
            Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Cow::Borrowed(bytes)),
            Cow::Owned(bytes) => {
                String::from_utf8(bytes).map(Cow::Owned).map_err(|error| Cow::Owned(error.into_bytes()))
            }
        },
        Some(charset) => charset
            .decode_without_bom_handling_and_without_replacement(&bytes)
            // Text that is all ASCII is taken as it is by those who read it.
            .filter(|text| !text.is_ascii() && matches!(charset.encode(text), (again, used, false) if used == charset && *again == *bytes))
            .map(|text| Cow::Owned(text.into_owned()))
            .ok_or(bytes),
    };
    text.map_or_else(
        |bytes: Cow<'_, [u8]>| (STANDARD.encode(&*bytes).into(), Some("base64")),
        |text| (text, None),
    )
}

/// The cookies of a Cookie header.
fn sent_cookies(value: &[u8]) -> Vec<HarCookie> {
    let text = String::from_utf8_lossy(value);
    Cookie::split_parse(&*text).flatten().map(|cookie| har_cookie(&cookie, false)).collect()
}

/// The cookie of a Set-Cookie header.
fn set_cookie(value: &[u8]) -> Option<HarCookie> {
    let text = String::from_utf8_lossy(value);
    Cookie::parse(&*text).ok().map(|cookie| har_cookie(&cookie, true))
}

fn har_cookie(cookie: &Cookie<'_>, is_set: bool) -> HarCookie {
    let expires = match cookie.expires() {
        Some(Expiration::DateTime(moment)) => {
            jiff::Timestamp::from_second(moment.unix_timestamp()).ok().map(|moment| moment.to_string())
        }
        _ => None,
    };
    HarCookie {
        name: cookie.name().to_owned(),
        value: cookie.value().to_owned(),
        path: cookie.path().map(str::to_owned),
        domain: cookie.domain().map(str::to_owned),
        expires,
        http_only: is_set.then_some(cookie.http_only() == Some(true)),
        secure: is_set.then_some(cookie.secure() == Some(true)),
    }
}

#[cfg(test)]
mod tests;
