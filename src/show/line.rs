//! An exchange in one line.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::text::printable;
use super::{Earlier, Exchange, Facts, StartLine};
use crate::observe::{Size, Span};
use crate::record::{Mark, Origin};

/// Width of the column of host and path where the output has none.
const TARGET: usize = 48;

/// The least it is on a narrow terminal.
const LEAST_TARGET: usize = 20;

/// Columns of a line besides host and path, and what stands at its end.
const OTHERS: usize = 23 + 2 + 21 + 2 + 7 + 1 + 1 + 9 + 1 + 7 + 1 + 5 + 1 + 5 + 2 + 12;

/// How lines are written.
#[derive(Clone, Debug)]
pub struct LineStyle {
    /// In whose time.
    pub zone: TimeZone,
    /// Columns of the terminal: what is longer is cut, host and path first. None: nothing is cut.
    pub width: Option<usize>,
    /// Whether colours are used.
    pub is_coloured: bool,
}

impl LineStyle {
    /// Writes an exchange, with its line feed.
    pub fn write(&self, exchange: &Exchange<Facts>, out: &mut String) {
        self.write_noted(exchange, None, out);
    }

    /// Writes an exchange, and a note at the end of its line.
    pub fn write_noted(&self, exchange: &Exchange<Facts>, note: Option<&str>, out: &mut String) {
        let Exchange { request, response, replayed, .. } = exchange;
        let Some(first) = request.as_ref().or(response.as_ref()).or(replayed.as_ref()) else { return };
        self.time(first.time, out);
        let client = client(&first.id).unwrap_or("-".to_owned());
        let _ = write!(out, "  {client:<21}  ");
        self.target(exchange, out);
        out.push(' ');
        self.status(exchange, out);
        let latency = latency(exchange).map_or("-".to_owned(), duration);
        let size = |message: &Option<Facts>| {
            message.as_ref().map_or("-".to_owned(), |message| Size(message.size).to_string())
        };
        let answer = if response.is_some() { response } else { replayed };
        let _ = write!(out, " {latency:>7} {:>5} {:>5}", size(request), size(answer));
        let media = answer.as_ref().and_then(|answer| answer.media_type.as_deref()).map(short_media);
        let media = media.unwrap_or_default();
        let mut remarks = remarks(exchange);
        remarks.extend(note);
        match (media, remarks.is_empty()) {
            ("", true) => {}
            (media, true) => {
                let _ = write!(out, "  {}", printable(media.as_bytes()));
            }
            (media, false) => {
                let media = printable(media.as_bytes());
                let _ = write!(out, "  {media:<10}  ");
                self.styled(AnsiColor::Yellow.on_default(), &remarks.join(", "), out);
            }
        }
        out.push('\n');
    }

    fn time(&self, time: i64, out: &mut String) {
        let zoned =
            Timestamp::from_nanosecond(time.into()).map(|time| time.to_zoned_datetime(self.zone.clone()));
        let _ = match zoned {
            Ok(zoned) => write!(out, "{}", zoned.strftime("%Y-%m-%d %H:%M:%S%.3f")),
            Err(_) => write!(out, "{time:<23}"),
        };
    }

    fn target(&self, exchange: &Exchange<Facts>, out: &mut String) {
        let width = self.width.map_or(TARGET, |width| width.saturating_sub(OTHERS).max(LEAST_TARGET));
        let (method, text) = match exchange.request.as_ref().map(|request| &request.start) {
            Some(StartLine::Request { method, host, target }) => {
                let host = host.as_deref().unwrap_or_default();
                let is_host = method.as_ref() == b"CONNECT" && target.starts_with(host);
                let text = if is_host {
                    printable(target).into_owned()
                } else {
                    format!("{}{}", printable(host), printable(target))
                };
                (printable(method).into_owned(), text)
            }
            Some(_) => ("?".into(), "(not HTTP)".into()),
            None if exchange.response.is_none() => {
                ("-".into(), "(replayed response, without its request)".into())
            }
            // It may come later, or be in another file.
            None if exchange.earlier == Earlier::No => {
                ("-".into(), "(no unanswered request before it)".into())
            }
            None => ("-".into(), "(request not shown here)".into()),
        };
        self.styled(Style::new().bold(), &format!("{method:<7}"), out);
        let text = match self.width {
            Some(_) => shortened(&text, width),
            None => text,
        };
        let _ = write!(out, " {text:<width$}");
    }

