//! `gor-show`: looks inside recordings.

use std::process::ExitCode;

use gor_tools::{cli, observe::SampledHeap, tool::show};

#[global_allocator]
static ALLOCATOR: SampledHeap<mimalloc::MiMalloc> = SampledHeap(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let args: show::Args = cli::parse();
    cli::run("gor-show", &args.reporting, || show::run(&args))
}
