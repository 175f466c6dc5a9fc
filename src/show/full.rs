//! An exchange in full: its line, then heads, and bodies if they are asked for.

use std::fmt::Write as _;

use anstyle::Style;

use super::text::{printable, printable_lines};
use super::{Exchange, Facts, KeptMessage, LineStyle, StartLine, content};
use crate::http::Head;
use crate::record::View;

/// A message as it was recorded, and what its line says.
#[derive(Clone, Debug)]
pub struct FullMessage {
    /// In short.
    pub facts: Facts,
    /// All of it.
    pub payload: Box<[u8]>,
}

impl KeptMessage for FullMessage {
    fn keep(record: &View<'_>) -> Self {
        FullMessage { facts: Facts::of(record), payload: record.payload.into() }
    }

    fn cost(&self) -> usize {
        self.payload.len() + self.facts.cost()
    }

    fn shortened(&self) -> Self {
        FullMessage { facts: self.facts.clone(), payload: Box::default() }
    }
}

impl KeptMessage for Facts {
    fn keep(record: &View<'_>) -> Self {
        Facts::of(record)
    }

    fn cost(&self) -> usize {
        let start = match &self.start {
            StartLine::Request { method, host, target } => {
                method.len() + host.as_ref().map_or(0, |host| host.len()) + target.len()
            }
            _ => 0,
        };
        let media_type = self.media_type.as_ref().map_or(0, |media| media.len());
        // An allocation takes a few bytes more than was asked for.
        size_of::<Facts>() + self.id.len() + start + media_type + 64
    }

    fn shortened(&self) -> Self {
        self.clone()
    }
}

/// How much of messages is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessagePart {
    /// Start lines and fields.
    Heads,
    /// These, and bodies as a person can read them.
    Bodies,
    /// All bytes as they are, but for what would control a terminal.
    Raw,
}

impl Exchange<FullMessage> {
    /// What its line says.
    pub(super) fn facts(&self) -> Exchange<Facts> {
        let facts = |message: &Option<FullMessage>| message.as_ref().map(|message| message.facts.clone());
        let Exchange { request, response, replayed, earlier } = self;
        Exchange {
            request: facts(request),
            response: facts(response),
            replayed: facts(replayed),
            earlier: *earlier,
        }
    }
}

impl LineStyle {
    /// Writes an exchange in full, and an empty line after it.
    pub fn write_full(&self, exchange: &Exchange<FullMessage>, part: MessagePart, out: &mut String) {
        self.write(&exchange.facts(), out);
        let Exchange { request, response, replayed, earlier } = exchange;
        let request = if earlier.is_shown() { &None } else { request };
        for (message, sign) in [(request, ">"), (response, "<"), (replayed, "=")] {
            if let Some(message) = message {
                self.message(&message.payload, sign, part, out);
            }
        }
        out.push('\n');
    }

    /// Lines of the head begin with a sign that tells whose they are.
    fn message(&self, payload: &[u8], sign: &str, part: MessagePart, out: &mut String) {
        let head = Head::of(payload).filter(|_| part != MessagePart::Raw);
        let Some(head) = head else {
            let text = printable_lines(payload);
            let text = text.replace("\\x0d\n", "\n");
            let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
            return;
        };
        let _ = writeln!(out, "{sign} {}", self.bold(&printable(head.start_line())));
        for field in head.fields() {
            let value = field.value.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect::<Vec<_>>();
            let _ = writeln!(out, "{sign} {}: {}", printable(field.name), printable(&value.join(&b' ')));
        }
        if part == MessagePart::Bodies {
            let at = out.len();
            out.push('\n');
            content::write(&head, payload, self.is_coloured, out);
            // Nothing stands for an empty body.
            if out.len() == at + 1 {
                out.truncate(at);
            } else {
                out.push('\n');
            }
        }
    }

    fn bold(&self, text: &str) -> String {
        let bold = Style::new().bold();
        if self.is_coloured { format!("{bold}{text}{bold:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::record::{Block, Header, Kind};

    fn message(kind: Kind, payload: &str) -> FullMessage {
        let mut block = Block::new();
        let header = Header { kind, id: b"a", ..Header::default() };
        block.push(&header, payload.as_bytes());
        FullMessage::keep(&block.get(0))
    }

    fn shown(part: MessagePart) -> String {
        let exchange = Exchange {
            request: Some(message(
                Kind::Request,
                "POST /a HTTP/1.1\r\nHost: b\r\nX: 1\r\n 2\x07\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
            )),
            response: Some(message(Kind::Response, "HTTP/1.1 204 No Content\r\n\r\n")),
            ..Exchange::default()
        };
        let mut out = String::new();
        LineStyle { zone: TimeZone::UTC, width: None, is_coloured: false }
            .write_full(&exchange, part, &mut out);
        let (line, rest) = out.split_once('\n').expect("a line");
        assert!(line.starts_with("1970-01-01 00:00:00.000  -  ") && line.contains("b/a"), "{line}");
        rest.to_owned()
    }

    #[test]
    fn heads_bodies_and_bytes_are_shown_as_asked_for() {
        let heads = "> POST /a HTTP/1.1\n> Host: b\n> X: 1 2\\x07\n> Content-Length: 7\n";
        let answer = "< HTTP/1.1 204 No Content\n";
        assert_eq!(shown(MessagePart::Heads), format!("{heads}{answer}\n"));
        assert_eq!(shown(MessagePart::Bodies), format!("{heads}\n{{\n  \"a\": 1\n}}\n{answer}\n"));
        let raw = "POST /a HTTP/1.1\nHost: b\nX: 1\n 2\\x07\nContent-Length: 7\n\n{\"a\":1}\nHTTP/1.1 204 No Content\n\n";
        assert_eq!(shown(MessagePart::Raw), raw);
    }
}
