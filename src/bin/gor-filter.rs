//! `gor-filter`: chooses records by rules about their requests.

use std::process::ExitCode;

use clap::Parser as _;
use gor_tools::{cli, tool::filter};

fn main() -> ExitCode {
    let args = filter::Args::parse();
    cli::run("gor-filter", || filter::run(&args))
}
