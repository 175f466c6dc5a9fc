//! How far a meter has come, in words.

use std::time::Duration;

use indicatif::HumanCount;

use super::{Meter, Size, Span};

/// Bytes, records, rate, and the time that is left where the size is known.
pub fn describe(meter: &Meter, elapsed: Duration) -> String {
    let (bytes, seconds) = (meter.bytes(), elapsed.as_secs_f64().max(0.001));
    let rate = bytes as f64 / seconds;
    let total = meter.total().filter(|&total| total >= bytes);
    let of = total.map(|total| {
        let percent = bytes as f64 * 100.0 / total as f64;
        format!(" of {} ({percent:.0}%)", Size(total))
    });
    let left = total.filter(|_| bytes > 0).map(|total| {
        // To the second: more would only flicker.
        let left = ((total - bytes) as f64 / rate).ceil() as u64;
        format!(", {} left", Span(left.saturating_mul(1_000_000_000)))
    });
    let (of, left) = (of.unwrap_or_default(), left.unwrap_or_default());
    let (records, rate) = (HumanCount(meter.records()), Size(rate as u64));
    let noun = if meter.records() == 1 { "record" } else { "records" };
    format!("{}{of} read, {records} {noun}, {rate}/s{left}", Size(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_told_where_the_size_is_known() {
        let meter = Meter::default();
        let say = || describe(&meter, Duration::from_secs(2));
        assert_eq!(say(), "0B read, 0 records, 0B/s");
        meter.add_bytes(1_000_000);
        meter.add_records(1234);
        assert_eq!(say(), "1.0MB read, 1,234 records, 500kB/s");
        meter.set_total(Some(4_000_000));
        let known = "1.0MB of 4.0MB (25%) read, 1,234 records, 500kB/s, 6.00s left";
        assert_eq!(say(), known);
        // A file that has grown meanwhile has no size that helps.
        meter.add_bytes(5_000_000);
        assert_eq!(say(), "6.0MB read, 1,234 records, 3.0MB/s");
    }
}