    /// The status, and that of a replay beside it, with a mark where they differ.
    fn status(&self, exchange: &Exchange<Facts>, out: &mut String) {
        let text = |answer: &Facts| answer.status().map_or("?".to_owned(), |status| format!("{status:03}"));
        let colour = |answer: &Facts| match answer.status() {
            Some(200..=299) => AnsiColor::Green.on_default(),
            Some(300..=399) => AnsiColor::Cyan.on_default(),
            Some(400..=499) => AnsiColor::Yellow.on_default(),
            _ => AnsiColor::Red.on_default(),
        };
        let mut length = 0;
        let mut put = |style: Style, text: &str, out: &mut String| {
            length += text.chars().count();
            self.styled(style, text, out);
        };
        match (&exchange.response, &exchange.replayed) {
            (None, None) => put(AnsiColor::Red.on_default(), "-", out),
            (Some(response), None) => put(colour(response), &text(response), out),
            (response, Some(replayed)) => {
                match response {
                    Some(response) => put(colour(response), &text(response), out),
                    None => put(Style::new(), "-", out),
                }
                put(Style::new(), ">", out);
                put(colour(replayed), &text(replayed), out);
                if response.as_ref().is_some_and(|response| response.status() != replayed.status()) {
                    put(AnsiColor::Red.on_default().bold(), " !", out);
                }
            }
        }
        let _ = write!(out, "{:1$}", "", 9_usize.saturating_sub(length));
    }

    fn styled(&self, style: Style, text: &str, out: &mut String) {
        let _ = if self.is_coloured { write!(out, "{style}{text}{style:#}") } else { write!(out, "{text}") };
    }
}

/// The client that an id tells: port, server's port, the last four bytes of its address, the exchange.
pub(super) fn client(id: &[u8]) -> Option<String> {
    let Origin { client, client_port, .. } = Origin::of(id)?;
    Some(format!("{}:{client_port}", address(client)))
}

/// The address of a client. What cannot be that of an IPv4 client is told as the end of an IPv6 address.
pub(super) fn address(client: Ipv4Addr) -> String {
    let bits = client.to_bits();
    match client.octets()[0] {
        0 | 224.. => format!("[..{:x}:{:x}]", bits >> 16, bits & 0xffff),
        _ => client.to_string(),
    }
}

/// From the beginning of the request to the end of the answer: that of a replay, where there is one. None where both are
/// of the same moment, as of logs that have no durations.
pub(super) fn latency(exchange: &Exchange<Facts>) -> Option<i64> {
    if let Some(replayed) = &exchange.replayed {
        return replayed.latency;
    }
    let (request, response) = (exchange.request.as_ref()?, exchange.response.as_ref()?);
    Some(recorded_latency(request.time, response.end())).filter(|latency| *latency != 0)
}

/// The latency of a recorded exchange, in nanoseconds, of when its request began and its response ended. Negative where
/// the recording has them in another order.
pub fn recorded_latency(request_began: i64, response_ended: i64) -> i64 {
    response_ended.saturating_sub(request_began)
}

/// A time between two moments of a recording. None where the later one is said to be the earlier.
pub(super) fn duration(nanoseconds: i64) -> String {
    u64::try_from(nanoseconds).map_or_else(|_| "-".to_owned(), |nanoseconds| Span(nanoseconds).to_string())
}

/// What is not as it should be.
fn remarks<'a>(exchange: &Exchange<Facts>) -> Vec<&'a str> {
    let mut remarks = Vec::new();
    let mark = |message: &Option<Facts>| message.as_ref().and_then(|message| message.mark);
    let mut add = |mark: Option<Mark>, cut, gap, doubtful| match mark {
        Some(Mark::Cut) => remarks.push(cut),
        Some(Mark::Gap) => remarks.push(gap),
        Some(Mark::Doubtful) => remarks.push(doubtful),
        None => {}
    };
    add(mark(&exchange.request), "request cut", "request with gaps", "may be no request");
    add(mark(&exchange.response), "response cut", "response with gaps", "may answer another request");
    let [cut, gap, doubtful] =
        ["replayed response cut", "replayed response with gaps", "replayed response doubtful"];
    add(mark(&exchange.replayed), cut, gap, doubtful);
    let incomplete = ["request incomplete", "response incomplete", "replayed response incomplete"];
    remarks.extend(
        incomplete.into_iter().zip(exchange.short()).filter_map(|(name, is_short)| is_short.then_some(name)),
    );
    if exchange.response.is_none() && exchange.replayed.is_none() {
        remarks.push("no response");
    }
    if exchange.earlier.is_shown() {
        remarks.push("late: the request was shown before");
    }
    remarks
}

