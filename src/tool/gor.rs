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
    FileServer(Vec<OsString>),
    Run(Box<GivenFlags>),
}

impl CommandLine {
    /// Reads this process's command line.
    pub fn parse() -> Result<Self> {
        // What --explain prints may go to a shell.
        let explains = || std::env::args_os().any(|arg| arg == "--explain" || arg == "-explain");
        Self::read(std::env::args_os().skip(1)).inspect_err(|_| {
            if !explains() {
                help::print_banner();
            }
        })
    }

    fn read(args: impl Iterator<Item = OsString>) -> Result<Self> {
        let mut args = args.peekable();
        if args.next_if(|arg| arg == "file-server").is_some() {
            let asked = Asked::FileServer(args.collect());
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
        Asked::FileServer(address) => return file_server::run(address),
        Asked::Run(flags) => flags,
    };
    if flags.explains {
        return explain::print(&Plan::new(flags)?);
    }
    let done = carry_out(flags, &line.reporting);
    if let Err(error) = &done
        && error.downcast_ref::<crate::Error>().is_some_and(crate::Error::is_usage)
    {
        help::print_banner();
    }
    done
}

fn carry_out(flags: &GivenFlags, reporting: &Reporting) -> anyhow::Result<Exit> {
    let plan = Plan::new(flags)?;
    plan.remarks.iter().for_each(note);
    if plan.is_dry {
        return dry_run::run(&plan);
    }
    running::run(&plan, reporting)
}
