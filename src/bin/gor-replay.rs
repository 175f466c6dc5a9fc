//! `gor-replay`: sends recorded requests.

use std::process::ExitCode;

use gor_tools::{cli, tool::replay};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = replay::parse();
    cli::run("gor-replay", || replay::run(&args))
}
