//! Requests as a .http file, as the REST client of Visual Studio Code and the HTTP client of `JetBrains` run it.
//!
//! The format has no quoting: what a client would take for a variable, a comment, a file to read or a script is not
//! written.

use std::io;

use super::exchange_sink::ExchangeFormat;
use super::jsonl::time;
use super::message::{Message, text};
use super::remarks::Remarks;

/// What begins a variable anywhere.
const VARIABLE: &str = "{{";

/// Methods that all clients know; any other word they take for a part of the URL.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

/// What begins a line of GraphQL, which some client sends as JSON.
const GRAPHQL: [&str; 5] = ["query", "mutation", "subscription", "fragment", "gql"];

/// Signs in a URL that some client percent-encodes.
const ENCODED: &str = "\"'<>\\^`{|}";

/// What clients do on their own unless told otherwise: follow redirections, add cookies, encode URLs once more.
const DIRECTIVES: &str = "# @no-redirect\n# @no-cookie-jar\n# @no-auto-encoding\n";

/// Writes requests, each under a line that separates it from the one before.
#[derive(Debug, Default)]
pub(super) struct HttpFileFormat;

impl ExchangeFormat for HttpFileFormat {
    const NAME: &'static str = "HTTP files";
    const HAS_RESPONSES: bool = false;

    fn write(
        &mut self,
        request: &Message<'_>,
        _: &[Message<'_>],
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        out.extend(request_text(request, remarks).unwrap_or_default().bytes());
        Ok(())
    }
}

/// The request as clients read it. None, counted: they would send something else.
fn request_text(message: &Message<'_>, remarks: &mut Remarks) -> Option<String> {
    if !METHODS.contains(&message.method()) {
        remarks.count(
            "request with a method that not all clients know",
            "requests with methods that not all clients know",
        );
        return None;
    }
    let Some(body) = plain_text(&message.content) else {
        remarks.count(
            "request with a binary body, or one with carriage returns",
            "requests with binary bodies, or ones with carriage returns",
        );
        return None;
    };
    let is_of_type = |media: &[u8]| {
        message.field(b"content-type").is_some_and(|value| {
            value.len() >= media.len() && value[..media.len()].eq_ignore_ascii_case(media)
        })
    };
    let is_form = is_of_type(b"application/x-www-form-urlencoded");
    if body.contains(VARIABLE) || !body.lines().all(is_plain_line) || is_form && body.contains('\n') {
        remarks.count(
            "request whose body has what clients take for a variable, a comment, a file or a script",
            "requests whose bodies have what clients take for variables, comments, files or scripts",
        );
        return None;
    }
    let mut fields = String::new();
    for field in message.fields(remarks) {
        let is_named = |name: &str| field.name.eq_ignore_ascii_case(name);
        // Clients make them themselves.
        if is_named("content-length") || is_named("transfer-encoding") {
            continue;
        }
        let value = text(&field.value, remarks);
        if value.contains(VARIABLE) {
            remarks.count(
                "request with a header value that clients take for a variable",
                "requests with header values that clients take for variables",
            );
            return None;
        }
        // Some name would begin a comment, or go on with the URL. Two of the fields ask the client for something else.
        if !field.name.starts_with(|sign: char| sign.is_ascii_alphanumeric())
            || value.chars().any(|sign| sign != '\t' && is_odd(sign))
            || is_named("x-request-type")
            || is_named("authorization") && value.split_whitespace().count() > 2
        {
            remarks.count(
                "header line that clients read in another way",
                "header lines that clients read in another way",
            );
            continue;
        }
        fields.extend([field.name, ": ", &value, "\n"]);
    }
    message.count_lost(remarks);
    let url = url(message, remarks);
    message.count_version(remarks);
    // After newline-delimited JSON they end the last line.
    if body.trim() != body || is_of_type(b"application/x-ndjson") {
        remarks.count(
            "body with blanks at its ends, which clients may change",
            "bodies with blanks at their ends, which clients may change",
        );
    }
    let id = message.plain_id();
    let method = message.method();
    let separated = if body.is_empty() { String::new() } else { format!("\n{body}\n") };
    let time = time(message.record.timestamp);
    Some(format!("### {time} {id}\n{DIRECTIVES}{method} {url} HTTP/1.1\n{fields}{separated}\n"))
}

/// The URL without variables.
fn url(message: &Message<'_>, remarks: &mut Remarks) -> String {
    let url = message.url(remarks);
    let path = url.split('?').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        remarks.count(
            "path with segments of dots, which clients resolve",
            "paths with segments of dots, which clients resolve",
        );
    }
    if !url.contains(VARIABLE) {
        if url.contains(|sign| ENCODED.contains(sign)) {
            remarks.count(
                "target with signs that clients may percent-encode",
                "targets with signs that clients may percent-encode",
            );
        }
        return url;
    }
    remarks.count(
        "target with what clients take for a variable, now percent-encoded",
        "targets with what clients take for variables, now percent-encoded",
    );
    url.replace('{', "%7B").replace('}', "%7D")
}

