//! Writes a made-up recording of any size to standard output, the same every time.
//!
//! `cargo run --release --example make_recording -- 1800000 > bench-data/recording-1800000.gor`
//!
//! Requests and responses alternate, about 250 bytes each: methods, paths and
//! headers as a shop's traffic has them.

use std::io::{self, BufWriter, Write};

const METHODS: [&str; 8] = ["GET", "GET", "GET", "GET", "GET", "POST", "PUT", "DELETE"];
const PATHS: [&str; 6] =
    ["/api/v1/users", "/api/v1/orders", "/api/v2/search", "/static/img", "/health", "/cart"];
const AGENTS: [&str; 3] = ["curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64)", "okhttp/4.12.0"];

fn main() -> io::Result<()> {
    let exchanges = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_800_000_u64);
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..exchanges {
        let dice = random(&mut state);
        let id = format!("{:04x}1f900a000001{:08x}", 32768 + number % 20_000, number as u32);
        let time = 1_763_900_000_000_000_000 + number * 50_000;
        let method = METHODS[(dice % 8) as usize];
        let path = PATHS[(dice >> 8) as usize % PATHS.len()];
        let agent = AGENTS[(dice >> 16) as usize % AGENTS.len()];
        let user = (dice >> 24) % 10_000;
        let body = if method == "POST" || method == "PUT" { "{\"item\":1234567,\"count\":2}" } else { "" };
        write!(
            out,
            "1 {id} {time} 12000\n{method} {path}/{user}?page={}&user_id={user} HTTP/1.1\r\nHost: shop.example.com\r\n\
             User-Agent: {agent}\r\nAccept: */*\r\nX-User: {user}\r\nContent-Length: {}\r\n\r\n{body}\n🐵🙈🙉\n",
            dice >> 40 & 63,
            body.len(),
        )?;
        write!(
            out,
            "2 {id} {} 900000\nHTTP/1.1 200 OK\r\nServer: nginx/1.26.0\r\nContent-Type: application/json\r\n\
             Content-Length: 64\r\nConnection: keep-alive\r\n\r\n{:064}\n🐵🙈🙉\n",
            time + 1_000_000,
            dice,
        )?;
    }
    out.flush()
}

/// Xorshift: fast, and the same on every machine.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
