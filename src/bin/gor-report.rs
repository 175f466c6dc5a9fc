//! `gor-report`: prints the reports of replays, and adds them up.

use std::process::ExitCode;

use clap::Parser as _;
use gor_tools::{cli, tool::report};

fn main() -> ExitCode {
    let args = report::Args::parse();
    cli::run("gor-report", || report::run(&args))
}