/// `json` of `application/json`, `png` of `image/png`.
fn short_media(media: &str) -> &str {
    let subtype = media.split_once('/').map_or(media, |(_, subtype)| subtype);
    let subtype = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
    subtype.strip_prefix("x-").unwrap_or(subtype)
}

/// Text of at most so many characters, with an ellipsis where some are left out.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "c74e1f900a00000200000001";

    fn request(target: &str) -> Facts {
        Facts {
            id: CLIENT.as_bytes().into(),
            time: 1_795_640_531_482_000_000,
            latency: Some(0),
            mark: None,
            is_short: false,
            start: StartLine::Request {
                method: (*b"GET").into(),
                host: Some((*b"shop").into()),
                target: target.as_bytes().into(),
            },
            size: 0,
            media_type: None,
        }
    }

    fn response(status: u16) -> Facts {
        Facts {
            time: 1_795_640_531_494_000_000,
            latency: Some(345_678),
            start: StartLine::Response(status),
            size: 1234,
            media_type: Some("application/json".into()),
            ..request("/")
        }
    }

    fn line(exchange: &Exchange<Facts>, width: Option<usize>, is_coloured: bool) -> String {
        let mut out = String::new();
        LineStyle { zone: TimeZone::UTC, width, is_coloured }.write(exchange, &mut out);
        out
    }

    #[test]
    fn an_exchange_is_a_line_of_aligned_columns() {
        let exchange =
            |request, response, replayed| Exchange { request, response, replayed, earlier: Earlier::No };
        let start = "2026-11-25 21:02:11.482  10.0.0.2:51022         ";
        let cases = [
            (
                exchange(Some(request("/a")), Some(response(200)), None),
                "GET     shop/a                                           200        12.3ms    0B 1.2kB  json",
            ),
            (
                exchange(Some(request("/a")), None, None),
                "GET     shop/a                                           -               -    0B     -              no response",
            ),
            (
                exchange(Some(request("/a")), Some(Facts { mark: Some(Mark::Cut), ..response(500) }), None),
                "GET     shop/a                                           500        12.3ms    0B 1.2kB  json        response cut",
            ),
            (
                exchange(
                    Some(request("/a")),
                    Some(response(200)),
                    Some(Facts { latency: Some(2_000_000), ..response(200) }),
                ),
                "GET     shop/a                                           200>200    2.00ms    0B 1.2kB  json",
            ),
            (
                exchange(
                    Some(request("/a")),
                    Some(response(200)),
                    Some(Facts { latency: None, ..response(503) }),
                ),
                "GET     shop/a                                           200>503 !       -    0B 1.2kB  json",
            ),
        ];
        for (exchange, expected) in cases {
            assert_eq!(line(&exchange, None, false), format!("{start}{expected}\n"), "{exchange:?}");
        }
        let orphan = exchange(None, Some(Facts { id: (*b"xyz").into(), ..response(404) }), None);
        for (earlier, said) in [
            (Earlier::No, "(no unanswered request before it)"),
            (Earlier::Unknown, "(request not shown here)"),
        ] {
            let expected = format!(
                "2026-11-25 21:02:11.494  -                      -       {said:<48} 404             -     - 1.2kB  json\n"
            );
            assert_eq!(line(&Exchange { earlier, ..orphan.clone() }, None, false), expected);
        }
        let late = exchange(Some(request("/a")), Some(response(200)), None);
        let expected = "GET     shop/a                                           200        12.3ms    0B 1.2kB  json        late: the request was shown before\n";
        let late = Exchange { earlier: Earlier::Unanswered, ..late };
        assert_eq!(line(&late, None, false), format!("{start}{expected}"));
    }

    #[test]
    fn on_a_terminal_what_is_long_is_cut_and_nothing_controls_it() {
        let exchange = Exchange {
            request: Some(request(&format!("/\x1b[31m{}", "x".repeat(500)))),
            response: Some(response(200)),
            ..Exchange::default()
        };
        let text = line(&exchange, Some(130), true);
        assert!(text.contains("shop/\\x1b[31mxxxxx") && text.contains('…'), "{text:?}");
        let plain = line(&exchange, Some(130), false);
        assert!(plain.trim_end().chars().count() <= 130 && !plain.contains('\x1b'), "{plain:?}");
        assert!(!line(&exchange, None, false).contains('…'));
    }
}
