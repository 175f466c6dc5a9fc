//! Access logs of web servers as requests and, without their bodies, responses; gor-log(5) describes what becomes of a line.

mod entry;
mod json;
mod pattern;
mod records;
mod spread;
mod time;

use std::io::Read;
use std::sync::{Arc, LazyLock};

use self::json::JsonLine;
use self::pattern::Pattern;
use self::records::LogRecords;
pub use self::spread::SpreadSource;
use super::ImportOptions;
use super::line_source::{LineFault, LineFormat, LineSource};
use crate::error::BadRule;
use crate::record::{Block, Excerpt, Malformed};

/// Lines that are looked at to recognise a log: the first ones may be damaged.
const LOOKED_AT: usize = 20;

/// Formats that have a name, those first that others would be taken for.
static NAMED: LazyLock<[(&str, Arc<Pattern>); 3]> = LazyLock::new(|| {
    const VHOST: &str = "$host:$server_port ";
    const COMMON: &str =
        "$remote_addr $remote_ident $remote_user [$time_local] \"$request\" $status $body_bytes_sent";
    const COMBINED: &str = " \"$http_referer\" \"$http_user_agent\"";
    // These formats are valid, as a test holds.
    let pattern = |text: String| Arc::new(Pattern::parse(&text).unwrap_or_default().with_more());
    [
        ("vhost_combined", pattern(format!("{VHOST}{COMMON}{COMBINED}"))),
        ("combined", pattern(format!("{COMMON}{COMBINED}"))),
        ("common", pattern(COMMON.to_owned())),
    ]
});

/// How a log is written.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFormat(Lines);

#[derive(Clone, Debug, PartialEq)]
enum Lines {
    Text(Arc<Pattern>),
    Json,
}

impl LogFormat {
    /// Reads the name of a format, `combined`, `common`, `vhost_combined` or `json`, or a format in the syntax of nginx.
    pub fn parse(text: &str) -> Result<Self, BadRule> {
        if text == "json" {
            return Ok(LogFormat(Lines::Json));
        }
        if let Some((_, pattern)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(LogFormat(Lines::Text(Arc::clone(pattern))));
        }
        if !text.contains('$') {
            let reason = "expected combined, common, vhost_combined, json, or variables of nginx, as $status";
            return Err(BadRule::new(text, 0, reason));
        }
        Ok(LogFormat(Lines::Text(Arc::new(Pattern::parse(text)?))))
    }

    /// The format of the log that begins with this text. None: it is no log, or one of another format.
    pub fn of(first: &[u8]) -> Option<Self> {
        let whole = memchr::memrchr(b'\n', first).map_or(first, |end| &first[..end]);
        let lines =
            whole.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        lines.take(LOOKED_AT).find_map(|line| {
            if line.starts_with(b"{") {
                return is_json_log(line).then_some(LogFormat(Lines::Json));
            }
            let (_, pattern) = NAMED.iter().find(|(_, pattern)| is_log(pattern, line))?;
            Some(LogFormat(Lines::Text(Arc::clone(pattern))))
        })
    }
}

fn is_log(pattern: &Pattern, line: &[u8]) -> bool {
    pattern.read(line).is_ok_and(|entry| entry.time.is_some() && entry.status.is_some())
}

fn is_json_log(line: &[u8]) -> bool {
    if json::is_record(line) {
        return false;
    }
    let Some(line) = JsonLine::parse(line) else { return false };
    line.entry().is_ok_and(|entry| {
        let has_request = entry.request.is_some() || entry.method.is_some() && entry.target.is_some();
        entry.time.is_some() && has_request
    })
}

/// Reads lines of a log as records.
pub type LogSource<R> = LineSource<R, LogLines>;

impl<R: Read> LogSource<R> {
    /// Reads from `input`, which needs no buffer of its own; [`SpreadSource`] is for what it yields.
    pub fn new(input: R, format: LogFormat, options: ImportOptions) -> Self {
        LineSource::with(LogLines { format, records: LogRecords::default() }, input, options)
    }

    /// The same for records that are handed out as they stand, so that requests of the same second come at once.
    pub fn keeping_seconds(input: R, format: LogFormat, options: ImportOptions) -> Self {
        LineSource::with(LogLines { format, records: LogRecords::keeping_seconds() }, input, options)
    }
}

/// Each line as a request and perhaps a response.
#[derive(Debug)]
pub struct LogLines {
    format: LogFormat,
    records: LogRecords,
}

impl LineFormat for LogLines {
    fn read(
        &mut self,
        line: &[u8],
        number: u64,
        max_record: u64,
        block: &mut Block,
    ) -> Result<u64, LineFault> {
        let wrong =
            |why| LineFault::Malformed(Malformed::Log { line: number, why, shown: Excerpt::of(line) });
        let json;
        let entry = match &self.format.0 {
            Lines::Text(pattern) => pattern.read(line),
            Lines::Json => {
                json = JsonLine::parse(line).ok_or_else(|| wrong("it is not a JSON object"))?;
                json.entry()
            }
        };
        let exchange = entry.and_then(|entry| self.records.of(&entry, line, number)).map_err(wrong)?;
        let Some(exchange) = exchange else { return Ok(0) };
        let records = || std::iter::once(&exchange.request).chain(&exchange.response);
        if records().any(|record| record.payload.len() as u64 > max_record) {
            return Err(LineFault::TooLarge);
        }
        for record in records() {
            block.push(&record.header(), &record.payload);
        }
        Ok(1 + u64::from(exchange.response.is_some()))
    }

    fn cut(&self) -> Malformed {
        Malformed::LogCut
    }

    fn not_carried(&self) -> Option<String> {
        self.records.remarks.text()
    }
}

#[cfg(test)]
mod tests;
