//! Requests as commands for curl, each runnable by any shell of POSIX.

use std::borrow::Cow;
use std::io;

use super::exchange_sink::ExchangeFormat;
use super::jsonl::time;
use super::message::Message;
use super::remarks::Remarks;
use crate::show::text::{printable, printable_lines};

/// Bytes of a body that goes into the command itself. The kernel takes no argument of more than 128 KiB (execve(2)).
const MAX_ARGUMENT: usize = 64 << 10;

/// Bytes of a body beyond which some curl asks for `100 Continue` first.
const MIN_EXPECT: usize = 1024;

/// Writes a script of commands.
#[derive(Debug, Default)]
pub(super) struct CurlFormat;

impl ExchangeFormat for CurlFormat {
    const NAME: &'static str = "curl";
    const HAS_RESPONSES: bool = false;

    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(b"#!/bin/sh\n");
        Ok(())
    }

    fn write(
        &mut self,
        request: &Message<'_>,
        _: &[Message<'_>],
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        request.count_lost(remarks);
        write_command(request, remarks, out);
        Ok(())
    }
}

fn write_command(message: &Message<'_>, remarks: &mut Remarks, out: &mut Vec<u8>) {
    let record = message.record;
    out.extend_from_slice(format!("\n# {} {}\n", time(record.timestamp), printable(&record.id)).as_bytes());
    let fields = message.fields(remarks);
    let has = |name: &str| fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    let body = &*message.content;
    // A length of 0 is sent as well.
    let mut has_body = !body.is_empty() || has("content-length") || has("transfer-encoding");
    let method = message.method();
    if method == "HEAD" && has_body {
        if !body.is_empty() {
            remarks.count("body of a HEAD request", "bodies of HEAD requests");
        }
        has_body = false;
    }
    let goes_by_pipe = has_body && !is_argument(body);
    if goes_by_pipe {
        out.extend_from_slice(b"printf ");
        quote_printf(body, out);
        out.extend_from_slice(b" | ");
    }
    out.extend_from_slice(b"curl --globoff --path-as-is");
    out.extend_from_slice(if message.version() == "HTTP/1.0" { b" --http1.0" } else { b" --http1.1" });
    if method == "HEAD" {
        // Told by --request alone, curl would wait for the body.
        out.extend_from_slice(b" --head");
    }
    let mut option = |name: &str, value: &[u8]| {
        out.extend_from_slice(b" ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b" ");
        quote(value, out);
    };
    if method != "HEAD" {
        option("--request", method.as_bytes());
    }
    if message.has_plain_path() || message.target().contains(&0) {
        option("--url", message.url(remarks).as_bytes());
    } else {
        option("--url", message.site(remarks).as_bytes());
        option("--request-target", message.target());
    }
    let mut hosts = 0;
    for field in &fields {
        let is_named = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is_named("content-length") {
            continue;
        }
        if is_named("host") {
            hosts += 1;
            if hosts > 1 {
                remarks.count("request's further Host headers", "requests' further Host headers");
                continue;
            }
        }
        // With a colon and no value curl would leave the field out.
        let text = match &*field.value {
            b"" => [field.name.as_bytes(), b";"].concat(),
            value => [field.name.as_bytes(), b": ", value].concat(),
        };
        option("--header", &text);
    }
    let own = [
        ("User-Agent", true),
        ("Accept", true),
        ("Content-Type", has_body),
        ("Expect", has_body && body.len() > MIN_EXPECT),
    ];
    for (name, is_sent) in own {
        if is_sent && !has(name) {
            option("--header", format!("{name}:").as_bytes());
        }
    }
    if has_body {
        option("--data-binary", if goes_by_pipe { b"@-" } else { body });
    }
    out.push(b'\n');
}

/// Whether a body can be an argument as it is: text that curl does not take for a file's name.
fn is_argument(body: &[u8]) -> bool {
    body.len() <= MAX_ARGUMENT && !body.starts_with(b"@") && matches!(printable_lines(body), Cow::Borrowed(_))
}

/// Writes a word of the shell that means these bytes, in printable characters. They have no NUL, and no line feed at
/// their end unless they are printable otherwise.
fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    if !matches!(printable_lines(bytes), Cow::Borrowed(_)) {
        out.extend_from_slice(b"\"$(printf ");
        quote_printf(bytes, out);
        out.extend_from_slice(b")\"");
        return;
    }
    out.push(b'\'');
    for &byte in bytes {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            _ => out.push(byte),
        }
    }
    out.push(b'\'');
}

/// Writes a quoted format with which printf(1) gives these bytes.
fn quote_printf(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for (number, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => out.extend_from_slice(b"%%"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            // It would begin an option.
            b'-' if number == 0 => out.extend_from_slice(b"\\055"),
            b' '..=b'~' if !b"'!".contains(&byte) => out.push(byte),
            // Among them the quote's end, and what an interactive bash replaces.
            _ => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
    out.push(b'\'');
}
