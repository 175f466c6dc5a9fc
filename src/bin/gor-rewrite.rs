//! `gor-rewrite`: changes messages.

use std::process::ExitCode;

use gor_tools::{cli, tool::rewrite};

fn main() -> ExitCode {
    let args = rewrite::CommandLine::parse();
    cli::run("gor-rewrite", || rewrite::run(&args))
}
