//! Exchanges as lines of CSV (RFC 4180), for spreadsheets and databases.

use std::io;

use csv::{Terminator, WriterBuilder};

use super::exchange_sink::ExchangeFormat;
use super::jsonl::time;
use super::message::Message;
use super::remarks::Remarks;
use super::row::{COLUMNS, ExchangeRow, rows};

/// Writes lines, of which the first one names the columns.
#[derive(Debug, Default)]
pub(super) struct CsvFormat;

impl ExchangeFormat for CsvFormat {
    const NAME: &'static str = "CSV";
    const HAS_RESPONSES: bool = true;

    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        put(COLUMNS, out)
    }

    fn write(
        &mut self,
        request: &Message<'_>,
        responses: &[Message<'_>],
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        rows(request, responses, remarks).iter().try_for_each(|row| put_row(row, out))
    }

    fn write_alone(
        &mut self,
        response: &Message<'_>,
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        put_row(&ExchangeRow::of(None, Some(response), remarks), out)
    }
}

fn put_row(row: &ExchangeRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let columns: [&str; COLUMNS.len()] = [
        &time(row.time),
        &row.id,
        &text(row.client),
        row.method.unwrap_or_default(),
        row.host.as_deref().unwrap_or_default(),
        row.path.as_deref().unwrap_or_default(),
        row.query.as_deref().unwrap_or_default(),
        &text(row.status),
        &text(row.latency_ms),
        &text(row.request_bytes),
        &text(row.response_bytes),
        row.content_type.as_deref().unwrap_or_default(),
        row.user_agent.as_deref().unwrap_or_default(),
        if row.is_replayed { "yes" } else { "" },
    ];
    put(columns, out)
}

fn put(columns: [&str; COLUMNS.len()], out: &mut Vec<u8>) -> io::Result<()> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).buffer_capacity(512).from_writer(out);
    writer.write_record(columns).map_err(io::Error::other)?;
    writer.flush()
}
