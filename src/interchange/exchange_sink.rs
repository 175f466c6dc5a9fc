//! Records as exchanges in another format: what all such formats have in common.

use std::io::{self, Write};

use super::message::Message;
use super::remarks::Remarks;
use crate::Result;
use crate::observe::Tell;
use crate::record::{Kind, Record, Run, Sink, View};
use crate::show::{Exchange, Joiner, KeptMessage};

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 18;

/// How a format has exchanges.
pub(super) trait ExchangeFormat {
    /// What people call it.
    const NAME: &'static str;

    /// Whether it holds responses. Where it does not, requests wait for none, and are written without any.
    const HAS_RESPONSES: bool;

    /// What comes before the first exchange.
    fn begin(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    /// Writes a request with the responses to it, and counts what the format cannot hold.
    fn write(
        &mut self,
        request: &Message<'_>,
        responses: &[Message<'_>],
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()>;

    /// Writes a response whose request is not there. Most formats have no place for it.
    fn write_alone(&mut self, _: &Message<'_>, remarks: &mut Remarks, _: &mut Vec<u8>) -> io::Result<()> {
        remarks.count("response without request", "responses without requests");
        Ok(())
    }

    /// What comes after the last one.
    fn end(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// Writes records as exchanges.
///
/// A request waits for its response in bounded memory, as long as there is room. What has been written is not a whole
/// file before [`Sink::finish`].
pub(super) struct ExchangeSink<W, F> {
    format: F,
    output: W,
    tell: Option<Tell>,
    joiner: Joiner<Record>,
    remarks: Remarks,
    text: Vec<u8>,
    has_begun: bool,
}

impl<W: Write, F: ExchangeFormat> ExchangeSink<W, F> {
    /// A file that begins at `output`. What was not carried over is told at its end.
    pub(super) fn new(format: F, output: W, tell: Option<Tell>) -> Self {
        ExchangeSink {
            format,
            output,
            tell,
            joiner: Joiner::patient(),
            remarks: Remarks::default(),
            text: Vec::new(),
            has_begun: false,
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_begun, true) { Ok(()) } else { self.format.begin(&mut self.text) }
    }

    fn put(&mut self) -> Result<()> {
        self.output.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }

    fn take(&mut self, record: &View<'_>) -> io::Result<()> {
        let ExchangeSink { format, joiner, remarks, text, .. } = self;
        if !F::HAS_RESPONSES {
            match record.header.kind {
                Kind::Request => {
                    let request = Some(Record::keep(record));
                    return write(format, &Exchange { request, ..Exchange::default() }, remarks, text);
                }
                Kind::Response => remarks.count("response", "responses"),
                Kind::Replayed => remarks.count("replayed response", "replayed responses"),
            }
            return Ok(());
        }
        let mut result = Ok(());
        joiner.take(record, |exchange| {
            if result.is_ok() {
                result = write(format, &exchange, remarks, text);
            }
        });
        result
    }
}

/// Writes an exchange: those of its records that are messages.
pub(super) fn write<F: ExchangeFormat>(
    format: &mut F,
    exchange: &Exchange<Record>,
    remarks: &mut Remarks,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let request = exchange.request.as_ref().and_then(|record| Message::of(record, remarks));
    let answers = [&exchange.response, &exchange.replayed].into_iter().flatten();
    let responses: Vec<_> = answers.filter_map(|record| Message::of(record, remarks)).collect();
    if exchange.earlier.is_shown() {
        remarks.count(
            "request twice, as its response came late",
            "requests twice, as their responses came late",
        );
    }
    match request {
        Some(request) => format.write(&request, &responses, remarks, out),
        None => responses.iter().try_for_each(|response| format.write_alone(response, remarks, out)),
    }
}

impl<W: Write, F: ExchangeFormat> Sink for ExchangeSink<W, F> {
    fn write(&mut self, records: &Run<'_>) -> Result<()> {
        self.begin()?;
        // Exchanges with a replayed response are to wait for that before the first one has been written.
        if records.iter().any(|record| record.header.kind == Kind::Replayed) {
            self.joiner.expect_replayed();
        }
        for record in records.iter() {
            self.take(&record)?;
            if self.text.len() >= BUFFER {
                self.put()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.put()?;
        Ok(self.output.flush()?)
    }

    fn finish(&mut self) -> Result<()> {
        self.begin()?;
        let ExchangeSink { format, joiner, remarks, text, .. } = self;
        let mut result = Ok(());
        joiner.finish(|exchange| {
            if result.is_ok() {
                result = write(format, &exchange, remarks, text);
            }
        });
        result?;
        self.format.end(&mut self.text)?;
        self.flush()?;
        if let (Some(tell), Some(lost)) = (self.tell, self.remarks.text()) {
            tell(&format_args!("not carried over to {}: {lost}", F::NAME));
        }
        Ok(())
    }
}

impl KeptMessage for Record {
    fn keep(record: &View<'_>) -> Self {
        let header = &record.header;
        Record {
            kind: header.kind,
            id: header.id.to_vec(),
            timestamp: header.timestamp,
            latency: header.latency,
            mark: header.mark,
            extra: header.extra.to_vec(),
            payload: record.payload.to_vec(),
        }
    }

    fn cost(&self) -> usize {
        // An allocation takes a few bytes more than was asked for.
        size_of::<Record>() + self.id.len() + self.extra.len() + self.payload.len() + 64
    }

    fn shortened(&self) -> Self {
        self.clone()
    }
}
