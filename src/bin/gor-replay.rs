//! Sends recorded requests to a server, when they were recorded to come.
use gor_tools::{pace::Pace, record::*, replay::*};
use std::sync::{Arc, atomic::AtomicBool};
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let file = a[1].clone();
    let s = Settings {
        pace: Pace { no_wait: a.contains(&"--no-wait".into()), ..Pace::default() },
        rounds: 1,
        read_depth: 100,
        connections: a.iter().position(|x| x == "-c").map(|i| a[i + 1].parse().unwrap()),
        timeout: std::time::Duration::from_secs(5),
        keeps_host: false,
        echo: false,
        workers: a.iter().position(|x| x == "-w").map(|i| a[i + 1].parse().unwrap()),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let o = run(
        &s,
        vec![a[2].parse().unwrap()],
        Box::new(move || {
            Ok(Box::new(Reader::new(std::fs::File::open(&file)?, Options::default()))
                as Box<dyn Source + Send>)
        }),
        None,
        &stop,
        |_| {},
    )
    .unwrap();
    eprint!("{}", Summary(&o));
}
