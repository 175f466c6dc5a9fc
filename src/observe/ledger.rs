//! The ledger: what came in, and where each of it went. Its sums must reconcile.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value, json};

/// Sums and their parts, in the order they are to be read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger {
    sums: Vec<Sum>,
}

/// A total that must be the sum of its parts, or a lone count where it has
/// no parts.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Sum {
    name: Cow<'static, str>,
    total: u64,
    parts: Vec<(&'static str, u64)>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Ledger::default()
    }

    /// Adds a total. Parts given next are its own.
    #[must_use]
    pub fn total(mut self, name: impl Into<Cow<'static, str>>, total: u64) -> Self {
        self.sums.push(Sum { name: name.into(), total, parts: Vec::new() });
        self
    }

    /// Adds a part to the latest total.
    #[must_use]
    pub fn part(mut self, name: &'static str, count: u64) -> Self {
        if let Some(sum) = self.sums.last_mut() {
            sum.parts.push((name, count));
        }
        self
    }

    /// As [`Ledger::part`], but left out where there was none.
    #[must_use]
    pub fn part_if_any(self, name: &'static str, count: u64) -> Self {
        if count == 0 { self } else { self.part(name, count) }
    }

    /// The first total that is not the sum of its parts, by name. There is
    /// none unless something was lost in counting.
    pub fn discrepancy(&self) -> Option<&str> {
        let is_wrong = |sum: &&Sum| {
            !sum.parts.is_empty() && sum.parts.iter().map(|(_, count)| count).sum::<u64>() != sum.total
        };
        self.sums.iter().find(is_wrong).map(|sum| &*sum.name)
    }

    /// The ledger for programs: an object with a number for each lone count,
    /// and for each sum an object of its total and parts. Names are written
    /// with underscores: `dropped by --url` becomes `dropped_by_url`.
    pub fn to_json(&self) -> Value {
        let object = |sum: &Sum| {
            let parts = sum.parts.iter().map(|&(name, count)| (key(name), count.into()));
            Value::Object(std::iter::once(("total".to_owned(), sum.total.into())).chain(parts).collect())
        };
        let value = |sum: &Sum| if sum.parts.is_empty() { json!(sum.total) } else { object(sum) };
        Value::Object(self.sums.iter().map(|sum| (key(&sum.name), value(sum))).collect::<Map<_, _>>())
    }
}

impl fmt::Display for Ledger {
    /// A table of numbers and names, parts indented under their total.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self
            .sums
            .iter()
            .flat_map(|sum| std::iter::once(sum.total).chain(sum.parts.iter().map(|&(_, count)| count)));
        let width = counts.max().unwrap_or(0).to_string().len();
        for sum in &self.sums {
            writeln!(f, "{:width$}  {}", sum.total, sum.name)?;
            for (name, count) in &sum.parts {
                writeln!(f, "{count:width$}    {name}")?;
            }
        }
        Ok(())
    }
}

/// A name as a JSON key.
fn key(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new()
            .total("records read", 120)
            .part("written", 100)
            .part("dropped by --url", 20)
            .part_if_any("dropped by --method", 0)
            .total("bytes read", 4096)
    }

    #[test]
    fn parts_stand_indented_under_their_total() {
        let expected = "
 120  records read
 100    written
  20    dropped by --url
4096  bytes read
";
        assert_eq!(format!("\n{}", ledger()), expected);
    }

    #[test]
    fn programs_get_the_same_numbers() {
        let expected =
            json!({"records_read": {"total": 120, "written": 100, "dropped_by_url": 20}, "bytes_read": 4096});
        assert_eq!(ledger().to_json(), expected);
    }

    #[test]
    fn a_sum_that_is_not_its_parts_is_found() {
        assert_eq!(ledger().discrepancy(), None);
        assert_eq!(ledger().total("packets", 3).part("TCP", 2).discrepancy(), Some("packets"));
    }
}
