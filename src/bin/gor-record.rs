//! `gor-record`: packets in, gor text out.

use std::process::ExitCode;

use gor_tools::{cli, observe::SampledHeap, tool::record};

#[global_allocator]
static ALLOCATOR: SampledHeap<mimalloc::MiMalloc> = SampledHeap(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let args: record::Args = cli::parse();
    cli::run_serving_later("gor-record", &args.reporting, |profiles| record::run(&args, profiles))
}
