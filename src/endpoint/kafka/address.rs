//! What the name of a topic says: brokers, topic, and how it is read or written.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::MessageFormat;
use crate::{Error, Result};

/// What the name of such a place begins with.
pub(crate) const SCHEME: &str = "kafka://";

/// How long brokers are waited for, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longer nobody waits.
const MAX_TIMEOUT: u64 = 86_400;

/// Longest name of a topic that brokers take.
const MAX_TOPIC: usize = 249;

/// What messages may be compressed with, where nothing is said the first.
const COMPRESSIONS: [&str; 5] = ["lz4", "zstd", "gzip", "snappy", "none"];

/// Where reading begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartOffset {
    /// With the oldest message that is there.
    Earliest,
    /// With the next message that comes.
    Latest,
    /// With the message of this number.
    At(i64),
    /// With the first message of this time or later: milliseconds since the Unix epoch.
    Since(i64),
}

/// A topic, as `kafka://broker[:port],…/topic?key=value&…` names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KafkaAddress {
    /// As it was typed.
    name: String,
    /// Brokers to ask for all others, as the client library takes them.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// The only partition, if not all.
    pub partition: Option<i32>,
    /// What a message consists of.
    pub format: MessageFormat,
    /// Who reads: what a group has handled, it does not get again.
    pub group: Option<String>,
    /// Where reading begins; in a group, where it has not read yet.
    pub offset: Option<StartOffset>,
    /// What messages are compressed with.
    pub compression: Option<&'static str>,
    /// How long brokers are waited for, at the beginning and for each record.
    pub timeout: Duration,
}

impl fmt::Display for KafkaAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl KafkaAddress {
    /// A place to read or write; none where the name is not of a topic.
    fn parse(name: &str) -> Option<Result<Self>> {
        let rest = name.strip_prefix(SCHEME)?;
        Some(parse(name, rest).map_err(|why| {
            // A password that was put where it does not belong is not repeated.
            let shown = if rest.contains('@') && rest.find('@') < rest.find('/') { SCHEME } else { name };
            Error::Usage(format!("{shown}: {why}"))
        }))
    }

    /// A place to read.
    pub fn input(name: &str) -> Option<Result<Self>> {
        Some(Self::parse(name)?.and_then(|address| {
            if address.compression.is_some() {
                return Err(Error::Usage(format!("{name}: compression= is for outputs")));
            }
            let is_of_one_reader = matches!(address.offset, Some(StartOffset::At(_) | StartOffset::Since(_)));
            if address.group.is_some() && (address.partition.is_some() || is_of_one_reader) {
                let text = "a group shares the partitions itself, and goes on where it was; partition, offset=N and \
                            offset=@TIME are for reading without group";
                return Err(Error::Usage(format!("{name}: {text}")));
            }
            Ok(address)
        }))
    }

    /// A place to write.
    pub fn output(name: &str) -> Option<Result<Self>> {
        Some(Self::parse(name)?.and_then(|address| {
            if address.group.is_some() || address.offset.is_some() {
                return Err(Error::Usage(format!("{name}: group= and offset= are for inputs")));
            }
            Ok(address)
        }))
    }
}

/// The compression that is used where none is named.
#[cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "messages are made and read by the client alone")
)]
pub(super) fn default_compression() -> &'static str {
    COMPRESSIONS[0]
}

fn parse(name: &str, rest: &str) -> Result<KafkaAddress, String> {
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let (brokers, topic) = place.split_once('/').ok_or("expected kafka://BROKER[:PORT],…/TOPIC")?;
    if brokers.contains('@') {
        return Err("give user and password by --kafka-username and --kafka-password-file".into());
    }
    if brokers.split(',').any(|broker| !is_broker(broker)) {
        return Err("a broker is missing or has no such name; expected kafka://BROKER[:PORT],…/TOPIC".into());
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if topic.is_empty() || topic.len() > MAX_TOPIC || !topic.bytes().all(is_letter) {
        return Err(format!(
            "the topic is missing or has no such name: it is of letters, digits, '.', '_' and '-', at most {MAX_TOPIC}"
        ));
    }
    let mut address = KafkaAddress {
        name: name.to_owned(),
        brokers: brokers.to_owned(),
        topic: topic.to_owned(),
        partition: None,
        format: MessageFormat::Gor,
        group: None,
        offset: None,
        compression: None,
        timeout: TIMEOUT,
    };
    let mut given = Vec::new();
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not KEY=VALUE"))?;
        if given.contains(&key) {
            return Err(format!("{key} is given twice"));
        }
        given.push(key);
        address.set(key, value)?;
    }
    Ok(address)
}

