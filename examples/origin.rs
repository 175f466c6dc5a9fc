//! The origin server of the demo: answers every request, prints what came, ends when its input does.
//!
//! ```text
//! $ cargo run --example origin
//! 127.0.0.1:34567
//! GET /api/items
//! ```

#[path = "../tests/integration/support/origin.rs"]
#[allow(dead_code, reason = "the tests make it misbehave, the demo does not")]
mod origin;

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let origin = origin::Origin::start(|request| {
        // Whoever reads this may stop before we do.
        let _ = writeln!(std::io::stdout(), "{}", request.line());
        origin::answer(200, "hello from the origin\n")
    });
    println!("{}", origin.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
