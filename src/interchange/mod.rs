//! Records in formats that other programs read and write.

mod access_log;
mod csv_writer;
mod curl;
mod exchange_sink;
mod har;
mod har_records;
mod har_source;
mod har_writer;
mod http_file;
mod json_array;
mod jsonl;
mod line_source;
mod message;
#[cfg(not(feature = "parquet"))]
mod parquet_absent;
#[cfg(feature = "parquet")]
mod parquet_writer;
mod postman;
mod remarks;
mod row;

use std::io::Write;

pub use access_log::{LogFormat, LogSource, SpreadSource};
pub use har_source::HarSource;
pub use jsonl::{FIELDS, JsonlSink, JsonlSource};

use csv_writer::CsvFormat;
use curl::CurlFormat;
use exchange_sink::ExchangeSink;
use har_writer::HarFormat;
use http_file::HttpFileFormat;
#[cfg(not(feature = "parquet"))]
use parquet_absent::ParquetFormat;
#[cfg(feature = "parquet")]
use parquet_writer::ParquetFormat;
use postman::PostmanFormat;

use crate::observe::Tell;
use crate::record::{Sink, Source};

/// A format that records are written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A JSON object on a line for each record; nothing is lost.
    Jsonl,
    /// HAR 1.2, as browsers export it: an entry for each exchange.
    Har,
    /// A command for curl for each request.
    Curl,
    /// Requests that editors send: a .http file.
    HttpFile,
    /// A line for each exchange, for spreadsheets.
    Csv,
    /// A Postman collection: requests, with responses as examples.
    Postman,
    /// A row for each exchange, for analysis.
    Parquet,
}

impl Format {
    /// What turns records into this format. `tell` hears at the end what it could not hold.
    pub fn sink(self, output: Box<dyn Write + Send>, tell: Option<Tell>) -> Box<dyn Sink + Send> {
        match self {
            Format::Jsonl => Box::new(JsonlSink::new(output)),
            Format::Har => Box::new(ExchangeSink::new(HarFormat::default(), output, tell)),
            Format::Curl => Box::new(ExchangeSink::new(CurlFormat, output, tell)),
            Format::HttpFile => Box::new(ExchangeSink::new(HttpFileFormat, output, tell)),
            Format::Csv => Box::new(ExchangeSink::new(CsvFormat, output, tell)),
            Format::Postman => Box::new(ExchangeSink::new(PostmanFormat::default(), output, tell)),
            Format::Parquet => Box::new(ExchangeSink::new(ParquetFormat::default(), output, tell)),
        }
    }

    /// The feature that this build lacks for the format.
    pub fn missing_feature(self) -> Option<&'static str> {
        (self == Format::Parquet && cfg!(not(feature = "parquet"))).then_some("parquet")
    }

    /// Whether it is one document as a whole, for programs and not for people.
    pub fn is_document(self) -> bool {
        match self {
            Format::Har | Format::Postman | Format::Parquet => true,
            Format::Jsonl | Format::Curl | Format::HttpFile | Format::Csv => false,
        }
    }

    /// Whether what follows the end of such a file goes on with it.
    pub fn can_go_on(self) -> bool {
        match self {
            // The first line for the shell is a comment, which may come again.
            Format::Jsonl | Format::Curl | Format::HttpFile => true,
            Format::Har | Format::Csv | Format::Postman | Format::Parquet => false,
        }
    }
}

/// How another format is read.
#[derive(Clone, Copy, Debug)]
pub struct ImportOptions {
    /// Longest record accepted, in bytes.
    pub max_record: u64,
    /// Whether the first malformed record is an error.
    pub is_strict: bool,
}

/// A source that reads another format.
pub trait Import: Source {
    /// What was in the input so far that records cannot hold, in words.
    fn not_carried(&self) -> Option<String> {
        None
    }

    /// Whether the input is what it should be also if it had no record.
    fn may_be_empty(&self) -> bool {
        false
    }
}
