//! What a build without Parquet says, should the format not have been refused before.

use std::io::{self, ErrorKind};

use super::exchange_sink::ExchangeFormat;
use super::message::Message;
use super::remarks::Remarks;

/// No Parquet.
#[derive(Debug, Default)]
pub(super) struct ParquetFormat {}

impl ExchangeFormat for ParquetFormat {
    const NAME: &'static str = "Parquet";
    const HAS_RESPONSES: bool = true;

    fn begin(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Err(io::Error::new(
            ErrorKind::Unsupported,
            "this build has no Parquet: build with --features parquet",
        ))
    }

    fn write(
        &mut self,
        _: &Message<'_>,
        _: &[Message<'_>],
        _: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.begin(out)
    }
}
