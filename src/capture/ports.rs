//! Ports, one by one and in ranges: `80,8000-8010`.

use std::fmt;
use std::ops::RangeInclusive;

/// Ports of servers. None named: any.
///
/// Displayed in the form in which they are given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Parses a list; empty entries name nothing. The error is the entry that is no port and no range.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(',').filter(|entry| !entry.is_empty());
        let ranges = entries.map(|entry| range(entry).ok_or_else(|| entry.to_owned()));
        ranges.collect::<Result<_, _>>().map(Ports)
    }

    /// Whether any port is meant.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        self.is_any() || self.0.iter().any(|range| range.contains(&port))
    }

    /// All of these, in order, those that touch each other as one range. Empty: any.
    pub(super) fn union<'a>(all: impl Iterator<Item = &'a Ports> + Clone) -> Vec<RangeInclusive<u16>> {
        if all.clone().any(Ports::is_any) {
            return Vec::new();
        }
        let mut ranges: Vec<_> = all.flat_map(|ports| ports.0.iter().cloned()).collect();
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut joined: Vec<RangeInclusive<u16>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if u32::from(*range.start()) <= u32::from(*last.end()) + 1 => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => joined.push(range),
            }
        }
        joined
    }
}

fn range(entry: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.parse().ok().filter(|port| *port > 0 && !text.starts_with('+'));
    let (first, last) = match entry.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(entry)?, port(entry)?),
    };
    (first <= last).then_some(first..=last)
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{first}")?,
                (first, last) => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_contains_its_ports_and_no_others() {
        let cases = [
            ("", &[1, 80, 65535][..], &[][..]),
            ("80", &[80], &[79, 81]),
            ("80,8000-8010", &[80, 8000, 8005, 8010], &[81, 7999, 8011]),
            ("1-65535", &[1, 65535], &[]),
        ];
        for (text, inside, outside) in cases {
            let ports = Ports::parse(text).expect(text);
            assert_eq!(ports.to_string(), text);
            assert!(inside.iter().all(|port| ports.contains(*port)), "{text}");
            assert!(!outside.iter().any(|port| ports.contains(*port)), "{text}");
        }
    }

    #[test]
    fn ranges_that_touch_are_joined() {
        let cases = [
            (&["80", "81,90"][..], vec![80..=81, 90..=90]),
            (&["8000-8010,80", "8005-8020"], vec![80..=80, 8000..=8020]),
            (&["1-65535", "65535"], vec![1..=65535]),
            (&["8000-8010", "8002"], vec![8000..=8010]),
            (&["80", ""], vec![]),
        ];
        for (texts, joined) in cases {
            let all: Vec<_> = texts.iter().map(|text| Ports::parse(text).expect(text)).collect();
            assert_eq!(Ports::union(all.iter()), joined, "{texts:?}");
        }
    }

    #[test]
    fn what_is_no_port_is_named() {
        for text in ["0", "65536", "http", "80-", "-80", "8010-8000", "0-80", "1-2-3", "+80"] {
            assert_eq!(Ports::parse(&format!("1,{text}")), Err(text.to_owned()));
        }
    }
}
