//! Requests as a Postman collection 2.1, with the responses to them as saved examples.
//!
//! There is no quoting of variables: `{{name}}` means a value of whoever sends the request, which may be a secret. What
//! would be taken for one is not written.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::io;

use serde::Serialize;

use super::exchange_sink::ExchangeFormat;
use super::json_array::JsonArray;
use super::jsonl::time;
use super::message::{Message, Start, text};
use super::remarks::Remarks;
use super::row::latency_ms;
use crate::record::Kind;

const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";

/// Headers that Postman makes of the body.
const MADE: [&str; 2] = ["content-length", "transfer-encoding"];

/// Headers with which Postman does not send the request.
const REFUSED: [&str; 2] = ["expect", "trailer"];

/// Writes a collection.
#[derive(Debug, Default)]
pub(super) struct PostmanFormat {
    items: JsonArray,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    name: String,
    protocol_profile_behavior: Behavior,
    request: &'a PostmanRequest<'a>,
    response: Vec<Example<'a>>,
}

/// What Postman does on its own, unless told otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of Postman")]
struct Behavior {
    follow_redirects: bool,
    disable_body_pruning: bool,
    disable_cookies: bool,
    disable_url_encoding: bool,
    disabled_system_headers: SystemHeaders,
}

/// Headers that it does not add.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of Postman")]
struct SystemHeaders {
    accept: bool,
    accept_encoding: bool,
    cache_control: bool,
    connection: bool,
    content_type: bool,
    postman_token: bool,
    user_agent: bool,
}

#[derive(Debug, Serialize)]
struct PostmanRequest<'a> {
    method: &'a str,
    url: String,
    header: Vec<PostmanHeader<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<PostmanBody<'a>>,
    description: String,
}

#[derive(Debug, Serialize)]
struct PostmanHeader<'a> {
    key: &'a str,
    value: String,
}

#[derive(Debug, Serialize)]
struct PostmanBody<'a> {
    mode: &'static str,
    raw: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Example<'a> {
    name: String,
    original_request: &'a PostmanRequest<'a>,
    status: Cow<'a, str>,
    code: u16,
    header: Vec<PostmanHeader<'a>>,
    cookie: [(); 0],
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl ExchangeFormat for PostmanFormat {
    const NAME: &'static str = "Postman";
    const HAS_RESPONSES: bool = true;

    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let info = format!("{{\"name\": \"gor-tools\", \"schema\": \"{SCHEMA}\"}}");
        out.extend_from_slice(format!("{{\"info\": {info}, \"item\": [").as_bytes());
        Ok(())
    }

    fn write(
        &mut self,
        message: &Message<'_>,
        responses: &[Message<'_>],
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let request = match request(message, remarks) {
            Ok(request) => request,
            Err(unsent) => {
                unsent.count(responses.len(), remarks);
                return Ok(());
            }
        };
        message.count_lost(remarks);
        let examples =
            responses.iter().filter_map(|response| example(&request, message, response, remarks)).collect();
        let target = request.url.splitn(4, '/').nth(3).unwrap_or_default();
        let item = Item {
            name: format!("{} /{target}", request.method),
            protocol_profile_behavior: AS_RECORDED,
            request: &request,
            response: examples,
        };
        self.items.push(&item, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(b"\n]}\n");
        Ok(())
    }
}

/// The request is sent as it is written.
const AS_RECORDED: Behavior = Behavior {
    follow_redirects: false,
    disable_body_pruning: true,
    disable_cookies: true,
    disable_url_encoding: true,
    disabled_system_headers: SystemHeaders {
        accept: true,
        accept_encoding: true,
        cache_control: true,
        connection: true,
        content_type: true,
        postman_token: true,
        user_agent: true,
    },
};

/// Why a request is left out: Postman would send something else.
enum Unsent {
    Binary,
    Variable,
}

impl Unsent {
    /// Counts the request, and so many responses to it.
    fn count(&self, responses: usize, remarks: &mut Remarks) {
        let ([one, many], [response, several]) = match self {
            Unsent::Binary => (
                ["request with a binary body", "requests with binary bodies"],
                ["response to a request with a binary body", "responses to requests with binary bodies"],
            ),
            Unsent::Variable => (
                [
                    "request with what Postman takes for a variable",
                    "requests with what Postman takes for variables",
                ],
                [
                    "response to a request with what Postman takes for a variable",
                    "responses to requests with what Postman takes for variables",
                ],
            ),
        };
        remarks.count(one, many);
        for _ in 0..responses {
            remarks.count(response, several);
        }
    }
}

/// The request as Postman sends it.
fn request<'a>(message: &'a Message<'a>, remarks: &mut Remarks) -> Result<PostmanRequest<'a>, Unsent> {
    let raw = str::from_utf8(&message.content).map_err(|_| Unsent::Binary)?;
    if has_variable(raw) || message.head.fields().any(|field| has_variable(&latin1(field.value))) {
        return Err(Unsent::Variable);
    }
    let method = message.method();
    if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        remarks.count("method that Postman writes in capitals", "methods that Postman writes in capitals");
    }
    message.count_version(remarks);
    let mut url = message.url(remarks);
    if has_variable(&url) {
        remarks.count(
            "target with what Postman takes for a variable, now percent-encoded",
            "targets with what Postman takes for variables, now percent-encoded",
        );
        url = url.replace('{', "%7B").replace('}', "%7D");
    }
    Ok(PostmanRequest {
        method,
        url,
        header: sent_headers(message, remarks),
        body: (!raw.is_empty()).then_some(PostmanBody { mode: "raw", raw }),
        description: format!("{} {}", time(message.record.timestamp), message.plain_id()),
    })
}