/// A body that an editor keeps as it is.
fn plain_text(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?;
    let is_kept = |sign: char| matches!(sign, '\n' | '\t') || !is_odd(sign);
    text.chars().all(is_kept).then_some(text)
}

/// Whether a sign is invisible, or ends lines for some program.
fn is_odd(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Whether a line of a body begins with nothing that some client takes for its own: separators and comments (`#`, `//`),
/// files (`< x`, `<@ x`), scripts (`>`, `` ``` ``), definitions (`@`), assertions (`??`), the rest of a URL (`&`, `?`),
/// responses, another request (`GET x`), GraphQL.
fn is_plain_line(line: &str) -> bool {
    let line = line.trim_start();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let may_be_method = word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if may_be_method && !rest.is_empty() || GRAPHQL.iter().any(|keyword| line.starts_with(keyword)) {
        return false;
    }
    match line.chars().next() {
        Some('#' | '@' | '>' | '?' | '&' | '`') => false,
        Some('/') => !line.starts_with("//"),
        Some('<') => line[1..].starts_with(|sign: char| sign.is_ascii_alphabetic() || "/!?".contains(sign)),
        _ => !line.starts_with("HTTP/"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::interchange::exchange_sink::write;
    use crate::record::{Kind, Record};
    use crate::show::Exchange;

    fn written(payload: &[u8]) -> (String, Option<String>) {
        let request = Some(Record {
            kind: Kind::Request,
            id: b"a {{b}}\n".to_vec(),
            timestamp: 0,
            latency: None,
            mark: None,
            extra: Vec::new(),
            payload: payload.to_vec(),
        });
        let (mut out, mut remarks) = (Vec::new(), Remarks::default());
        let exchange = Exchange { request, ..Exchange::default() };
        write(&mut HttpFileFormat, &exchange, &mut remarks, &mut out).expect("it is written to memory");
        (String::from_utf8(out).expect("text"), remarks.text())
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let parts = prop::sample::select(vec![
            "{",
            "{{",
            "}}",
            "$processEnv HOME",
            "\n",
            "\r",
            "\n### x",
            "\n< /etc/passwd",
            "> {%",
            "%}",
            "# @name x",
            "//",
            "@a=b",
            "```",
            "HTTP/1.1 200",
            "\nGET /",
            "\nquery q",
            " ",
            "a",
            "\u{2028}",
            ": ",
            "/",
            "?",
            "&x",
            "\x07",
            "ä",
        ]);
        prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn nothing_recorded_is_a_directive_to_a_client(
            path in hostile(), name in hostile(), value in hostile(), body in hostile(), method in "GET|POST|###|@x"
        ) {
            let length = body.len();
            let head = [b" /".as_slice(), &path, b" HTTP/1.1\r\nHost: h\r\n", &name, b": ", &value];
            let payload = [method.as_bytes(), &head.concat(), format!("\r\nContent-Length: {length}\r\n\r\n").as_bytes(), &body].concat();
            let (text, lost) = written(&payload);
            prop_assert!(!text.contains("{{"), "{text}");
            prop_assert!(!text.is_empty() || lost.is_some(), "what is left out is told");
            let lines = text.lines().filter(|line| line.starts_with("GET ") || line.starts_with("POST "));
            prop_assert!(lines.count() <= 1, "one request: {text}");
            let of_ours = |line: &&str| !DIRECTIVES.lines().any(|directive| directive == *line);
            for line in text.split(['\n', '\r', '\u{2028}']).skip(1).filter(of_ours) {
                let line = line.trim_start();
                let is_directive = ["#", "//", "@", "> ", "< ", "```", "query", "HTTP/", "?", "&"].iter().any(|sign| line.starts_with(sign));
                prop_assert!(!is_directive, "{line:?} in {text}");
            }
        }
    }
}
