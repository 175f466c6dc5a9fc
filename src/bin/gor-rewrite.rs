//! `gor-rewrite`: changes requests by rules, or by a program that reads and writes them.

use std::process::ExitCode;

use gor_tools::cli::{self, rewrite};

fn main() -> ExitCode {
    let command = rewrite::CommandLine::parse();
    cli::run("gor-rewrite", || rewrite::run(&command))
}
