//! `gor-merge`: puts recordings together, ordered by time.

use std::alloc::System;
use std::process::ExitCode;

use gor_tools::{cli, observe::SampledHeap, tool::merge};

#[global_allocator]
static ALLOCATOR: SampledHeap<System> = SampledHeap(System);

fn main() -> ExitCode {
    let args: merge::Args = cli::parse();
    cli::run("gor-merge", &args.reporting, || merge::run(&args))
}
