//! Any numbers in a report of a replay: nothing panics when it is merged, printed, drawn and judged.
#![no_main]

use gor_tools::report::{ReplayReport, Threshold};
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// A report of a replay of the example, with and without responses.
const SAMPLE: &str = include_str!("../report.json");

/// Puts numbers of `data` in place of some of those in `value`.
fn change(value: &mut Value, data: &mut impl Iterator<Item = u8>) {
    match value {
        Value::Number(number) => {
            let Some(kind) = data.next() else { return };
            let mut next = || data.next().map_or(0, u64::from);
            match kind % 8 {
                0 => *number = next().into(),
                1 => *number = u64::MAX.into(),
                2 => *number = (next() << 56 | next()).into(),
                3 => *number = (next() << (next() % 57)).into(),
                _ => {}
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| change(value, data)),
        Value::Object(values) => values.values_mut().for_each(|value| change(value, data)),
        _ => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let mut value: Value = serde_json::from_str(SAMPLE).expect("a report");
    change(&mut value, &mut data.iter().copied());
    let Ok(report) = serde_json::from_value::<ReplayReport>(value) else { return };
    let mut sum = report.clone();
    sum.merge(report);
    let text = serde_json::to_string(&sum).expect("it is JSON");
    serde_json::from_str::<ReplayReport>(&text).expect("what is written can be read");
    sum.text(&TimeZone::UTC);
    sum.html(&TimeZone::UTC);
    for rule in ["p99>1ms", "errors>1%", "status:5xx>0", "lateness.p99>1ms", "rate<900/s"] {
        rule.parse::<Threshold>().expect("a rule").miss(&sum.total);
    }
});
