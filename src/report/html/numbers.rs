//! Numbers in words, as a page has them.

use crate::observe::Span;

/// A number with commas between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration, or a dash.
pub(super) fn span(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or_else(|| "–".to_owned(), |nanoseconds| Span(nanoseconds).to_string())
}

/// A part of a whole in per cent; what is not all never looks like all, and what is not none never like none.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        _ if part == 0 => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        ..0.05 => "&lt; 0.1 %".to_owned(),
        99.95.. => "&gt; 99.9 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

/// A rate with a digit after the point, if it is small.
pub(super) fn rounded(rate: f64) -> String {
    if rate < 100.0 && rate.fract() != 0.0 { format!("{rate:.1}") } else { count(rate.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_shares_are_never_rounded_to_all_or_none() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let shares = [(0, 0), (0, 9), (9, 9), (1, 100_000), (99_999, 100_000), (1, 3)];
        let expected = ["–", "0 %", "100 %", "&lt; 0.1 %", "&gt; 99.9 %", "33.3 %"];
        assert_eq!(shares.map(|(part, whole)| share(part, whole)), expected);
    }
}
