//! `gor-show`: looks inside recordings.

use std::process::ExitCode;

use clap::Parser as _;
use gor_tools::{cli, tool::show};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = show::Args::parse();
    cli::run("gor-show", || show::run(&args))
}
