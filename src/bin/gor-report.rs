//! `gor-report`: prints the reports of replays, and adds them up.

use std::alloc::System;
use std::process::ExitCode;

use gor_tools::{cli, observe::SampledHeap, tool::report};

#[global_allocator]
static ALLOCATOR: SampledHeap<System> = SampledHeap(System);

fn main() -> ExitCode {
    let args: report::Args = cli::parse();
    cli::run("gor-report", &args.reporting, || report::run(&args))
}
