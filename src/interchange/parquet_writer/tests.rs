//! What is written as Parquet is read back, with its types, and memory holds no more than a row group.

use std::fs::File;
use std::io::Write as _;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;

use super::*;
use crate::interchange::exchange_sink::ExchangeSink;
use crate::interchange::row::COLUMNS;
use crate::record::{Block, Header, Kind, Sink as _};

const REQUEST: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: shop:81\r\nUser-Agent: \xe4\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok";

fn header(kind: Kind, id: &[u8], timestamp: i64) -> Header<'_> {
    Header { kind, id, timestamp, latency: Some(1_500_000), mark: None, length: None, extra: b"" }
}

fn read(text: &[u8]) -> SerializedFileReader<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text).unwrap();
    SerializedFileReader::new(file).expect("a Parquet file")
}

#[test]
fn rows_have_the_columns_of_csv_with_types() {
    let mut block = Block::new();
    let id = b"000100507f00000100000001";
    block.push(&header(Kind::Request, id, 1_700_000_000_000_000_001), REQUEST);
    block.push(&header(Kind::Response, id, 1_700_000_000_001_000_001), RESPONSE);
    block.push(&header(Kind::Response, b"other", 5), RESPONSE);
    block.push(&header(Kind::Request, b"last", 6), b"GET / HTTP/1.1\r\n\r\n");
    let mut file = Vec::new();
    let mut sink = ExchangeSink::new(ParquetFormat::default(), &mut file, None);
    sink.write_block(&block).unwrap();
    sink.finish().unwrap();
    drop(sink);
    let file = read(&file);
    let schema = file.metadata().file_metadata().schema_descr_ptr();
    let names: Vec<_> = schema.columns().iter().map(|column| column.name().to_owned()).collect();
    assert_eq!(names, COLUMNS);
    let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    let rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    let of = |start: &str| rows.iter().find(|row| row.contains(start)).expect(start).clone();
    let whole = of("127.0.0.1");
    let expected = format!(
        "method: \"GET\", host: \"shop:81\", path: \"/a\", query: \"b=c\", status: 404, latency_ms: 2.5, \
         request_bytes: {}, response_bytes: {}, content_type: \"text/html\", user_agent: \"\\xe4\", replayed: false",
        REQUEST.len(),
        RESPONSE.len()
    );
    assert!(whole.contains(&expected), "{whole}\n{expected}");
    let alone = of("other");
    assert!(alone.contains("method: null") && alone.contains("status: 404, latency_ms: null"), "{alone}");
    let unanswered = of("last");
    assert!(unanswered.contains("status: null") && unanswered.contains("query: null"), "{unanswered}");
    let first = file.get_row_iter(None).unwrap().map(Result::unwrap).find(|row| row.to_string() == whole);
    let time = first.unwrap().get_long(0).unwrap();
    assert_eq!(time, 1_700_000_000_000_000_001);
}

#[test]
fn row_groups_are_bounded_by_rows_and_by_text_and_none_is_empty() {
    let (mut format, mut out, mut longest) = (ParquetFormat::default(), Vec::new(), 0);
    format.begin(&mut out).unwrap();
    let row = |path: String| ExchangeRow {
        time: 0,
        id: "a".into(),
        client: None,
        method: Some("GET"),
        host: None,
        path: Some(path.into()),
        query: None,
        status: None,
        latency_ms: None,
        request_bytes: Some(1),
        response_bytes: None,
        content_type: None,
        user_agent: None,
        is_replayed: false,
    };
    for number in 0..2 * GROUP_ROWS {
        format.add(row(format!("/{number}")), &mut out).unwrap();
        longest = longest.max(format.writer.as_ref().map_or(0, |writer| writer.inner().len()));
    }
    assert_eq!(longest, 0, "what was written stays in the writer");
    for _ in 0..3 {
        format.add(row("x".repeat(GROUP_TEXT / 2)), &mut out).unwrap();
    }
    format.end(&mut out).unwrap();
    let file = read(&out);
    let groups: Vec<_> = file.metadata().row_groups().iter().map(|group| group.num_rows() as usize).collect();
    assert_eq!(groups, [GROUP_ROWS, GROUP_ROWS, 2, 1]);
    let mut empty = ParquetFormat::default();
    let mut out = Vec::new();
    empty.begin(&mut out).unwrap();
    empty.end(&mut out).unwrap();
    assert_eq!(read(&out).metadata().num_row_groups(), 0);
}
