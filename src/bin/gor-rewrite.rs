//! `gor-rewrite`: changes messages.

use std::alloc::System;
use std::process::ExitCode;

use gor_tools::{cli, observe::SampledHeap, tool::rewrite};

#[global_allocator]
static ALLOCATOR: SampledHeap<System> = SampledHeap(System);

fn main() -> ExitCode {
    let args = rewrite::RewriteCommandLine::parse();
    cli::run("gor-rewrite", args.reporting(), || rewrite::run(&args))
}
