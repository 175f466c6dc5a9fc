//! How `gor-record --dummy` runs: records without any traffic.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Args;
use crate::capture::{CaptureLedger, Dummy};
use crate::cli::{Exit, Report, signals};
use crate::endpoint::{self, WriteOptions};
use crate::record::Block;

/// Exchanges written at once, when the output was slow and many are due.
const MOST: usize = 1024;

/// How often signals are looked for while nothing is due.
const LOOK: Duration = Duration::from_millis(100);

/// The most exchanges per second.
const MOST_PER_SECOND: f64 = 1e6;

/// A number of exchanges per second: `100/s`, `0.5/s`, `100`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let rate = number.parse::<f64>().ok().filter(|rate| is_plain && *rate > 0.0 && *rate <= MOST_PER_SECOND);
    rate.ok_or_else(|| "expected a rate of at most 1000000/s, as 100/s or 0.5/s".into())
}

/// Writes exchanges until it is told to stop.
pub(super) fn run(args: &Args, rate: f64) -> anyhow::Result<Exit> {
    let stop = signals::stop()?;
    // Before the outputs, some of which wait for a server until then.
    if let Some(time) = args.exit_after {
        signals::stop_after(time, &stop)?;
    }
    let write = WriteOptions { kafka: args.kafka()?, ..args.write_options(&stop)? };
    let mut sink = endpoint::create(&args.output.output, &write)?;
    let reopening = if args.output.has_files() { signals::reopening()? } else { Arc::default() };
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX);
    let mut dummy = Dummy::new(rate, args.responses, getrandom::u64()?, now);
    let mut block = Block::new();
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if reopening.swap(false, Ordering::Relaxed) {
            sink.reopen()?;
        }
        block.clear();
        dummy.make(start.elapsed(), MOST, &mut block);
        if block.is_empty() {
            sink.check()?;
            thread::sleep(dummy.next_due().saturating_sub(start.elapsed()).min(LOOK));
            continue;
        }
        sink.write_block(&block)?;
        sink.flush()?;
    }
    sink.finish()?;
    let mut ledger = CaptureLedger::default();
    (ledger.requests.begun, ledger.requests.recorded) = (dummy.made(), dummy.made());
    if args.responses {
        ledger.responses = ledger.requests.clone();
    }
    Report::new(&ledger.of_messages(), serde_json::to_value(&ledger)?).tell(&args.reporting, Ok(()))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn rates_are_numbers_per_second() {
        for (text, expected) in [("100/s", 100.0), ("1", 1.0), ("0.5/s", 0.5), ("1000000", 1e6)] {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for text in ["", "/s", "0", "0/s", "-1/s", "1e3/s", "inf", "NaN", "1000001/s", "5/m", ":80"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
