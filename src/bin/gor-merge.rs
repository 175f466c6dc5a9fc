//! `gor-merge`: puts recordings together, ordered by time.

use std::process::ExitCode;

use clap::Parser as _;
use gor_tools::{cli, tool::merge};

fn main() -> ExitCode {
    let args = merge::Args::parse();
    cli::run("gor-merge", || merge::run(&args))
}
