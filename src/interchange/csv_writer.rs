//! Exchanges as lines of CSV (RFC 4180), for spreadsheets and databases.

use std::borrow::Cow;

use csv::{Terminator, WriterBuilder};

use super::exchange_sink::ExchangeFormat;
use super::jsonl::time;
use super::message::{Message, Start};
use super::remarks::Remarks;
use crate::http::{message, query};
use crate::record::{Kind, Origin, Record};
use crate::show::{Exchange, recorded_latency, text::printable};

/// The header line.
const COLUMNS: [&str; 14] = [
    "time",
    "id",
    "client",
    "method",
    "host",
    "path",
    "query",
    "status",
    "latency_ms",
    "request_bytes",
    "response_bytes",
    "content_type",
    "user_agent",
    "replayed",
];

/// Writes lines, of which the first one names the columns.
#[derive(Debug, Default)]
pub(super) struct CsvFormat;

impl ExchangeFormat for CsvFormat {
    const NAME: &'static str = "CSV";
    const HAS_RESPONSES: bool = true;

    fn begin(&mut self, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = put(&COLUMNS.map(Cow::Borrowed), out);
    }

    fn write(
        &mut self,
        exchange: &Exchange<Record>,
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        let request = exchange.request.as_ref().and_then(|record| Message::of(record, remarks));
        let answers = [&exchange.response, &exchange.replayed].into_iter().flatten();
        let responses: Vec<_> = answers.filter_map(|record| Message::of(record, remarks)).collect();
        for message in request.iter().chain(&responses) {
            message.count_mark(remarks);
        }
        if exchange.earlier.is_shown() {
            remarks.count(
                "request twice, as its response came late",
                "requests twice, as their responses came late",
            );
        }
        match (&request, &*responses) {
            (None, []) => Ok(()),
            (Some(request), []) => line(Some(request), None, remarks, out),
            (request, responses) => {
                responses.iter().try_for_each(|response| line(request.as_ref(), Some(response), remarks, out))
            }
        }
    }

    fn end(&mut self, _: &mut Vec<u8>) {}
}

fn line(
    request: Option<&Message<'_>>,
    response: Option<&Message<'_>>,
    remarks: &mut Remarks,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let Some(first) = request.or(response).map(|message| message.record) else { return Ok(()) };
    let is_replayed = response.is_some_and(|response| response.record.kind == Kind::Replayed);
    let latency = match (request, response.map(|response| response.record)) {
        (_, Some(replayed)) if is_replayed => replayed.latency.filter(|latency| *latency >= 0),
        (Some(request), Some(response)) => {
            let ended = response.timestamp.saturating_add(response.latency.unwrap_or(0).max(0));
            Some(recorded_latency(request.record.timestamp, ended))
        }
        _ => None,
    };
    let status = response.and_then(|response| match response.start {
        Start::Response(line) => Some(line.status.to_string()),
        Start::Request(_) => None,
    });
    let size = |message: &Message<'_>| message.record.payload.len().to_string();
    let target = request.map(Message::target).unwrap_or_default();
    let host = request.and_then(|request| message::host_and_port(&request.head)).unwrap_or_default();
    let mut text = |bytes| readable(bytes, remarks);
    let columns = [
        time(first.timestamp).into(),
        text(&first.id),
        Origin::of(&first.id).map_or(String::new(), |origin| origin.client.to_string()).into(),
        request.map_or("", Message::method).into(),
        text(host),
        text(query::path(target)),
        text(query::query(target).unwrap_or_default()),
        status.unwrap_or_default().into(),
        latency.map_or(String::new(), |latency| (latency as f64 / 1e6).to_string()).into(),
        request.map(size).unwrap_or_default().into(),
        response.map(size).unwrap_or_default().into(),
        text(response.and_then(|response| response.field(b"content-type")).unwrap_or_default()),
        text(request.and_then(|request| request.field(b"user-agent")).unwrap_or_default()),
        if is_replayed { "yes" } else { "" }.into(),
    ];
    put(&columns, out)
}

/// Bytes as text; what is not UTF-8 is escaped, and counted.
fn readable<'a>(bytes: &'a [u8], remarks: &mut Remarks) -> Cow<'a, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return text.into();
    }
    remarks.count("value that is not UTF-8, escaped", "values that are not UTF-8, escaped");
    printable(bytes)
}

fn put(columns: &[Cow<'_, str>; COLUMNS.len()], out: &mut Vec<u8>) -> serde_json::Result<()> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).buffer_capacity(512).from_writer(out);
    let written = writer.write_record(columns.iter().map(|column| column.as_bytes()));
    written
        .and_then(|()| Ok(writer.flush()?))
        .map_err(|error| serde_json::Error::io(std::io::Error::other(error)))
}