/// Headers as Postman sends them: each character of a value becomes a byte, and names that differ in nothing but case
/// become one.
fn sent_headers<'a>(message: &Message<'a>, remarks: &mut Remarks) -> Vec<PostmanHeader<'a>> {
    let mut headers: Vec<PostmanHeader<'a>> = Vec::new();
    let mut names = HeaderNames::default();
    for field in message.fields(remarks) {
        let is_among = |names: [&str; 2]| names.iter().any(|name| field.name.eq_ignore_ascii_case(name));
        if is_among(MADE) {
            continue;
        }
        let value = latin1(&field.value);
        if is_among(REFUSED) || value.chars().any(|sign| sign != '\t' && (sign < ' ' || sign == '\x7f')) {
            remarks.count(
                "header line with which Postman does not send the request",
                "header lines with which Postman does not send the request",
            );
            continue;
        }
        let known = names.first(field.name);
        if known.is_some() && field.name.eq_ignore_ascii_case("host") {
            remarks.count("request's further Host headers", "requests' further Host headers");
            continue;
        }
        let key = known.unwrap_or(field.name);
        if key != field.name {
            remarks.count(
                "repeated header name, now in the case of the first",
                "repeated header names, now in the case of the first",
            );
        }
        headers.push(PostmanHeader { key, value });
    }
    headers
}

/// The names of headers, each as it was written first.
#[derive(Default)]
struct HeaderNames<'a>(HashSet<HeaderName<'a>>);

impl<'a> HeaderNames<'a> {
    /// How a name was written first. None: this is the first.
    fn first(&mut self, name: &'a str) -> Option<&'a str> {
        let known = self.0.get(&HeaderName(name)).map(|known| known.0);
        if known.is_none() {
            self.0.insert(HeaderName(name));
        }
        known
    }
}

/// A name whose case does not matter.
struct HeaderName<'a>(&'a str);

impl PartialEq for HeaderName<'_> {
    fn eq(&self, other: &Self) -> bool {
        #[cfg(test)]
        tests::COMPARED.set(tests::COMPARED.get() + 1);
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for HeaderName<'_> {}

impl Hash for HeaderName<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

/// A response as an example, which Postman shows and does not send.
fn example<'a>(
    request: &'a PostmanRequest<'a>,
    asked: &Message<'_>,
    response: &'a Message<'a>,
    remarks: &mut Remarks,
) -> Option<Example<'a>> {
    let Start::Response(line) = response.start else { return None };
    response.count_lost(remarks);
    let body = String::from_utf8(response.decoded(remarks).into_owned());
    if body.is_err() {
        remarks.count("binary body of a response", "binary bodies of responses");
    }
    let header = response.fields(remarks).into_iter();
    let header = header
        .map(|field| PostmanHeader { key: field.name, value: text(&field.value, remarks).into_owned() });
    let status = String::from_utf8_lossy(line.reason);
    let when = if response.record.kind == Kind::Replayed { " (replayed)" } else { "" };
    Some(Example {
        name: format!("{} {status}{when}", line.status),
        original_request: request,
        status,
        code: line.status,
        header: header.collect(),
        cookie: [],
        response_time: latency_ms(Some(asked.record), response.record),
        body: body.ok().filter(|body| !body.is_empty()),
    })
}

/// Bytes as characters of the same numbers.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Whether some part is `{{` and `}}` around anything without braces.
fn has_variable(text: &str) -> bool {
    text.match_indices("}}").any(|(end, _)| {
        let before = &text[..end];
        before.rfind(['{', '}']).is_some_and(|brace| before[..=brace].ends_with("{{"))
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::record::Record;

    thread_local! {
        /// How often a name was compared with another one.
        pub(super) static COMPARED: Cell<usize> = const { Cell::new(0) };
    }

    fn headers(fields: &str) -> (Vec<(String, String)>, Option<String>) {
        let payload = format!("GET / HTTP/1.1\r\n{fields}\r\n").into_bytes();
        let record = Record { kind: Kind::Request, payload, ..Record::default() };
        let mut remarks = Remarks::default();
        let message = Message::of(&record, &mut remarks).expect("a message");
        let sent = sent_headers(&message, &mut remarks).into_iter();
        (sent.map(|header| (header.key.to_owned(), header.value)).collect(), remarks.text())
    }

    #[test]
    fn names_that_differ_in_case_are_written_as_the_first() {
        let (sent, said) = headers("Host: a\r\nX: 1\r\nx: 2\r\nhOST: b\r\nx-y: 3\r\nX: 4\r\nX-Y: 5\r\n");
        let expected = [("Host", "a"), ("X", "1"), ("X", "2"), ("x-y", "3"), ("X", "4"), ("x-y", "5")];
        assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let expected =
            "2 repeated header names, now in the case of the first, 1 request's further Host headers";
        assert_eq!(said.as_deref(), Some(expected));
    }

    #[test]
    fn a_name_is_not_looked_for_among_all_before_it() {
        let fields: Vec<_> = (0..20_000).map(|number| format!("A{}: b\r\n", number % 10_000)).collect();
        COMPARED.set(0);
        assert_eq!(headers(&fields.concat()).0.len(), 20_000);
        assert!(COMPARED.get() < 20_000 * 4, "{}", COMPARED.get());
    }
}
