//! `gor-record`: packets in, gor text out.

use std::process::ExitCode;

use clap::Parser as _;
use gor_tools::{cli, tool::record};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = record::Args::parse();
    cli::run("gor-record", || record::run(&args))
}
