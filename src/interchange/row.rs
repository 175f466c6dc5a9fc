//! An exchange as a row of a table.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use super::message::{Message, Start};
use super::remarks::Remarks;
use crate::http::{message, query};
use crate::record::{Kind, Origin, Record};
use crate::show::{recorded_latency, text::printable};

/// The names of the columns.
pub(super) const COLUMNS: [&str; 14] = [
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

/// A request, a response, or both. What is not there is none.
#[derive(Debug)]
pub(super) struct ExchangeRow<'a> {
    /// Nanoseconds since the Unix epoch.
    pub(super) time: i64,
    pub(super) id: Cow<'a, str>,
    pub(super) client: Option<Ipv4Addr>,
    pub(super) method: Option<&'a str>,
    pub(super) host: Option<Cow<'a, str>>,
    pub(super) path: Option<Cow<'a, str>>,
    pub(super) query: Option<Cow<'a, str>>,
    pub(super) status: Option<u16>,
    pub(super) latency_ms: Option<f64>,
    /// With the head, as it was on the wire.
    pub(super) request_bytes: Option<usize>,
    pub(super) response_bytes: Option<usize>,
    pub(super) content_type: Option<Cow<'a, str>>,
    pub(super) user_agent: Option<Cow<'a, str>>,
    pub(super) is_replayed: bool,
}

/// The rows of a request: one for each of its responses, or one without.
pub(super) fn rows<'a>(
    request: &Message<'a>,
    responses: &[Message<'a>],
    remarks: &mut Remarks,
) -> Vec<ExchangeRow<'a>> {
    request.count_mark(remarks);
    if responses.is_empty() {
        return vec![ExchangeRow::of(Some(request), None, remarks)];
    }
    responses.iter().map(|response| ExchangeRow::of(Some(request), Some(response), remarks)).collect()
}

impl<'a> ExchangeRow<'a> {
    /// The row of a request, whose mark was counted, and a response; one of them at least is there.
    pub(super) fn of(
        request: Option<&Message<'a>>,
        response: Option<&Message<'a>>,
        remarks: &mut Remarks,
    ) -> Self {
        if let Some(response) = response {
            response.count_mark(remarks);
        }
        let (asked, answered) = (request.map(|it| it.record), response.map(|it| it.record));
        let is_replayed = answered.is_some_and(|answered| answered.kind == Kind::Replayed);
        let (time, id) = asked.or(answered).map_or((0, &[][..]), |record| (record.timestamp, &*record.id));
        let target = request.map(Message::target);
        let status = response.and_then(|response| match response.start {
            Start::Response(line) => Some(line.status),
            Start::Request(_) => None,
        });
        let mut text = |bytes| readable(bytes, remarks);
        ExchangeRow {
            time,
            id: text(id),
            client: Origin::of(id).map(|origin| origin.client),
            method: request.map(Message::method),
            host: request.and_then(|request| message::host_and_port(&request.head)).map(&mut text),
            path: target.map(query::path).map(&mut text),
            query: target.and_then(query::query).map(&mut text),
            status,
            latency_ms: answered.and_then(|answered| latency_ms(asked, answered)),
            request_bytes: asked.map(|record| record.payload.len()),
            response_bytes: answered.map(|record| record.payload.len()),
            content_type: response.and_then(|response| response.field(b"content-type")).map(&mut text),
            user_agent: request.and_then(|request| request.field(b"user-agent")).map(text),
            is_replayed,
        }
    }
}

/// From a request to the end of its response, in milliseconds; a replayed response knows it by itself.
pub(super) fn latency_ms(asked: Option<&Record>, answered: &Record) -> Option<f64> {
    let latency = if answered.kind == Kind::Replayed {
        answered.latency.filter(|latency| *latency >= 0)?
    } else {
        let ended = answered.timestamp.saturating_add(answered.latency.unwrap_or(0).max(0));
        recorded_latency(asked?.timestamp, ended)
    };
    Some(latency as f64 / 1e6)
}

/// Bytes as text; what is not UTF-8 is escaped, and counted.
fn readable<'a>(bytes: &'a [u8], remarks: &mut Remarks) -> Cow<'a, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return text.into();
    }
    remarks.count("value that is not UTF-8, escaped", "values that are not UTF-8, escaped");
    printable(bytes)
}
