//! Which requests of the recording a replay takes at all.

use std::fmt;
use std::str::FromStr;

use crate::record::{Header, connection_part};

/// One of several parts of a recording, for one of several machines: `2/3`.
///
/// A connection's requests are all in one part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    /// Which of the parts, counted from 1.
    number: u64,
    of: u64,
}

impl Shard {
    /// One of so many parts by its index, which begins with 0. None: there are not so many.
    pub fn of_index(index: u64, of: u64) -> Option<Self> {
        (index < of).then_some(Shard { number: index + 1, of })
    }
}

impl Shard {
    /// Of so many parts, by which the records were dealt out otherwise, those that have some of this one: all of them,
    /// unless the numbers have a common divisor.
    pub fn overlaps(self, parts: u64) -> impl Iterator<Item = u64> {
        let divisor = greatest_common_divisor(parts, self.of);
        (0..parts).filter(move |part| part % divisor == (self.number - 1) % divisor)
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if 0 < number && number <= of => Ok(Shard { number, of }),
            _ => Err(format!("expected I/N, as 1/3, 2/3 and 3/3 on three machines, not {text:?}")),
        }
    }
}

/// What is asked of a request's record.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestSelection {
    /// It was recorded then or later: nanoseconds since the Unix epoch.
    pub since: Option<i64>,
    /// It was recorded before.
    pub until: Option<i64>,
    /// It is in this part.
    pub shard: Option<Shard>,
}

impl RequestSelection {
    /// Whether the replay takes a request.
    pub(super) fn takes(&self, header: &Header<'_>) -> bool {
        self.since.is_none_or(|since| header.timestamp >= since)
            && self.until.is_none_or(|until| header.timestamp < until)
            && self.shard.is_none_or(|Shard { number, of }| connection_part(header.id, of) == number - 1)
    }
}

/// Requests that a replay does not take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NotSelected {
    /// How many they are.
    pub number: u64,
    /// When the first and the last of them were recorded: nanoseconds since the Unix epoch.
    pub times: Option<[i64; 2]>,
}

impl NotSelected {
    pub(super) fn add(&mut self, header: &Header<'_>) {
        self.number += 1;
        let [first, last] = self.times.get_or_insert([header.timestamp; 2]);
        *first = header.timestamp.min(*first);
        *last = header.timestamp.max(*last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_request_is_in_one_shard_with_its_connection(connection in any::<u64>(), of in 1..9_u64) {
            let takers = |exchange: u32| -> Vec<u64> {
                let id = format!("{connection:016x}{exchange:08x}");
                let header = Header { id: id.as_bytes(), ..Header::default() };
                let takes = |number: &u64| {
                    RequestSelection { shard: Some(Shard { number: *number, of }), ..RequestSelection::default() }.takes(&header)
                };
                (1..=of).filter(takes).collect()
            };
            prop_assert_eq!(takers(1).len(), 1);
            prop_assert_eq!(takers(1), takers(2));
        }

        #[test]
        fn a_shard_overlaps_the_parts_that_have_its_records(connection in any::<u64>(), of in 1..40_u64, parts in 1..40_u64) {
            let id = format!("{connection:016x}{:08x}", 1);
            let shard = Shard { number: connection_part(id.as_bytes(), of) + 1, of };
            prop_assert!(shard.overlaps(parts).any(|part| part == connection_part(id.as_bytes(), parts)));
        }
    }

    #[test]
    fn shards_share_evenly_and_are_written_as_fractions() {
        let shard: Shard = "2/3".parse().unwrap();
        let selection = RequestSelection { shard: Some(shard), ..RequestSelection::default() };
        let taken = (0..3000_u64).filter(|connection| {
            let id = format!("{connection:016x}00000001");
            selection.takes(&Header { id: id.as_bytes(), ..Header::default() })
        });
        assert!((900..1100).contains(&taken.count()));
        for text in ["", "1", "0/3", "4/3", "1/0", "a/b", "1/3/4"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
