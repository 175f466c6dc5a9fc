//! The ledger: what came in, and where each of it went. Its sums must reconcile.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value, json};

/// Sums and their parts, in the order they are to be read. Each has a key for programs, which stays, and a name for people.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ledger {
    sums: Vec<Sum>,
    lists: Vec<List>,
}

/// A total that must be the sum of its parts, or a lone count.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Sum {
    key: &'static str,
    name: Cow<'static, str>,
    total: u64,
    has_parts: bool,
    parts: Vec<LedgerEntry>,
}

/// A part of a sum.
#[derive(Clone, Debug, Eq, PartialEq)]
struct LedgerEntry {
    key: Cow<'static, str>,
    name: Cow<'static, str>,
    count: u64,
}

/// Things of one kind and what was counted of each.
#[derive(Clone, Debug, Eq, PartialEq)]
struct List {
    key: &'static str,
    name: &'static str,
    columns: &'static [&'static str],
    rows: Vec<(String, Vec<u64>)>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Ledger::default()
    }

    /// Adds a total that is the sum of its parts, which are given next.
    #[must_use]
    pub fn sum(mut self, key: &'static str, name: impl Into<Cow<'static, str>>, total: u64) -> Self {
        self.sums.push(Sum { key, name: name.into(), total, has_parts: true, parts: Vec::new() });
        self
    }

    /// Adds a lone count.
    #[must_use]
    pub fn total(mut self, key: &'static str, name: impl Into<Cow<'static, str>>, total: u64) -> Self {
        self.sums.push(Sum { key, name: name.into(), total, has_parts: false, parts: Vec::new() });
        self
    }

    /// As [`Ledger::total`], but left out where there was none.
    #[must_use]
    pub fn total_if_any(self, key: &'static str, name: impl Into<Cow<'static, str>>, total: u64) -> Self {
        if total == 0 { self } else { self.total(key, name, total) }
    }

    /// Adds a part to the latest sum.
    #[must_use]
    pub fn part(
        mut self,
        key: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
        count: u64,
    ) -> Self {
        if let Some(sum) = self.sums.last_mut() {
            sum.parts.push(LedgerEntry { key: key.into(), name: name.into(), count });
        }
        self
    }

    /// As [`Ledger::part`], but left out where there was none.
    #[must_use]
    pub fn part_if_any(
        self,
        key: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
        count: u64,
    ) -> Self {
        if count == 0 { self } else { self.part(key, name, count) }
    }

    /// Adds a list, each row with a count for each column. The first column, of names, is what is listed.
    #[must_use]
    pub fn list(
        mut self,
        key: &'static str,
        name: &'static str,
        columns: &'static [&'static str],
        rows: Vec<(String, Vec<u64>)>,
    ) -> Self {
        if !rows.is_empty() {
            self.lists.push(List { key, name, columns, rows });
        }
        self
    }

    /// The totals that are not the sums of their parts, by name. There are none unless something was lost in counting.
    pub fn discrepancies(&self) -> impl Iterator<Item = &str> {
        let is_wrong =
            |sum: &&Sum| sum.has_parts && sum.parts.iter().map(|part| part.count).sum::<u64>() != sum.total;
        self.sums.iter().filter(is_wrong).map(|sum| &*sum.name)
    }

    /// The ledger for programs: an object with a number for each lone count, for each sum an object of its total and
    /// parts, and for each list an array of objects.
    pub fn to_json(&self) -> Value {
        let object = |sum: &Sum| {
            let parts = sum.parts.iter().map(|part| (part.key.to_string(), part.count.into()));
            Value::Object(std::iter::once(("total".to_owned(), sum.total.into())).chain(parts).collect())
        };
        let value = |sum: &Sum| if sum.has_parts { object(sum) } else { json!(sum.total) };
        let row = |list: &List, (name, counts): &(String, Vec<u64>)| {
            let counts =
                list.columns.iter().zip(counts).map(|(column, count)| ((*column).to_owned(), json!(count)));
            Value::Object(std::iter::once(("name".to_owned(), json!(name))).chain(counts).collect())
        };
        let rows = |list: &List| list.rows.iter().map(|one| row(list, one)).collect::<Value>();
        let sums = self.sums.iter().map(|sum| (sum.key.to_owned(), value(sum)));
        let lists = self.lists.iter().map(|list| (list.key.to_owned(), rows(list)));
        Value::Object(sums.chain(lists).collect::<Map<_, _>>())
    }
}

impl fmt::Display for Ledger {
    /// A table of numbers and names, parts indented under their total.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self
            .sums
            .iter()
            .flat_map(|sum| std::iter::once(sum.total).chain(sum.parts.iter().map(|part| part.count)));
        let width = counts.max().unwrap_or(0).to_string().len();
        for sum in &self.sums {
            writeln!(f, "{:width$}  {}", sum.total, sum.name)?;
            for LedgerEntry { name, count, .. } in &sum.parts {
                writeln!(f, "{count:width$}    {name}")?;
            }
        }
        for list in &self.lists {
            let first =
                list.rows.iter().map(|(name, _)| name.len() + 2).max().unwrap_or(0).max(list.name.len());
            write!(f, "{:first$}", list.name)?;
            list.columns.iter().try_for_each(|column| write!(f, "{column:>12}"))?;
            writeln!(f)?;
            for (name, counts) in &list.rows {
                write!(f, "  {name:<width$}", width = first - 2)?;
                counts.iter().try_for_each(|count| write!(f, "{count:>12}"))?;
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new()
            .sum("records", "records read", 120)
            .part("written", "written", 100)
            .part("dropped_by_url", "dropped by --url", 20)
            .part_if_any("dropped_by_method", "dropped by --method", 0)
            .total("bytes", "bytes read", 4096)
            .list(
                "rules",
                "requests by rule",
                &["matched", "dropped"],
                vec![("--url".to_owned(), vec![100, 20])],
            )
            .list("none", "of nothing", &["matched"], Vec::new())
    }

    #[test]
    fn parts_stand_indented_under_their_total() {
        let expected = "
 120  records read
 100    written
  20    dropped by --url
4096  bytes read
requests by rule     matched     dropped
  --url                  100          20
";
        assert_eq!(format!("\n{}", ledger()), expected);
    }

    #[test]
    fn programs_get_the_same_numbers() {
        let expected = json!({
            "records": {"total": 120, "written": 100, "dropped_by_url": 20},
            "bytes": 4096,
            "rules": [{"name": "--url", "matched": 100, "dropped": 20}],
        });
        assert_eq!(ledger().to_json(), expected);
    }

    #[test]
    fn a_sum_that_is_not_its_parts_is_found() {
        assert_eq!(ledger().discrepancies().next(), None);
        let wrong = ledger().sum("packets", "packets", 3).part("tcp", "TCP", 2);
        assert_eq!(wrong.discrepancies().collect::<Vec<_>>(), ["packets"]);
    }
}
