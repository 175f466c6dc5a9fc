//! The command line of `gor`: GoReplay's, on our parts.

mod dry_run;
mod explain;
mod fan_out;
mod feedback;
mod file_server;
mod flags;
mod help;
mod limit;
mod plan;
mod running;
mod servers;
mod sources;
mod steps;
mod table;
mod values;

use std::ffi::OsString;

pub use flags::GivenFlags;
pub use help::{command, migration};
pub use table::{FLAGS, Flag, FlagKind};

use self::plan::Plan;
use crate::Result;
use crate::cli::{Exit, ProfileOptions, Reporting, note};

/// What this process was asked to do.
#[derive(Clone, Debug)]
pub struct CommandLine {
    reporting: Reporting,
    asked: Asked,
}

#[derive(Clone, Debug)]
enum Asked {
    Help,
    FileServer(Option<OsString>),
    Run(Box<GivenFlags>),
}

impl CommandLine {
    /// Reads this process's command line.
    pub fn parse() -> Result<Self> {
        let mut args = std::env::args_os().skip(1).peekable();
        if args.peek().is_some_and(|arg| arg == "file-server") {
            let asked = Asked::FileServer(args.nth(1));
            return Ok(CommandLine { reporting: Reporting::default(), asked });
        }
        let flags = GivenFlags::parse(args)?;
        let reporting = if flags.explains { Reporting::default() } else { reporting(&flags)? };
        let asked = if flags.asks_help { Asked::Help } else { Asked::Run(Box::new(flags)) };
        Ok(CommandLine { reporting, asked })
    }

    /// What is said of the run.
    pub fn reporting(&self) -> &Reporting {
        &self.reporting
    }
}

/// What goes to standard error and into profiles.
fn reporting(flags: &GivenFlags) -> Result<Reporting> {
    let profiles = ProfileOptions {
        cpu_profile: flags.text("cpuprofile").map(Into::into),
        mem_profile: flags.text("memprofile").map(Into::into),
        pprof: flags
            .text("http-pprof")
            .map(|text| {
                crate::cli::values::listen_address(text)
                    .map_err(|reason| crate::Error::Usage(format!("--http-pprof {text:?}: {reason}")))
            })
            .transpose()?,
    };
    Ok(Reporting { stats: plan::stats(flags)?, profiles, ..Reporting::default() })
}

/// Does what the command line says.
pub fn run(line: &CommandLine) -> anyhow::Result<Exit> {
    let flags = match &line.asked {
        Asked::Help => return Ok(help::print()),
        Asked::FileServer(address) => return file_server::run(address.as_deref()),
        Asked::Run(flags) => flags,
    };
    let plan = Plan::new(flags)?;
    if flags.explains {
        return explain::print(&plan);
    }
    plan.remarks.iter().for_each(note);
    if plan.is_dry {
        return dry_run::run(&plan);
    }
    running::run(&plan, &line.reporting)
}
