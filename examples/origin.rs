//! The origin server of the demo: answers every request, prints what came, ends when its input does.
//!
//! ```text
//! $ cargo run --example origin
//! 127.0.0.1:34567
//! GET /api/items
//! ```
//!
//! With `--stall` each answer takes some milliseconds, and in every ten seconds none is given for one second.

#[path = "../tests/integration/support/origin.rs"]
#[allow(dead_code, reason = "the tests make it misbehave, the demo does not")]
mod origin;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// How long an answer takes that is asked for so long after the start: from 2 to 9 ms, or as long as a stall lasts.
fn delay(since: Duration, request: &[u8]) -> Duration {
    let usual = 2 + request.iter().fold(0_u64, |sum, byte| sum * 31 % 97 + u64::from(*byte)) % 8;
    let in_ten_seconds = since.as_millis() as u64 % 10_000;
    let stalled = if in_ten_seconds >= 5000 { 6000_u64.saturating_sub(in_ten_seconds) } else { 0 };
    Duration::from_millis(usual + stalled)
}

fn main() -> std::io::Result<()> {
    let (start, stalls) = (Instant::now(), std::env::args().any(|arg| arg == "--stall"));
    let origin = origin::Origin::start(move |request| {
        if stalls {
            std::thread::sleep(delay(start.elapsed(), &request.bytes));
        }
        // Whoever reads this may stop before we do.
        let _ = writeln!(std::io::stdout(), "{}", request.line());
        origin::answer(200, "hello from the origin\n")
    });
    println!("{}", origin.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
