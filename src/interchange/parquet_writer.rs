//! Exchanges as rows of a Parquet file, for analysis.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::exchange_sink::ExchangeFormat;
use super::message::Message;
use super::remarks::Remarks;
use super::row::{ExchangeRow, rows};

/// The columns of [`super::row::COLUMNS`].
const SCHEMA: &str = "message exchange {
    required int64 time (TIMESTAMP(NANOS, true));
    required binary id (STRING);
    optional binary client (STRING);
    optional binary method (STRING);
    optional binary host (STRING);
    optional binary path (STRING);
    optional binary query (STRING);
    optional int32 status (INTEGER(16, false));
    optional double latency_ms;
    optional int64 request_bytes;
    optional int64 response_bytes;
    optional binary content_type (STRING);
    optional binary user_agent (STRING);
    required boolean replayed;
}";

/// A row group ends with this many rows, or this much text: it is in memory until then.
const GROUP_ROWS: usize = 1 << 17;
const GROUP_TEXT: usize = 16 << 20;

/// Writes row groups, and at the end where each of them is.
#[derive(Default)]
pub(super) struct ParquetFormat {
    writer: Option<SerializedFileWriter<Vec<u8>>>,
    group: RowGroup,
}

/// Rows that wait to be written, by columns.
#[derive(Default)]
struct RowGroup {
    text_bytes: usize,
    time: Vec<Option<i64>>,
    id: Vec<Option<ByteArray>>,
    client: Vec<Option<ByteArray>>,
    method: Vec<Option<ByteArray>>,
    host: Vec<Option<ByteArray>>,
    path: Vec<Option<ByteArray>>,
    query: Vec<Option<ByteArray>>,
    status: Vec<Option<i32>>,
    latency_ms: Vec<Option<f64>>,
    request_bytes: Vec<Option<i64>>,
    response_bytes: Vec<Option<i64>>,
    content_type: Vec<Option<ByteArray>>,
    user_agent: Vec<Option<ByteArray>>,
    replayed: Vec<Option<bool>>,
}

impl ExchangeFormat for ParquetFormat {
    const NAME: &'static str = "Parquet";
    const HAS_RESPONSES: bool = true;

    fn begin(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        let schema = parse_message_type(SCHEMA).map_err(io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // Those of pages would stay in memory until the end.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_created_by(concat!("gor-tools ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties));
        self.writer = Some(writer.map_err(io::Error::other)?);
        Ok(())
    }

    fn write(
        &mut self,
        request: &Message<'_>,
        responses: &[Message<'_>],
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        rows(request, responses, remarks).into_iter().try_for_each(|row| self.add(row, out))
    }

    fn write_alone(
        &mut self,
        response: &Message<'_>,
        remarks: &mut Remarks,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.add(ExchangeRow::of(None, Some(response), remarks), out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.put_group(out)?;
        if let Some(mut writer) = self.writer.take() {
            writer.finish().map_err(io::Error::other)?;
            out.append(writer.inner_mut());
        }
        Ok(())
    }
}

impl ParquetFormat {
    fn add(&mut self, row: ExchangeRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        self.group.add(row);
        if self.group.time.len() < GROUP_ROWS && self.group.text_bytes < GROUP_TEXT {
            return Ok(());
        }
        self.put_group(out)
    }

    fn put_group(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let group = std::mem::take(&mut self.group);
        if let (Some(writer), false) = (&mut self.writer, group.time.is_empty()) {
            group.write(writer).map_err(io::Error::other)?;
            // The writer has counted them, and needs them no more.
            out.append(writer.inner_mut());
        }
        Ok(())
    }
}

impl RowGroup {
    fn add(&mut self, row: ExchangeRow<'_>) {
        let mut text = |value: Cow<'_, str>| {
            self.text_bytes += value.len();
            ByteArray::from(value.into_owned().into_bytes())
        };
        self.time.push(Some(row.time));
        self.id.push(Some(text(row.id)));
        self.client.push(row.client.map(|client| text(client.to_string().into())));
        self.method.push(row.method.map(|method| text(method.into())));
        self.host.push(row.host.map(&mut text));
        self.path.push(row.path.map(&mut text));
        self.query.push(row.query.map(&mut text));
        self.status.push(row.status.map(i32::from));
        self.latency_ms.push(row.latency_ms);
        self.request_bytes.push(row.request_bytes.map(|bytes| bytes as i64));
        self.response_bytes.push(row.response_bytes.map(|bytes| bytes as i64));
        self.content_type.push(row.content_type.map(&mut text));
        self.user_agent.push(row.user_agent.map(text));
        self.replayed.push(Some(row.is_replayed));
    }

    /// Writes the columns in the order of the schema.
    fn write(self, writer: &mut SerializedFileWriter<Vec<u8>>) -> Result<()> {
        let mut group = writer.next_row_group()?;
        put::<Int64Type>(self.time, &mut group)?;
        put::<ByteArrayType>(self.id, &mut group)?;
        put::<ByteArrayType>(self.client, &mut group)?;
        put::<ByteArrayType>(self.method, &mut group)?;
        put::<ByteArrayType>(self.host, &mut group)?;
        put::<ByteArrayType>(self.path, &mut group)?;
        put::<ByteArrayType>(self.query, &mut group)?;
        put::<Int32Type>(self.status, &mut group)?;
        put::<DoubleType>(self.latency_ms, &mut group)?;
        put::<Int64Type>(self.request_bytes, &mut group)?;
        put::<Int64Type>(self.response_bytes, &mut group)?;
        put::<ByteArrayType>(self.content_type, &mut group)?;
        put::<ByteArrayType>(self.user_agent, &mut group)?;
        put::<BoolType>(self.replayed, &mut group)?;
        group.close().map(drop)
    }
}

/// Writes the next column.
fn put<T: DataType>(
    values: Vec<Option<T::T>>,
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
) -> Result<()> {
    // Whether each row has a value; of columns that always have one it is not looked at.
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("a column too many".to_owned()));
    };
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

#[cfg(test)]
mod tests;
