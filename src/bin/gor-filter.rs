//! `gor-filter`: chooses records by rules about their requests.

use std::alloc::System;
use std::process::ExitCode;

use gor_tools::{cli, observe::SampledHeap, tool::filter};

#[global_allocator]
static ALLOCATOR: SampledHeap<System> = SampledHeap(System);

fn main() -> ExitCode {
    let args: filter::Args = cli::parse();
    cli::run("gor-filter", &args.reporting, || filter::run(&args))
}