impl KafkaAddress {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let expected = |what: &str| format!("{key}={value}: expected {what}");
        match key {
            "partition" => {
                let number = value.parse().ok().filter(|_| is_number(value));
                self.partition = Some(number.ok_or_else(|| expected("the number of a partition"))?);
            }
            "format" => {
                self.format = match value {
                    "gor" => MessageFormat::Gor,
                    "json" => MessageFormat::Json,
                    _ => return Err(expected("gor or json")),
                };
            }
            "group" if value.is_empty() => return Err(expected("the name of a group")),
            "group" => self.group = Some(value.to_owned()),
            "offset" => self.offset = Some(offset(value).ok_or_else(|| {
                expected(
                    "earliest, latest, a number or @TIME (RFC 3339, or seconds or milliseconds since 1970)",
                )
            })?),
            "compression" => {
                let known = COMPRESSIONS.into_iter().find(|known| *known == value);
                self.compression = Some(known.ok_or_else(|| expected(&COMPRESSIONS.join(", ")))?);
            }
            "timeout" => {
                let number = value.strip_suffix('s').filter(|number| is_number(number));
                let seconds = number.and_then(|number| number.parse().ok());
                let seconds = seconds.filter(|seconds| (1..=MAX_TIMEOUT).contains(seconds));
                self.timeout =
                    Duration::from_secs(seconds.ok_or_else(|| expected("whole seconds, as in 30s"))?);
            }
            _ => {
                return Err(format!(
                    "unknown key {key}; expected group, offset, partition, format, compression or timeout"
                ));
            }
        }
        Ok(())
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A host or an address, with a port or without. An IPv6 address is in brackets.
fn is_broker(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => return host.parse::<std::net::Ipv6Addr>().is_ok(),
        Some((host, port)) => match port.strip_prefix(':') {
            Some(port) => return host.parse::<std::net::Ipv6Addr>().is_ok() && is_port(port),
            None => return false,
        },
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !host.is_empty() && host.bytes().all(is_letter) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    is_number(text) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn offset(value: &str) -> Option<StartOffset> {
    let time = match value {
        "earliest" => return Some(StartOffset::Earliest),
        "latest" => return Some(StartOffset::Latest),
        _ => match value.strip_prefix('@') {
            None => return value.parse().ok().filter(|_| is_number(value)).map(StartOffset::At),
            Some(time) => time,
        },
    };
    let milliseconds = if is_number(time) {
        // Seconds until the year 5138.
        let unit = if time.trim_start_matches('0').len() <= 11 { 1000 } else { 1 };
        time.parse::<i64>().ok()?.checked_mul(unit)?
    } else {
        // A message of the same millisecond may be earlier than the time; it is read, too.
        time.parse::<Timestamp>().ok()?.as_millisecond()
    };
    (milliseconds >= 0).then_some(StartOffset::Since(milliseconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(name: &str) -> KafkaAddress {
        KafkaAddress::parse(name).expect("of a topic").unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn a_name_says_where_and_how() {
        let address = parsed("kafka://a,b.c:9093,[::1]:9094/my.topic_1-x");
        assert_eq!((&*address.brokers, &*address.topic), ("a,b.c:9093,[::1]:9094", "my.topic_1-x"));
        assert_eq!((address.format, address.timeout), (MessageFormat::Gor, TIMEOUT));
        let address = parsed("kafka://a/t?format=json&partition=3&compression=zstd&timeout=5s");
        assert_eq!((address.format, address.partition), (MessageFormat::Json, Some(3)));
        assert_eq!((address.compression, address.timeout), (Some("zstd"), Duration::from_secs(5)));
        assert!(KafkaAddress::input("kafka.gor").is_none());
    }

    #[test]
    fn offsets_are_words_numbers_and_times() {
        for (text, expected) in [
            ("earliest", StartOffset::Earliest),
            ("latest", StartOffset::Latest),
            ("17", StartOffset::At(17)),
            ("@1763900000", StartOffset::Since(1_763_900_000_000)),
            ("@1763900000123", StartOffset::Since(1_763_900_000_123)),
            ("@2025-11-23T12:13:20.5Z", StartOffset::Since(1_763_900_000_500)),
            ("@2025-11-23T13:13:20+01:00", StartOffset::Since(1_763_900_000_000)),
        ] {
            assert_eq!(parsed(&format!("kafka://a/t?offset={text}")).offset, Some(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (name, why) in [
            ("kafka://", "expected kafka://BROKER"),
            ("kafka:///t", "a broker is missing"),
            ("kafka://a,,b/t", "a broker is missing"),
            ("kafka://a:0/t", "a broker is missing"),
            ("kafka://a:x/t", "a broker is missing"),
            ("kafka://[::g]/t", "a broker is missing"),
            ("kafka://a", "expected kafka://BROKER"),
            ("kafka://a/", "the topic is missing"),
            ("kafka://a/b/c", "the topic is missing"),
            ("kafka://me:secret@a/t", "--kafka-username"),
            ("kafka://a/t?", "'' is not KEY=VALUE"),
            ("kafka://a/t?groups=g", "unknown key groups"),
            ("kafka://a/t?group=", "the name of a group"),
            ("kafka://a/t?group=g&group=h", "given twice"),
            ("kafka://a/t?format=xml", "gor or json"),
            ("kafka://a/t?offset=-1", "earliest, latest"),
            ("kafka://a/t?offset=@soon", "earliest, latest"),
            ("kafka://a/t?partition=+1", "the number of a partition"),
            ("kafka://a/t?compression=brotli", "lz4, zstd"),
            ("kafka://a/t?timeout=0s", "whole seconds"),
        ] {
            let error = KafkaAddress::parse(name).expect("of a topic").expect_err(name);
            let text = error.to_string();
            assert!(text.contains(why) && error.is_usage() && !text.contains("secret"), "{name}: {text}");
        }
        let refused =
            |found: Option<Result<KafkaAddress>>| found.expect("of a topic").expect_err("refused").is_usage();
        for query in ["compression=lz4", "group=g&offset=3", "group=g&partition=0"] {
            assert!(refused(KafkaAddress::input(&format!("kafka://a/t?{query}"))), "{query}");
        }
        for query in ["group=g", "offset=latest"] {
            assert!(refused(KafkaAddress::output(&format!("kafka://a/t?{query}"))), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_name_panics_and_none_shows_a_password(rest in "[a-z0-9:@/?=&,%\\[\\].-]{0,40}", typed in "\\PC{0,20}") {
            for text in [&rest, &typed] {
                let name = format!("kafka://{text}");
                prop_assert!(KafkaAddress::parse(&name).is_some());
            }
            let name = format!("kafka://user:pA55word@broker/{rest}");
            let error = KafkaAddress::parse(&name).expect("of a topic").expect_err("refused").to_string();
            prop_assert!(!error.contains("pA55word"), "{}", error);
        }

        #[test]
        fn what_is_named_is_found(brokers in prop::collection::vec("[a-z][a-z0-9.-]{0,8}(:[1-9][0-9]{0,3})?", 1..4),
                topic in "[a-zA-Z0-9._-]{1,20}", group in "[a-z%+]{1,8}", offset in 0..i64::MAX) {
            let brokers = brokers.join(",");
            let address = parsed(&format!("kafka://{brokers}/{topic}?group={group}"));
            prop_assert_eq!((address.brokers, address.topic), (brokers.clone(), topic.clone()));
            prop_assert_eq!(address.group, Some(group));
            let address = parsed(&format!("kafka://{brokers}/{topic}?offset={offset}"));
            prop_assert_eq!(address.offset, Some(StartOffset::At(offset)));
        }
    }
}
