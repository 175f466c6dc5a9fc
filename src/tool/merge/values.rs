//! Values that only `gor-merge` takes: shifts, an amount of memory.

use std::str::FromStr;

use crate::BadRule;

/// What is added to the times of one input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shift {
    /// The input's name, or the pattern that it was given as.
    pub file: String,
    /// Nanoseconds.
    pub by: i64,
}

impl FromStr for Shift {
    type Err = BadRule;

    /// The last equals sign parts the two: a file's name may have others.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        let wanted = "expected a file and a shift, as FILE=+1h or FILE=-250ms";
        let at = text.rfind('=').ok_or_else(|| BadRule::new(text, text.len(), wanted))?;
        let (file, value) = (&text[..at], &text[at + 1..]);
        if file.is_empty() {
            return Err(BadRule::new(text, 0, "the file's name is missing"));
        }
        let (is_back, length) = match value.as_bytes().first() {
            Some(b'-') => (true, &value[1..]),
            Some(b'+') => (false, &value[1..]),
            _ => (false, value),
        };
        let start = text.len() - length.len();
        let by = crate::cli::values::duration(length).map_err(|_| BadRule::new(text, start, wanted))?;
        let by = i64::try_from(by.as_nanos())
            .map_err(|_| BadRule::new(text, start, "times have no room for more than 292 years"))?;
        Ok(Shift { file: file.to_owned(), by: if is_back { -by } else { by } })
    }
}

/// Bytes of memory to sort with.
pub(super) fn memory(text: &str) -> Result<usize, String> {
    let size = crate::cli::values::size(text)?;
    if (1 << 20..=3 << 30).contains(&size) {
        return Ok(size as usize);
    }
    Err("expected a size from 1MB to 3GB, as 48MB".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts() {
        for (text, expected) in [
            ("a.gor=+1h", Ok(("a.gor", 3_600_000_000_000))),
            ("a=b.gor=-250ms", Ok(("a=b.gor", -250_000_000))),
            ("-=1s", Ok(("-", 1_000_000_000))),
            ("a.gor", Err(5)),
            ("=1h", Err(0)),
            ("a=", Err(2)),
            ("a=+", Err(3)),
            ("a=+soon", Err(3)),
            ("a=+400years", Err(3)),
        ] {
            let shift = text.parse::<Shift>();
            let shift = shift.as_ref().map(|shift| (shift.file.as_str(), shift.by)).map_err(|bad| bad.at);
            assert_eq!(shift, expected, "{text}");
        }
    }
}
