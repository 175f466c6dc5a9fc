//! `gor-replay`: sends recorded requests.

use std::process::ExitCode;

use gor_tools::{cli, observe::SampledHeap, tool::replay};

#[global_allocator]
static ALLOCATOR: SampledHeap<mimalloc::MiMalloc> = SampledHeap(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let args = replay::parse();
    cli::run("gor-replay", &args.reporting, || replay::run(&args))
}
