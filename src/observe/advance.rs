//! How far a meter has come, in words.

use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount, HumanDuration};

use super::Meter;

/// Bytes, records, rate, and the time that is left where the size is known.
pub(super) fn describe(meter: &Meter, elapsed: Duration) -> String {
    let (bytes, seconds) = (meter.bytes(), elapsed.as_secs_f64().max(0.001));
    let rate = bytes as f64 / seconds;
    let total = meter.total().filter(|&total| total >= bytes);
    let of = total.map(|total| {
        let percent = bytes as f64 * 100.0 / total as f64;
        format!(" of {} ({percent:.0}%)", BinaryBytes(total))
    });
    let left = total.filter(|_| bytes > 0).map(|total| {
        let left = Duration::from_secs_f64((total - bytes) as f64 / rate);
        format!(", {} left", HumanDuration(left))
    });
    let (of, left) = (of.unwrap_or_default(), left.unwrap_or_default());
    let (records, rate) = (HumanCount(meter.records()), BinaryBytes(rate as u64));
    format!("{}{of} read, {records} records, {rate}/s{left}", BinaryBytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_told_where_the_size_is_known() {
        let meter = Meter::default();
        let say = || describe(&meter, Duration::from_secs(2));
        assert_eq!(say(), "0 B read, 0 records, 0 B/s");
        meter.add_bytes(1 << 20);
        meter.add_records(1234);
        assert_eq!(say(), "1.00 MiB read, 1,234 records, 512.00 KiB/s");
        meter.set_total(Some(4 << 20));
        let known = "1.00 MiB of 4.00 MiB (25%) read, 1,234 records, 512.00 KiB/s, 6 seconds left";
        assert_eq!(say(), known);
        // A file that has grown meanwhile has no size that helps.
        meter.add_bytes(5 << 20);
        assert_eq!(say(), "6.00 MiB read, 1,234 records, 3.00 MiB/s");
    }
}
