//! What a conversion could not carry over, counted.

/// How often each thing was left out or changed, in the order in which they were first met.
#[derive(Debug, Default)]
pub(super) struct Remarks(Vec<Remark>);

#[derive(Debug)]
struct Remark {
    one: &'static str,
    many: &'static str,
    number: u64,
}

impl Remarks {
    /// Counts something, by what it is called where it is one and where there are several.
    pub(super) fn count(&mut self, one: &'static str, many: &'static str) {
        match self.0.iter_mut().find(|remark| remark.one == one) {
            Some(remark) => remark.number += 1,
            None => self.0.push(Remark { one, many, number: 1 }),
        }
    }

    /// All of it in words; none where there is nothing.
    pub(super) fn text(&self) -> Option<String> {
        let part = |remark: &Remark| match remark.number {
            1 => format!("1 {}", remark.one),
            number => format!("{number} {}", remark.many),
        };
        (!self.0.is_empty()).then(|| self.0.iter().map(part).collect::<Vec<_>>().join(", "))
    }
}
