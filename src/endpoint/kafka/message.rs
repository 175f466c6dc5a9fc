//! A record as the value and the key of a message, and back.

use memchr::memchr;

use super::fault::MessageFault;
use super::json;
use crate::record::{Block, Header, MAX_HEADER, View, session};

/// What a message consists of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageFormat {
    /// Header line and payload of a record, without separator.
    Gor,
    /// An object with method, URL, header fields and body.
    Json,
}

/// Writes a record as the value of a message behind `value`. What fails leaves it as it was.
pub fn encode(format: MessageFormat, record: &View<'_>, value: &mut Vec<u8>) -> Result<(), MessageFault> {
    match format {
        MessageFormat::Json => json::encode(&record.header, record.payload, value)?,
        MessageFormat::Gor => {
            let line = memchr(b'\n', record.raw).map_or(0, |end| end + 1);
            value.extend_from_slice(&record.raw[..line]);
            value.extend_from_slice(record.payload);
        }
    }
    Ok(())
}

/// The key of a message: the records of a connection have the same, so that they stay on one partition, in their order.
#[cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "messages are made and read by the client alone")
)]
pub(super) fn key<'a>(record: &View<'a>) -> &'a [u8] {
    session(record.header.id)
}

/// Adds the record that the value of a message is to `block`.
pub fn decode(format: MessageFormat, value: &[u8], block: &mut Block) -> Result<(), MessageFault> {
    if format == MessageFormat::Json {
        return json::decode(value, block);
    }
    let end = memchr(b'\n', &value[..value.len().min(MAX_HEADER + 1)]);
    let end = end.ok_or("it does not begin with the header line of a record")?;
    let (line, payload) = (&value[..end], &value[end + 1..]);
    let header = Header::parse(line).map_err(|fault| fault.to_string())?;
    if header.length.is_some_and(|length| length != payload.len() as u64) {
        return Err("the length in its header is not that of its payload".into());
    }
    if payload.is_empty() {
        return Err("there is no payload after the header line".into());
    }
    block.push(&header, payload);
    Ok(())
}

/// The id of the record that the value of a message is, for a person.
#[cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "messages are made and read by the client alone")
)]
pub(super) fn id(format: MessageFormat, value: &[u8]) -> String {
    let mut block = Block::new();
    match decode(format, value, &mut block) {
        Ok(()) => String::from_utf8_lossy(block.get(0).header.id).into_owned(),
        Err(_) => "unknown".into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Kind, Mark};

    fn value(format: MessageFormat, header: &Header<'_>, payload: &[u8]) -> Result<Vec<u8>, MessageFault> {
        let mut block = Block::new();
        block.push(header, payload);
        let mut value = Vec::new();
        encode(format, &block.get(0), &mut value).map(|()| value)
    }

    fn header() -> Header<'static> {
        Header { id: b"0123456789abcdef01234567", timestamp: 5, latency: Some(7), ..Header::default() }
    }

    #[test]
    fn a_value_is_the_header_line_and_the_payload() {
        let found = value(MessageFormat::Gor, &header(), b"GET / HTTP/1.1\r\n\r\n").expect("a value");
        assert_eq!(found, b"1 0123456789abcdef01234567 5 7\nGET / HTTP/1.1\r\n\r\n");
        let mut block = Block::new();
        block.push(&header(), b"x");
        assert_eq!(key(&block.get(0)), b"0123456789abcdef");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (value, why) in [
            (&b""[..], "header line"),
            (b"1 a 5 7", "header line"),
            (b"4 a 5 7\nx", "the kind"),
            (b"1 a 5 7\n", "no payload"),
            (b"1 a 5 7 3\nxx", "is not that of its payload"),
            (&[b'1'; 2000], "header line"),
        ] {
            let mut block = Block::new();
            let fault = decode(MessageFormat::Gor, value, &mut block).expect_err("no record");
            assert!(fault.contains(why) && block.is_empty(), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(id in "[!-~]{1,40}", timestamp: i64, latency: Option<i64>, cut: bool,
                kind in 0..3_usize, payload in prop::collection::vec(any::<u8>(), 1..200)) {
            let kind = [Kind::Request, Kind::Response, Kind::Replayed][kind];
            let mark = cut.then_some(Mark::Cut);
            let header = Header { kind, id: id.as_bytes(), timestamp, latency, mark, ..Header::default() };
            let (mut before, mut after) = (Block::new(), Block::new());
            before.push(&header, &payload);
            let mut value = Vec::new();
            encode(MessageFormat::Gor, &before.get(0), &mut value).expect("any record fits");
            decode(MessageFormat::Gor, &value, &mut after).expect("it is a record");
            prop_assert_eq!(before.bytes(), after.bytes());
        }

        #[test]
        fn no_value_panics_and_what_is_read_can_be_written(value in prop::collection::vec(any::<u8>(), 0..200),
                rest in "[ -~\n]{0,100}") {
            for value in [value, format!("1 a 5 7{rest}").into_bytes()] {
                for format in [MessageFormat::Gor, MessageFormat::Json] {
                    let mut block = Block::new();
                    if decode(format, &value, &mut block).is_ok() {
                        let mut again = Vec::new();
                        prop_assert!(encode(format, &block.get(0), &mut again).is_ok());
                    }
                }
            }
        }
    }
}
