//! `gor`: GoReplay's command line.

use std::process::ExitCode;

use gor_tools::cli::{self, Reporting};
use gor_tools::{observe::SampledHeap, tool::gor};

#[global_allocator]
static ALLOCATOR: SampledHeap<mimalloc::MiMalloc> = SampledHeap(mimalloc::MiMalloc);

fn main() -> ExitCode {
    match gor::CommandLine::parse() {
        Ok(line) => cli::run("gor", line.reporting(), || gor::run(&line)),
        Err(error) => cli::run("gor", &Reporting::default(), || Err(error.into())),
    }
}
